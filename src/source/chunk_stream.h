// The bytes of a Parquet column chunk as a stream with one page of them in memory. What Read and Peek return
// is gone with the next call.
//
// With `deferred` a page that is read has its size and place, but its bytes only after Load(); until then
// LoadPart has some of them. Pages that are passed over are never read then, and of others the bytes that
// come with a header are not read again.
#pragma once

#include <arrow/io/interfaces.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/large_vector.h"

namespace salver {

// One system call for a value costs about what reading four kilobytes does; on another machine far more.
inline constexpr size_t kBytesARead = 4 << 10;

class ChunkStream final : public arrow::io::InputStream {
 public:
  // [begin, begin + size) of the file; `window` holds the page and must outlive the stream.
  ChunkStream(arrow::io::RandomAccessFile* file, int64_t begin, int64_t size, bool deferred,
              LargeVector<uint8_t>* window)
      : file_(file), at_(begin), begin_(begin), end_(begin + size), deferred_(deferred), window_(window) {}

  arrow::Result<std::string_view> Peek(int64_t size) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size) override;
  arrow::Result<int64_t> Read(int64_t size, void* to) override;

  // Whether the last page that was read waits for Load.
  bool waits() const { return page_size_ > 0; }
  // Throws parquet::ParquetException.
  void Load();
  // Bytes from `offset` on of a page that waits. False: Load says why.
  bool LoadPart(size_t offset, std::span<uint8_t> to) const;
  // Where in the file the page that waits begins. Who wants it after the next one has come reads it there.
  int64_t page_place() const { return page_; }
  bool ReadAt(int64_t place, std::span<uint8_t> to) const;

  arrow::Result<int64_t> Tell() const override { return at_ - begin_; }
  arrow::Status Close() override { return arrow::Status::OK(); }
  bool closed() const override { return false; }

 private:
  const uint8_t* Here() const { return window_->data() + (at_ - window_begin_); }
  arrow::Status Hold(int64_t size);

  arrow::io::RandomAccessFile* const file_;
  int64_t at_, begin_, end_;
  const bool deferred_;
  int64_t page_ = 0, page_size_ = 0;  // of the file, the page that waits for Load
  std::vector<uint8_t> page_head_;    // the first bytes of that page
  LargeVector<uint8_t>* const window_;
  int64_t window_begin_ = 0, window_end_ = 0;  // of the file, what the window holds
};

}  // namespace salver
