// Some bytes of a snappy block without decompressing it. Numbers that look random hardly compress: the block
// is long literals with a few copies between them, and a value is found in the compressed bytes themselves.
// Source: the format description that comes with snappy; held by snappy_block_test.cc against the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

namespace salver {

class SnappyBlock {
 public:
  // Reads the block's elements, not their bytes. False when it is damaged, or so well compressed that
  // decompressing it costs less. `compressed` must outlive the reads.
  bool Open(std::span<const uint8_t> compressed);

  // As Open, of `size` compressed bytes that are read a few at a time, when they are needed. False also when
  // they can not be read, or when that would be so often that reading all of them costs less.
  using ReadBytes = std::function<bool(size_t offset, std::span<uint8_t> to)>;
  bool OpenPiecewise(size_t size, ReadBytes read);

  size_t size() const { return size_; }  // uncompressed

  // Copies [offset, offset + to.size()) of the uncompressed bytes; cheapest in ascending order. False when
  // that lies outside of the block, or is a copy of a copy of a copy beyond reason: then decompress.
  bool Read(size_t offset, std::span<uint8_t> to) {
    if (to.empty() || offset < run_begin_ || offset + to.size() > run_end_) return Search(offset, to);
    std::memcpy(to.data(), run_ + (offset - run_begin_), to.size());
    return true;
  }

 private:
  struct Element {
    uint32_t end;   // of its bytes, uncompressed
    uint32_t from;  // a literal's place in the compressed bytes; a copy's place in the uncompressed ones
    bool literal;
  };
  bool Search(size_t offset, std::span<uint8_t> to);
  bool ReadElements(size_t compressed_size, size_t bytes_an_element);
  // Compressed bytes; false when they can not be read.
  bool Copy(size_t from, std::span<uint8_t> to) const;
  bool ReadFrom(size_t element, size_t offset, int depth, std::span<uint8_t> to) const;
  size_t Find(size_t offset) const;
  size_t Begin(size_t element) const { return element == 0 ? 0 : elements_[element - 1].end; }

  std::span<const uint8_t> compressed_;
  ReadBytes read_;  // null: compressed_ has them
  std::vector<Element> elements_;
  size_t size_ = 0, next_ = 0;
  // The literal that was read last, when it is in memory: where it lies, and which uncompressed bytes it is.
  const uint8_t* run_ = nullptr;
  size_t run_begin_ = 0, run_end_ = 0;
};

}  // namespace salver
