#include "server/http/loop_queue.h"

#include <algorithm>

namespace salver {
namespace {

// What every request costs besides its body: its head, and the work of any answer.
constexpr size_t kOverhead = 256;
// Weight of the newest request in a mean.
constexpr double kNewest = 0.1;
// Bodies and requests up to this size come in whatever is held: that is little more than a connection has
// anyway, and so large requests never keep small ones out.
constexpr size_t kSmall = 64 << 10;

}  // namespace

// Drops answers that nobody takes, oldest first, until there is room.
bool LoopQueue::MakeRoom(int64_t bytes, int64_t limit) {
  const auto now = Clock::now();
  while (bytes_.value() + bytes > limit && !writing_.empty() &&
         now - writing_.front().second > limits_.answer_time)
    writing_.front().first->GiveUpAnswer();
  return bytes_.value() + bytes <= limit;
}

bool LoopQueue::TakeBody(size_t bytes, size_t so_far) {
  const size_t whole = so_far + bytes;
  const bool alone = bytes_.value() == static_cast<int64_t>(so_far);
  if (whole > kSmall && !alone && !MakeRoom(static_cast<int64_t>(bytes), limits_.bytes_max / 2)) {
    refused_for_bytes_.Add(1);
    return false;
  }
  bytes_.Add(bytes);
  return true;
}

bool LoopQueue::Enter(std::shared_ptr<QueuedRequest> request, size_t route, size_t body,
                      Clock::time_point since, size_t* held) {
  const Cost& cost = costs_[std::min(route, kRoutesMax - 1)];
  const double size = static_cast<double>(body + kOverhead);
  const auto answer = static_cast<size_t>(cost.answer_bytes * size);
  const bool alone = queue_.empty() && bytes_.value() == static_cast<int64_t>(body);
  if (!alone && body + answer > kSmall && !MakeRoom(static_cast<int64_t>(answer), limits_.bytes_max)) {
    refused_for_bytes_.Add(1);
    return false;
  }
  if (!queue_.empty() && queued_nanos_ > static_cast<double>(limits_.wait_max.count())) {
    refused_for_time_.Add(1);
    return false;
  }
  *held = answer;
  bytes_.Add(answer);
  const double nanos = cost.nanos * size;
  queued_nanos_ += nanos;
  queue_.push_back({std::move(request), since, nanos});
  queued_.Set(static_cast<int64_t>(queue_.size()));
  RunSoon();
  return true;
}

void LoopQueue::RunSoon() {
  if (turn_is_due_ || in_turn_ || queue_.empty() || running_ >= limits_.at_once_max) return;
  turn_is_due_ = true;
  run_later_();
}

void LoopQueue::RunTurn() {
  turn_is_due_ = false;
  in_turn_ = true;
  now_ = Clock::now();
  const auto end = now_ + limits_.turn_time;
  while (!queue_.empty() && running_ < limits_.at_once_max) {
    begin_(run_next_);
    now_ = Clock::now();
    if (now_ >= end) break;
  }
  in_turn_ = false;
  RunSoon();
}

void LoopQueue::RunNext() {
  Waiting next = std::move(queue_.front());
  queue_.pop_front();
  queued_nanos_ = queue_.empty() ? 0 : std::max(0.0, queued_nanos_ - next.nanos);
  const bool in_time = now_ - next.since <= limits_.wait_max;
  if (!in_time) refused_for_time_.Add(1);
  ++running_;
  next.request->Run(in_time, now_);
  --running_;
  queued_.Set(static_cast<int64_t>(queue_.size()));
  RunSoon();
}

void LoopQueue::Learn(size_t route, size_t body, size_t answer, std::chrono::nanoseconds time) {
  Cost& cost = costs_[std::min(route, kRoutesMax - 1)];
  const double size = static_cast<double>(body + kOverhead);
  // Those that run at once share the time.
  const double nanos = static_cast<double>(time.count()) / size / std::max(running_, 1);
  const double weight = cost.seen == 0 ? 1 : kNewest;
  // The first of a route compiles its plan and finds nothing in memory: it says nothing of the others. Nor
  // does one now and then that waits for a disk or a new registry, so no single one moves the guess far.
  if (cost.seen == 1) cost.nanos = nanos;
  if (cost.seen > 1) cost.nanos += std::clamp(nanos - cost.nanos, -0.5 * cost.nanos, 0.25 * cost.nanos);
  cost.seen = std::min(cost.seen + 1, 2);
  cost.answer_bytes += weight * (static_cast<double>(answer) / size - cost.answer_bytes);
}

void LoopQueue::AddTo(ServerLoad* sum) const {
  sum->reads_queued += queued_.value();
  sum->bytes_in_flight += bytes_.value();
  sum->refused_for_bytes += refused_for_bytes_.value();
  sum->refused_for_time += refused_for_time_.value();
}

}  // namespace salver
