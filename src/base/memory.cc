#include "base/memory.h"

#include <malloc.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace salver {
namespace {

int64_t StatusBytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::atoll(line.c_str() + name.size()) * 1024;
  }
  return 0;
}

}  // namespace

int64_t RestartPeakMemory() {
  std::ofstream("/proc/self/clear_refs") << 5;  // sets the high-water mark to what is used now
  return StatusBytes("VmRSS:");
}

int64_t PeakMemory() {
  return StatusBytes("VmHWM:");
}

void KeepFreedMemory(int bytes, int ahead) {
  constexpr int kLargestThreshold = 32 << 20;  // that the allocator takes
  ::mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  ::mallopt(M_TRIM_THRESHOLD, bytes);
  ::mallopt(M_TOP_PAD, ahead);
}

}  // namespace salver
