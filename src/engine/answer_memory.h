// Memory for the columns of an answer: zeros that the system gives when they are first touched, by the thread
// that touches them, in huge pages where there are any. Columns of some hundred kilobytes would each get
// small pages, and most of the time of a wide answer would go into page faults.
#pragma once

#include <cstddef>
#include <memory>

namespace arrow {
class Buffer;
}

namespace salver {

// Thread safety: one thread at a time; the buffers are anybody's.
class AnswerMemory {
 public:
  // `bytes` zero bytes to be written to, at a multiple of 64. A large one is a part of a block, which is
  // given back when the last buffer of it is gone. Throws std::bad_alloc.
  std::shared_ptr<arrow::Buffer> Allocate(size_t bytes);

 private:
  std::shared_ptr<arrow::Buffer> block_;
  size_t used_ = 0;  // of block_
};

}  // namespace salver
