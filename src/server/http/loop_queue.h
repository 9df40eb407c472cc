// What one event loop has taken on: the requests that wait for their turn, and the bytes of all requests and
// answers that it holds. A request that would wait too long, or whose bytes are too many, is refused before
// any work is done for it, so that those that are taken on are answered in time.
//
// What a request will cost is guessed from its route's last ones, by the size of its body; what it did cost
// corrects the guess. A guess never keeps a request out that finds the loop idle.
//
// Thread safety: everything on the loop's thread, but for AddTo, from any.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string_view>
#include <utility>

#include "server/http/metrics_text.h"

namespace salver {

// A request as its loop's queue sees it.
class QueuedRequest {
 public:
  virtual ~QueuedRequest() = default;
  // Its turn has come, `now`. `in_time` false: it has waited too long, and is to be refused.
  virtual void Run(bool in_time, std::chrono::steady_clock::time_point now) = 0;
  // Its answer has waited for its client for long, and others need the room.
  virtual void GiveUpAnswer() = 0;
};

class LoopQueue {
 public:
  using Clock = std::chrono::steady_clock;
  struct Limits {
    int64_t bytes_max;
    std::chrono::nanoseconds wait_max;
    // How long an answer may wait for its client before others may need its room.
    std::chrono::nanoseconds answer_time{std::chrono::seconds(1)};
    // How long requests are run before the loop sends their answers and takes in others: those of a turn go
    // out together.
    std::chrono::nanoseconds turn_time{std::chrono::microseconds(250)};
    // Requests that have begun and not ended, where requests may wait for another server.
    int at_once_max = 1;
  };
  // Begins a piece of work on the loop: it has ended when this returns, or waits for another server and goes
  // on later.
  using Begin = std::function<void(const std::function<void()>& work)>;

  // `run_later` calls RunTurn on the loop, after what it has to do already.
  LoopQueue(
      Limits limits, std::function<void()> run_later,
      Begin begin = [](const std::function<void()>& work) { work(); })
      : limits_(limits), run_later_(std::move(run_later)), begin_(std::move(begin)) {}

  // Bytes of a body as they come: at most half of the room is for bodies that are not whole, so that senders
  // of large ones leave room for others. Small ones always come in.
  bool TakeBody(size_t bytes, size_t so_far);
  void Release(size_t bytes) { bytes_.Sub(bytes); }
  void Hold(size_t bytes) { bytes_.Add(bytes); }

  // A whole request of `route`, whose `body` bytes are held already, and which waits `since`. False: refused.
  // Else it is run in its turn; the bytes of its answer, as guessed, are held (in `*held`) until it is.
  bool Enter(std::shared_ptr<QueuedRequest> request, size_t route, size_t body, Clock::time_point since,
             size_t* held);
  void RunTurn();
  // What a request of `route` did cost. Called before its Run returns.
  void Learn(size_t route, size_t body, size_t answer, std::chrono::nanoseconds time);

  // An answer on its way to its client; oldest first.
  using Writing = std::list<std::pair<QueuedRequest*, Clock::time_point>>;
  Writing::iterator BeginAnswer(QueuedRequest* request) {
    return writing_.insert(writing_.end(), {request, Clock::now()});
  }
  void EndAnswer(Writing::iterator at) { writing_.erase(at); }

  // Adds what this loop has to `sum`.
  void AddTo(ServerLoad* sum) const;

 private:
  // Written by the loop's thread, read by any.
  class Gauge {
   public:
    void Add(size_t by) { Set(value() + static_cast<int64_t>(by)); }
    void Sub(size_t by) { Set(value() - static_cast<int64_t>(by)); }
    void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
    int64_t value() const { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<int64_t> value_{0};
  };
  // Of the requests of one route, for each byte of a body: about the middle of the last ones' times, and a
  // mean of their answers in which the last ones weigh most.
  struct Cost {
    double nanos = 0, answer_bytes = 0;
    int seen = 0;  // requests, at most 2
  };
  struct Waiting {
    std::shared_ptr<QueuedRequest> request;
    Clock::time_point since;
    double nanos;  // that it is expected to take
  };
  static constexpr size_t kRoutesMax = ThreadMetrics::kEndpointsMax;

  bool MakeRoom(int64_t bytes, int64_t limit);
  void RunNext();
  void RunSoon();

  const Limits limits_;
  const std::function<void()> run_later_;
  const Begin begin_;
  const std::function<void()> run_next_ = [this] { RunNext(); };
  bool turn_is_due_ = false, in_turn_ = false;
  Clock::time_point now_;  // when the turn's newest request was begun
  int running_ = 0;
  std::deque<Waiting> queue_;
  double queued_nanos_ = 0;
  Writing writing_;
  std::array<Cost, kRoutesMax> costs_;
  Gauge bytes_, queued_;
  ThreadCounter refused_for_bytes_, refused_for_time_;
};

// The bytes that a loop holds for one request. Set to 0 on the loop's thread before the end: the last owner
// of a request may be another.
class HeldBytes {
 public:
  explicit HeldBytes(LoopQueue* queue) : queue_(queue) {}
  void Set(size_t bytes) {
    if (bytes < bytes_) queue_->Release(bytes_ - bytes);
    if (bytes > bytes_) queue_->Hold(bytes - bytes_);
    bytes_ = bytes;
  }
  // Of those that the queue has counted by itself.
  void Taken(size_t bytes) { bytes_ += bytes; }

 private:
  LoopQueue* const queue_;
  size_t bytes_ = 0;
};

// A large answer on its way, which the queue may have given up.
class LargeAnswer {
 public:
  explicit LargeAnswer(LoopQueue* queue) : queue_(queue) {}
  // Smaller ones than `kMin` are not worth giving up.
  void Begin(QueuedRequest* request, size_t bytes) {
    if (bytes <= kMin) return;
    at_ = queue_->BeginAnswer(request);
    begun_ = true;
  }
  void End() {
    if (begun_) queue_->EndAnswer(at_);
    begun_ = false;
  }

 private:
  static constexpr size_t kMin = 64 << 10;
  LoopQueue* const queue_;
  bool begun_ = false;
  LoopQueue::Writing::iterator at_;
};

// What clients of requests that the queue does not take are told, with 503.
inline constexpr std::string_view kTooManyBytes =
    "the server holds all the bytes of requests and answers it may. Try again later.";
inline constexpr std::string_view kTooBusy =
    "the server has as much to do as it can answer in time. Try again later.";

}  // namespace salver
