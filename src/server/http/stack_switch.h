// Tells the address and thread sanitizers when a thread goes on on another stack; nothing without them.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace salver {

// Of one stack beside the thread's own. On the thread's own: Entering before and Left after a switch to it;
// on it: Entered after every switch to it, Leaving or LeavingForGood before one away.
class StackSwitch {
 public:
#if defined(__SANITIZE_ADDRESS__)
  void SetStack(const void* bottom, size_t size) { bottom_ = bottom, size_ = size; }
  void Entering() { __sanitizer_start_switch_fiber(&thread_frames_, bottom_, size_); }
  void Left() { __sanitizer_finish_switch_fiber(thread_frames_, nullptr, nullptr); }
  void Entered() { __sanitizer_finish_switch_fiber(frames_, &thread_bottom_, &thread_size_); }
  void Leaving() { __sanitizer_start_switch_fiber(&frames_, thread_bottom_, thread_size_); }
  void LeavingForGood() { __sanitizer_start_switch_fiber(nullptr, thread_bottom_, thread_size_); }

 private:
  const void *bottom_ = nullptr, *thread_bottom_ = nullptr;
  size_t size_ = 0, thread_size_ = 0;
  void *frames_ = nullptr, *thread_frames_ = nullptr;
#elif defined(__SANITIZE_THREAD__)
  StackSwitch() : itself_(__tsan_create_fiber(0)) {}
  StackSwitch(const StackSwitch&) = delete;
  ~StackSwitch() { __tsan_destroy_fiber(itself_); }
  void SetStack(const void*, size_t) {}
  void Entering() {
    thread_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(itself_, 0);
  }
  void Left() {}
  void Entered() {}
  void Leaving() { __tsan_switch_to_fiber(thread_, 0); }
  void LeavingForGood() { Leaving(); }

 private:
  void* const itself_;
  void* thread_ = nullptr;
#else
  void SetStack(const void*, size_t) {}
  void Entering() {}
  void Left() {}
  void Entered() {}
  void Leaving() {}
  void LeavingForGood() {}
#endif
};

}  // namespace salver
