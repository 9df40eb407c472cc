#include "base/socket_wait.h"

#include <poll.h>

#include <utility>

namespace salver {
namespace {

thread_local SocketWaiter* waiter_of_thread = nullptr;

}  // namespace

bool WaitForSocket(int socket, short events, SocketWaiter::Clock::time_point until) {
  return waiter_of_thread != nullptr ? waiter_of_thread->Wait(socket, events, until)
                                     : SleepForSocket(socket, events, until);
}

bool SleepForSocket(int socket, short events, SocketWaiter::Clock::time_point until) {
  constexpr std::chrono::milliseconds kLongest{60'000};
  for (;;) {
    const auto left = until - SocketWaiter::Clock::now();
    if (left.count() <= 0) return false;
    // One more, since what is cut off would be waited for in turns of nothing.
    const auto millis = left >= kLongest
                            ? kLongest.count()
                            : std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1;
    pollfd wait{.fd = socket, .events = events, .revents = 0};
    if (::poll(&wait, 1, static_cast<int>(millis)) > 0) return true;
  }
}

ScopedSocketWaiter::ScopedSocketWaiter(SocketWaiter* waiter)
    : before_(std::exchange(waiter_of_thread, waiter)) {}

ScopedSocketWaiter::~ScopedSocketWaiter() {
  waiter_of_thread = before_;
}

}  // namespace salver
