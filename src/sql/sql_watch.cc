#include "sql/sql_watch.h"

#include <chrono>

namespace salver {
namespace {
// How late a cancellation is seen. A flag can not be waited for.
constexpr auto kPeriod = std::chrono::milliseconds(5);
}  // namespace

SqlWatch::SqlWatch(const DuckDbApi& api, duckdb_connection connection, Deadline deadline,
                   const std::atomic<bool>* cancelled)
    : api_(api), connection_(connection), deadline_(deadline), cancelled_(cancelled) {
  const bool bounded = deadline.at() != Deadline::Never().at();
  if (bounded || cancelled != nullptr) thread_ = std::thread([this] { Run(); });
}

SqlWatch::~SqlWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool SqlWatch::MustEnd() const {
  return deadline_.Passed() || (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed));
}

void SqlWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    // Again and again: a statement that only begins clears the interruption of the one before.
    if (MustEnd()) api_.interrupt(connection_);
    if (cancelled_ == nullptr && !deadline_.Passed()) {
      ended_.wait_until(lock, deadline_.at(), [this] { return stop_; });
    } else {
      ended_.wait_for(lock, kPeriod, [this] { return stop_; });
    }
  }
}

Status SqlWatch::Verdict(const std::string& asked_by) const {
  if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed)) {
    return Status::Cancelled(asked_by + ": its SQL was cancelled.");
  }
  if (deadline_.Passed()) {
    return Status::DeadlineExceeded(asked_by + ": its SQL ran longer than it may and was stopped. Raise " +
                                    "query_timeout_seconds, or ask for less.");
  }
  return Status::OK();
}

}  // namespace salver
