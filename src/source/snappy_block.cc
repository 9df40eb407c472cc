#include "source/snappy_block.h"

#include <algorithm>
#include <array>

namespace salver {
namespace {

constexpr size_t kBytesWorthAnElement = 192;  // fewer on average, and decompressing is faster
constexpr size_t kBytesWorthARead = 8 << 10;  // as above, and reading all of it is faster
constexpr int kDepthMax = 64;                 // of copies that copy copies

// Little-endian number of `bytes` bytes.
uint32_t Number(const uint8_t* at, size_t bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < bytes; ++i) number |= static_cast<uint32_t>(at[i]) << (8 * i);
  return number;
}

}  // namespace

bool SnappyBlock::Open(std::span<const uint8_t> compressed) {
  compressed_ = compressed;
  read_ = nullptr;
  return ReadElements(compressed.size(), kBytesWorthAnElement);
}

bool SnappyBlock::OpenPiecewise(size_t size, ReadBytes read) {
  compressed_ = {};
  read_ = std::move(read);
  return ReadElements(size, kBytesWorthARead);
}

bool SnappyBlock::Copy(size_t from, std::span<uint8_t> to) const {
  if (read_ != nullptr) return read_(from, to);
  std::memcpy(to.data(), compressed_.data() + from, to.size());
  return true;
}

bool SnappyBlock::ReadElements(size_t compressed_size, size_t bytes_an_element) {
  elements_.clear();
  size_ = next_ = run_begin_ = run_end_ = 0;
  // A tag and the number behind it; what the block has not are zeros, and is looked at by nobody.
  std::array<uint8_t, 5> head{};
  const auto look = [&](size_t at) {
    head = {};
    return Copy(at, std::span(head).first(std::min(head.size(), compressed_size - at)));
  };
  size_t at = 0;
  if (compressed_size == 0 || !look(0)) return false;
  for (int shift = 0;; shift += 7) {  // the length: seven bits a byte, lowest first
    if (at == std::min(compressed_size, head.size())) return false;
    const uint8_t byte = head[at++];
    size_ |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (size_ > UINT32_MAX) return false;
  const size_t elements_max = 16 + size_ / bytes_an_element;
  size_t out = 0;
  while (at < compressed_size) {
    if (elements_.size() == elements_max || !look(at)) return false;
    const uint8_t tag = head[0];
    ++at;
    const size_t kind = tag & 3, upper = tag >> 2;
    // Bytes after the tag: a long literal's length, a copy's offset.
    const size_t more = kind == 0 ? (upper < 60 ? 0 : upper - 59) : kind == 3 ? 4 : kind;
    if (more > compressed_size - at) return false;
    const uint32_t number = Number(&head[1], more);
    at += more;
    if (kind == 0) {
      const size_t length = (upper < 60 ? upper : static_cast<size_t>(number)) + 1;
      if (length > compressed_size - at || length > size_ - out) return false;
      elements_.push_back({static_cast<uint32_t>(out + length), static_cast<uint32_t>(at), true});
      at += length;
      out += length;
      continue;
    }
    const size_t length = kind == 1 ? (upper & 7) + 4 : upper + 1;
    const size_t offset = kind == 1 ? (static_cast<size_t>(tag >> 5) << 8) + number : number;
    if (offset == 0 || offset > out || length > size_ - out) return false;
    elements_.push_back({static_cast<uint32_t>(out + length), static_cast<uint32_t>(out - offset), false});
    out += length;
  }
  return out == size_;
}

size_t SnappyBlock::Find(size_t offset) const {
  const auto at =
      std::upper_bound(elements_.begin(), elements_.end(), offset,
                       [](size_t wanted, const Element& element) { return wanted < element.end; });
  return static_cast<size_t>(at - elements_.begin());
}

bool SnappyBlock::Search(size_t offset, std::span<uint8_t> to) {
  if (to.size() > size_ || offset > size_ - to.size()) return false;
  if (to.empty()) return true;
  if (Begin(next_) > offset) next_ = 0;
  for (int steps = 0; elements_[next_].end <= offset; ++next_) {
    if (++steps < 8) continue;
    next_ = Find(offset);
    break;
  }
  const Element& here = elements_[next_];
  if (here.literal && read_ == nullptr) {
    run_ = compressed_.data() + here.from;
    run_begin_ = Begin(next_);
    run_end_ = here.end;
  }
  return ReadFrom(next_, offset, 0, to);
}

bool SnappyBlock::ReadFrom(size_t element, size_t offset, int depth, std::span<uint8_t> to) const {
  if (depth == kDepthMax) return false;
  while (!to.empty()) {
    const Element& here = elements_[element];
    const size_t begin = Begin(element), within = offset - begin;
    size_t count = std::min<size_t>(to.size(), here.end - offset);
    if (here.literal) {
      if (!Copy(here.from + within, to.first(count))) return false;
    } else {
      // A copy longer than its distance repeats itself.
      const size_t distance = begin - here.from, source = here.from + within % distance;
      count = std::min(count, distance - within % distance);
      if (!ReadFrom(Find(source), source, depth + 1, to.first(count))) return false;
    }
    offset += count;
    to = to.subspan(count);
    if (offset == here.end) ++element;
  }
  return true;
}

}  // namespace salver
