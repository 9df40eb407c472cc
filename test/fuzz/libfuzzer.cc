// libFuzzer's way in; SALVER_FUZZ_TARGET names the target.
#include <cstddef>

#include "test/fuzz/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  salver::fuzz::SALVER_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
