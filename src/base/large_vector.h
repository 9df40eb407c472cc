// Vectors for millions of numbers that are filled right after they are made: their elements are not zeroed
// first, and where the system has huge pages they get them, which saves most of the page faults and of the
// misses in the tables that translate addresses. Small ones are as std::vector.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace salver {

template <typename T>
class LargeAllocator {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using value_type = T;

  LargeAllocator() = default;
  template <typename U>
  LargeAllocator(const LargeAllocator<U>&) {}  // NOLINT: a conversion is what containers need

  T* allocate(size_t count) {
    if (count > PTRDIFF_MAX / sizeof(T)) throw std::bad_alloc();
    const size_t bytes = count * sizeof(T);
    if (bytes < kLarge) return static_cast<T*>(::operator new(bytes));
    void* memory = std::aligned_alloc(kHugePage, (bytes + kHugePage - 1) / kHugePage * kHugePage);
    if (memory == nullptr) throw std::bad_alloc();
    ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: without huge pages it is memory all the same
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t count) {
    count * sizeof(T) < kLarge ? ::operator delete(memory) : std::free(memory);
  }
  // resize() leaves new elements as they are.
  template <typename U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) U(std::forward<Arguments>(arguments)...);
  }

  friend bool operator==(const LargeAllocator&, const LargeAllocator&) { return true; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20, kLarge = 2 * kHugePage;
};

template <typename T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

// Makes room for `size` elements at least; what was there may be gone. Not as resize, which copies it.
template <typename T>
void MakeRoom(size_t size, LargeVector<T>* vector) {
  if (vector->size() >= size) return;
  vector->clear();
  vector->resize(size);
}

}  // namespace salver
