// Runs work of an event loop on stacks of its own, so that work which waits for another server's socket
// (base/socket_wait.h) lets the loop go on meanwhile. Work that waits for nothing costs two switches of the
// stack.
//
// Thread safety: everything on the loop's thread, but for construction and destruction. What began on a
// thread ends on it: End is called there, behind the last run of the loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "base/socket_wait.h"

#include <utility>  // boost 1.74's asio needs it first in C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace salver {

class LoopFibers final : public SocketWaiter {
 public:
  explicit LoopFibers(boost::asio::io_context* loop);
  ~LoopFibers() override;

  // Begins `work`, and returns when it waits for the first time or has ended. `work` outlives its run; it
  // throws nothing. Called inside of other work it runs there.
  void Run(const std::function<void()>& work);

  // Outside of work: sleeps.
  bool Wait(int socket, short events, Clock::time_point until) override;

  // The loop may end as soon as nothing waits.
  void Stop();
  // Nothing waits any more.
  void End();

 private:
  struct Fiber;

  std::unique_ptr<Fiber> NewFiber();
  void Resume(Fiber* fiber);
  bool Watch(Fiber* fiber, int socket, short events);
  void EndWait(Fiber* fiber, bool ready);
  void Listen();
  void ResumeReady();
  void WakeAt(Clock::time_point until);
  void ResumeLate();

  // Sockets are watched by an epoll of their own, one event at a time: they belong to clients of other
  // servers, which open and close them as they like.
  boost::asio::posix::stream_descriptor ready_;
  bool listening_ = false, stopped_ = false;
  boost::asio::steady_timer timer_;
  Clock::time_point wakes_at_ = Clock::time_point::max();
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_, waiting_;
  Fiber* running_ = nullptr;
};

}  // namespace salver
