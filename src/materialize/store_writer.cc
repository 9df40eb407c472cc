#include "materialize/store_writer.h"

#include <algorithm>

#include "registry/materialized.h"

namespace salver {
namespace {

// How long other writers of the store may wait for a transaction of ours that waits for rows.
constexpr auto kLongestPause = std::chrono::milliseconds(100);

void AddOnce(ViewRun* run, std::vector<ViewRun*>* runs) {
  if (std::find(runs->begin(), runs->end(), run) == runs->end()) runs->push_back(run);
}

}  // namespace

StoreWriter::StoreWriter(const MaterializeContext& context,
                         std::vector<std::shared_ptr<const FeatureView>> views, Options options)
    : context_(context), views_(std::move(views)), options_(std::move(options)), thread_([this] { Run(); }) {}

StoreWriter::~StoreWriter() {
  {
    std::lock_guard lock(mutex_);
    closing_ = abandoned_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status StoreWriter::Put(ViewRun* run, SortedRows rows) {
  return Enqueue({run, std::move(rows), false});
}

Status StoreWriter::Done(ViewRun* run) {
  return Enqueue({run, {}, true});
}

Status StoreWriter::Enqueue(Chunk chunk) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.size() < options_.chunks_waiting || !status_.ok(); });
  if (!status_.ok()) return status_;
  queue_.push_back(std::move(chunk));
  changed_.notify_all();
  return Status::OK();
}

Status StoreWriter::Finish() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
  return status_;
}

void StoreWriter::Run() {
  const Status status = Work();
  load_.reset();  // on the thread that began it; what is not committed is given up
  std::lock_guard lock(mutex_);
  status_ = status;
  queue_.clear();
  changed_.notify_all();
}

Status StoreWriter::Work() {
  for (;;) {
    Chunk chunk;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return !queue_.empty() || closing_; };
      if (load_ == nullptr) {
        changed_.wait(lock, ready);
      } else if (!changed_.wait_until(lock, load_began_ + kLongestPause, ready)) {
        lock.unlock();
        SALVER_RETURN_NOT_OK(Commit());
        continue;
      }
      if (abandoned_) return Status::OK();
      if (queue_.empty()) break;
      chunk = std::move(queue_.front());
      queue_.pop_front();
      changed_.notify_all();
    }
    SALVER_RETURN_NOT_OK(Take(chunk));
  }
  SALVER_RETURN_NOT_OK(Commit());
  return RemoveMarks();
}

Status StoreWriter::OpenLoad() {
  if (load_ != nullptr) return Status::OK();
  SALVER_ASSIGN(load_, context_.online_store->BeginLoad(views_));
  load_began_ = std::chrono::steady_clock::now();
  return Status::OK();
}

Status StoreWriter::Take(const Chunk& chunk) {
  ViewRun& run = *chunk.run;
  if (chunk.last) {
    finished_.push_back(&run);
    return Status::OK();
  }
  if (chunk.rows.keys.empty()) return Status::OK();
  SALVER_RETURN_NOT_OK(OpenLoad());
  SALVER_ASSIGN(const WriteCounts counts, load_->Write(*run.view, chunk.rows.view()));
  run.report.rows_written += counts.written;
  run.report.rows_older += counts.older;
  run.rows_done += static_cast<int64_t>(chunk.rows.keys.size());
  run.last_key.assign(chunk.rows.keys.back());
  AddOnce(&run, &in_load_);
  if (options_.on_progress) options_.on_progress(run);
  return load_->bytes_held() >= options_.load_bytes ? Commit() : Status::OK();
}

Status StoreWriter::Commit() {
  for (ViewRun* run : in_load_) {
    const bool whole = std::find(finished_.begin(), finished_.end(), run) != finished_.end();
    // Rows that come in one transaction need no mark.
    if (run->identity.empty() || (whole && !run->marked)) continue;
    SALVER_RETURN_NOT_OK(load_->SetMark(
        *run->view,
        EncodeLoadMark({run->identity, run->last_key, {run->report.rows_written, run->report.rows_older}})));
    run->marked = true;
  }
  if (load_ != nullptr) SALVER_RETURN_NOT_OK(load_->Commit());
  load_.reset();
  in_load_.clear();
  if (finished_.empty()) return Status::OK();
  return Claim(std::exchange(finished_, {}));
}

Status StoreWriter::Claim(const std::vector<ViewRun*>& runs) {
  Status gone;  // a view that was removed meanwhile does not keep the others from being claimed
  const auto updated = context_.registry->Update([&](feast::core::Registry* registry) {
    gone = Status::OK();
    for (const ViewRun* run : runs) {
      const Status status = RecordInterval(context_.project, run->view->name, run->report.interval,
                                           run->report.rows_written, context_.clock->NowMicros(), registry);
      if (!status.ok() && gone.ok()) gone = status;
    }
    return Status::OK();
  });
  SALVER_RETURN_NOT_OK(updated.status());
  SALVER_RETURN_NOT_OK(gone);
  for (ViewRun* run : runs) {
    run->done = true;
    if (run->marked) to_unmark_.push_back(run);
    if (options_.on_progress) options_.on_progress(*run);
  }
  return Status::OK();
}

Status StoreWriter::RemoveMarks() {
  if (to_unmark_.empty()) return Status::OK();
  SALVER_RETURN_NOT_OK(OpenLoad());
  for (const ViewRun* run : to_unmark_) SALVER_RETURN_NOT_OK(load_->SetMark(*run->view, ""));
  return load_->Commit();
}

}  // namespace salver
