#include "base/late_library.h"

#include <dlfcn.h>

namespace salver {
namespace {

#if defined(SALVER_SANITIZED)
constexpr int kOwnFunctionsFirst = 0;  // the sanitizer takes no library that would not see its malloc
#else
constexpr int kOwnFunctionsFirst = RTLD_DEEPBIND;
#endif

}  // namespace

void* OpenLibraryApart(const char* name) {
  return dlopen(name, RTLD_NOW | RTLD_LOCAL | kOwnFunctionsFirst);
}

}  // namespace salver
