// Counts the allocations of a program: preloaded into it, it adds one to a number in a file for each call of
// malloc and its kin. The file, 8 bytes, is named by SALVER_BENCH_ALLOCATIONS; who measures reads it before
// and after.
//
// operator new comes through here too. Arrow's own pools do not: set ARROW_DEFAULT_MEMORY_POOL=system beside.
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// The C library's own, under the names that it keeps for those who replace the usual ones.
extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* old, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static _Atomic unsigned long fallback;
static _Atomic unsigned long* counter = &fallback;

__attribute__((constructor)) static void Open(void) {
  const char* path = getenv("SALVER_BENCH_ALLOCATIONS");
  if (path == NULL) return;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared != MAP_FAILED) counter = shared;
}

static void Count(void) {
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void* malloc(size_t size) {
  Count();
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  Count();
  return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
  Count();
  return __libc_realloc(old, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  Count();
  return __libc_memalign(alignment, size);
}

void* memalign(size_t alignment, size_t size) {
  Count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** out, size_t alignment, size_t size) {
  Count();
  *out = __libc_memalign(alignment, size);
  return *out == NULL ? 12 : 0;  // ENOMEM
}
