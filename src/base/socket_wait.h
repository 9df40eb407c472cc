// Waiting for a socket. A thread sleeps until the socket is ready, but where it says how to wait otherwise:
// an event loop lets its other work go on meanwhile.
//
// Code that waits so holds no lock and no thread-local state while it does: on a loop, other code of the same
// kind runs on the same thread before the wait is over.
#pragma once

#include <chrono>

namespace salver {

class SocketWaiter {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~SocketWaiter() = default;
  // As WaitForSocket.
  virtual bool Wait(int socket, short events, Clock::time_point until) = 0;
};

// Until one of `events` (poll's: POLLIN, POLLOUT) or an error is there, or until `until`: false then. It may
// return true too soon. One wait at a time for a socket.
bool WaitForSocket(int socket, short events, SocketWaiter::Clock::time_point until);

// By sleeping, whatever the thread says.
bool SleepForSocket(int socket, short events, SocketWaiter::Clock::time_point until);

// While it lives, WaitForSocket on this thread is the waiter's.
class ScopedSocketWaiter {
 public:
  explicit ScopedSocketWaiter(SocketWaiter* waiter);
  ~ScopedSocketWaiter();
  ScopedSocketWaiter(const ScopedSocketWaiter&) = delete;

 private:
  SocketWaiter* const before_;
};

}  // namespace salver
