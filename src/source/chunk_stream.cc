#include "source/chunk_stream.h"

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <parquet/exception.h>

#include <algorithm>
#include <cstring>

namespace salver {
namespace {

constexpr int64_t kDeferredMin = 64 << 10;
// Arrow looks for a header in 16 kilobytes first, and in more when it does not lie in what it got. Those of
// numbers have some 60 bytes.
constexpr int64_t kFirstLook = 16 << 10, kHeader = 256;

}  // namespace

arrow::Result<std::string_view> ChunkStream::Peek(int64_t size) {
  if (deferred_ && size <= kFirstLook) size = std::min(size, kHeader);
  size = std::min(size, end_ - at_);
  ARROW_RETURN_NOT_OK(Hold(size));
  return std::string_view(reinterpret_cast<const char*>(Here()), static_cast<size_t>(size));
}

arrow::Result<std::shared_ptr<arrow::Buffer>> ChunkStream::Read(int64_t size) {
  size = std::min(size, end_ - at_);
  if (deferred_ && size >= kDeferredMin) {
    const int64_t known = std::min(size, window_end_ - at_);
    page_head_.clear();
    if (known > 0) page_head_.assign(Here(), Here() + known);
    MakeRoom(static_cast<size_t>(size), window_);
    window_begin_ = window_end_ = 0;
    page_ = at_;
    page_size_ = size;
    at_ += size;
    return std::make_shared<arrow::Buffer>(window_->data(), size);
  }
  page_size_ = 0;
  ARROW_RETURN_NOT_OK(Hold(size));
  auto bytes = std::make_shared<arrow::Buffer>(Here(), size);
  at_ += size;
  return bytes;
}

arrow::Result<int64_t> ChunkStream::Read(int64_t size, void* to) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, Read(size));
  Load();
  std::memcpy(to, bytes->data(), static_cast<size_t>(bytes->size()));
  return bytes->size();
}

void ChunkStream::Load() {
  if (!waits()) return;
  PARQUET_ASSIGN_OR_THROW(const int64_t got, file_->ReadAt(page_, page_size_, window_->data()));
  if (got != page_size_) throw parquet::ParquetException("the file ends inside a column chunk");
  page_size_ = 0;
}

bool ChunkStream::LoadPart(size_t offset, std::span<uint8_t> to) const {
  if (offset + to.size() <= page_head_.size()) {
    std::memcpy(to.data(), page_head_.data() + offset, to.size());
    return true;
  }
  return ReadAt(page_ + static_cast<int64_t>(offset), to);
}

bool ChunkStream::ReadAt(int64_t place, std::span<uint8_t> to) const {
  const auto got = file_->ReadAt(place, static_cast<int64_t>(to.size()), to.data());
  return got.ok() && *got == static_cast<int64_t>(to.size());
}

// Makes [at_, at_ + size) lie in the window, and what is likely a header after it.
arrow::Status ChunkStream::Hold(int64_t size) {
  if (at_ >= window_begin_ && at_ + size <= window_end_) return arrow::Status::OK();
  constexpr int64_t kAhead = 16 << 10;
  const int64_t wanted = std::min(deferred_ ? size : size + kAhead, end_ - at_);
  const int64_t kept = at_ >= window_begin_ && at_ < window_end_ ? window_end_ - at_ : 0;
  if (window_->size() < static_cast<size_t>(wanted)) {
    LargeVector<uint8_t> larger(static_cast<size_t>(wanted));
    if (kept > 0) std::memcpy(larger.data(), Here(), static_cast<size_t>(kept));
    window_->swap(larger);
  } else if (kept > 0) {
    std::memmove(window_->data(), Here(), static_cast<size_t>(kept));
  }
  ARROW_ASSIGN_OR_RAISE(const int64_t got, file_->ReadAt(at_ + kept, wanted - kept, window_->data() + kept));
  if (got != wanted - kept) return arrow::Status::IOError("the file ends inside a column chunk");
  window_begin_ = at_;
  window_end_ = at_ + wanted;
  return arrow::Status::OK();
}

}  // namespace salver
