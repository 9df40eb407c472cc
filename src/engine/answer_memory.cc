#include "engine/answer_memory.h"

#include <arrow/buffer.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace salver {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBlock = 16 * kHugePage;    // of address space; only what is touched is memory
constexpr size_t kSmall = size_t{32} << 10;  // a huge page for less would cost more than it saves
constexpr size_t kAlignment = 64;

class MappedBlock final : public arrow::MutableBuffer {
 public:
  static std::shared_ptr<arrow::Buffer> Map(size_t bytes) {
    const size_t mapped = bytes + kHugePage;  // so that there is a multiple of the page size in front
    void* const at =
        ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    const auto address = reinterpret_cast<uintptr_t>(at);
    auto* const begin = reinterpret_cast<uint8_t*>((address + kHugePage - 1) / kHugePage * kHugePage);
    ::madvise(begin, bytes, MADV_HUGEPAGE);  // a wish: without huge pages it is memory all the same
    return std::shared_ptr<arrow::Buffer>(new MappedBlock(at, mapped, begin, bytes));
  }
  ~MappedBlock() override { ::munmap(mapped_, mapped_size_); }

 private:
  MappedBlock(void* mapped, size_t mapped_size, uint8_t* data, size_t size)
      : arrow::MutableBuffer(data, static_cast<int64_t>(size)), mapped_(mapped), mapped_size_(mapped_size) {}

  void* const mapped_;
  const size_t mapped_size_;
};

class SmallBuffer final : public arrow::MutableBuffer {
 public:
  explicit SmallBuffer(size_t bytes)
      : arrow::MutableBuffer(nullptr, static_cast<int64_t>(bytes)),
        bytes_(new (std::align_val_t(kAlignment)) uint8_t[bytes]()) {
    data_ = bytes_;
  }
  ~SmallBuffer() override { ::operator delete[](bytes_, std::align_val_t(kAlignment)); }

 private:
  uint8_t* const bytes_;
};

}  // namespace

std::shared_ptr<arrow::Buffer> AnswerMemory::Allocate(size_t bytes) {
  if (bytes < kSmall) return std::make_shared<SmallBuffer>(bytes);
  const size_t taken = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (block_ == nullptr || static_cast<size_t>(block_->size()) - used_ < taken) {
    block_ = MappedBlock::Map(std::max(taken, kBlock));
    used_ = 0;
  }
  auto part = arrow::SliceMutableBuffer(block_, static_cast<int64_t>(used_), static_cast<int64_t>(bytes));
  used_ += taken;
  return part;
}

}  // namespace salver
