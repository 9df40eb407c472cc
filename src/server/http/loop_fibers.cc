#include "server/http/loop_fibers.h"

#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "server/http/stack_switch.h"

namespace salver {

namespace asio = boost::asio;
namespace context = boost::context;

// Address space; only what is used of it becomes memory.
constexpr size_t kStackBytes = 512 << 10;

struct LoopFibers::Fiber {
  context::fiber itself, loop;  // the one of them that is not running
  StackSwitch stack_switch;
  const std::function<void()>* work = nullptr;  // null: the fiber is to end
  // While it waits.
  int socket = -1;
  Clock::time_point until;
  bool ready = false;
};

namespace {

int NewEpoll() {
  const int made = ::epoll_create1(EPOLL_CLOEXEC);
  if (made < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return made;
}

}  // namespace

LoopFibers::LoopFibers(asio::io_context* loop) : ready_(*loop, NewEpoll()), timer_(*loop) {}

LoopFibers::~LoopFibers() = default;

void LoopFibers::End() {
  for (const auto& fiber : fibers_) {
    fiber->work = nullptr;
    Resume(fiber.get());
  }
  fibers_.clear();
  idle_.clear();
}

std::unique_ptr<LoopFibers::Fiber> LoopFibers::NewFiber() {
  auto made = std::make_unique<Fiber>();
  context::protected_fixedsize_stack stacks(kStackBytes);
  const context::stack_context stack = stacks.allocate();
  made->stack_switch.SetStack(static_cast<char*>(stack.sp) - stack.size, stack.size);
  made->itself = context::fiber(std::allocator_arg, context::preallocated(stack.sp, stack.size, stack),
                                stacks, [fiber = made.get()](context::fiber&& loop) {
                                  fiber->stack_switch.Entered();
                                  fiber->loop = std::move(loop);
                                  while (fiber->work != nullptr) {
                                    (*fiber->work)();
                                    fiber->work = nullptr;
                                    fiber->stack_switch.Leaving();
                                    fiber->loop = std::move(fiber->loop).resume();
                                    fiber->stack_switch.Entered();
                                  }
                                  fiber->stack_switch.LeavingForGood();
                                  return std::move(fiber->loop);
                                });
  return made;
}

void LoopFibers::Resume(Fiber* fiber) {
  running_ = fiber;
  fiber->stack_switch.Entering();
  fiber->itself = std::move(fiber->itself).resume();
  fiber->stack_switch.Left();
  running_ = nullptr;
  if (fiber->work == nullptr) idle_.push_back(fiber);
}

void LoopFibers::Run(const std::function<void()>& work) {
  if (running_ != nullptr) return work();
  if (idle_.empty()) {
    fibers_.push_back(NewFiber());
    idle_.push_back(fibers_.back().get());
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  fiber->work = &work;
  Resume(fiber);
}

bool LoopFibers::Wait(int socket, short events, Clock::time_point until) {
  Fiber* const fiber = running_;
  if (fiber == nullptr || !Watch(fiber, socket, events)) return SleepForSocket(socket, events, until);
  fiber->socket = socket;
  fiber->until = until;
  waiting_.push_back(fiber);
  Listen();
  WakeAt(until);
  fiber->stack_switch.Leaving();
  fiber->loop = std::move(fiber->loop).resume();
  fiber->stack_switch.Entered();
  return fiber->ready;
}

bool LoopFibers::Watch(Fiber* fiber, int socket, short events) {
  epoll_event event{};
  event.events = EPOLLONESHOT;
  if ((events & POLLIN) != 0) event.events |= EPOLLIN | EPOLLRDHUP;
  if ((events & POLLOUT) != 0) event.events |= EPOLLOUT;
  event.data.ptr = fiber;
  // A connection is waited for many times; a new one may have the number of one that was closed.
  const int epoll = ready_.native_handle();
  return ::epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0 ||
         (errno == ENOENT && ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0);
}

// Its socket is not watched any more.
void LoopFibers::EndWait(Fiber* fiber, bool ready) {
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), fiber));
  fiber->ready = ready;
  Resume(fiber);
}

void LoopFibers::Listen() {
  if (listening_) return;
  listening_ = true;
  ready_.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    listening_ = false;
    if (!error) ResumeReady();
    if (!waiting_.empty()) Listen();
    if (stopped_) Stop();
  });
}

void LoopFibers::ResumeReady() {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(ready_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) EndWait(static_cast<Fiber*>(events[static_cast<size_t>(i)].data.ptr), true);
}

// A timer that was set for earlier stays: it looks again then.
void LoopFibers::WakeAt(Clock::time_point until) {
  if (until >= wakes_at_) return;
  wakes_at_ = until;
  timer_.expires_at(until);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) ResumeLate();
  });
}

void LoopFibers::ResumeLate() {
  wakes_at_ = Clock::time_point::max();
  const auto now = Clock::now();
  std::vector<Fiber*> late;
  for (Fiber* const fiber : waiting_) {
    if (fiber->until <= now) {
      late.push_back(fiber);
    } else {
      WakeAt(fiber->until);
    }
  }
  for (Fiber* const fiber : late) {
    ::epoll_ctl(ready_.native_handle(), EPOLL_CTL_DEL, fiber->socket, nullptr);
    EndWait(fiber, false);
  }
  if (stopped_) Stop();
}

void LoopFibers::Stop() {
  stopped_ = true;
  if (!waiting_.empty()) return;
  timer_.cancel();
  ready_.cancel();
}

}  // namespace salver
