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

Status StoreWriter::Put(ViewRun* run, SortedRows rows, bool last) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.size() < options_.chunks_waiting || !status_.ok(); });
  if (!status_.ok()) return status_;
  queue_.push_back({run, std::move(rows), last});
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
  Status status = Work();
  load_.reset();  // on the thread that began it; what is not committed is given up
  // What is durable is claimed, whatever became of the rest.
  const Status claimed = Claim();
  if (status.ok()) status = claimed;
  std::lock_guard lock(mutex_);
  status_ = status;
  queue_.clear();
  changed_.notify_all();
}

Status StoreWriter::Work() {
  for (;;) {
    Chunk chunk;
    bool waited_long = false;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return !queue_.empty() || closing_; };
      if (load_ != nullptr) {
        waited_long = !changed_.wait_until(lock, load_began_ + kLongestPause, ready);
      } else if (!durable_.empty() || !finished_.empty()) {
        waited_long = !changed_.wait_until(lock, claimed_ + options_.claims_apart, ready);
      } else {
        changed_.wait(lock, ready);
      }
      if (!waited_long) {
        if (abandoned_) return Status::OK();
        if (queue_.empty()) return Commit();
        chunk = std::move(queue_.front());
        queue_.pop_front();
        changed_.notify_all();
      }
    }
    SALVER_RETURN_NOT_OK(waited_long ? Commit() : Take(chunk));
  }
}

Status StoreWriter::OpenLoad() {
  if (load_ != nullptr) return Status::OK();
  SALVER_ASSIGN(load_, context_.online_store->BeginLoad(views_));
  load_began_ = std::chrono::steady_clock::now();
  return Status::OK();
}

Status StoreWriter::Take(const Chunk& chunk) {
  ViewRun& run = *chunk.run;
  if (chunk.last) finished_.push_back(&run);
  // Without rows there is nothing to write, but for a mark of before to be removed.
  if (chunk.rows.keys.empty() && !(chunk.last && run.marked)) return Status::OK();
  SALVER_RETURN_NOT_OK(OpenLoad());
  AddOnce(&run, &in_load_);
  if (!chunk.rows.keys.empty()) SALVER_RETURN_NOT_OK(Write(chunk));
  return load_->bytes_held() >= options_.load_bytes ? Commit() : Status::OK();
}

Status StoreWriter::Write(const Chunk& chunk) {
  ViewRun& run = *chunk.run;
  SALVER_ASSIGN(const WriteCounts counts, load_->Write(*run.view, chunk.rows.view()));
  run.report.rows_written += counts.written;
  run.report.rows_older += counts.older;
  run.rows_done += static_cast<int64_t>(chunk.rows.keys.size());
  run.last_key.assign(chunk.rows.keys.back());
  if (options_.on_progress) options_.on_progress(run);
  return Status::OK();
}

Status StoreWriter::Commit() {
  for (ViewRun* run : in_load_) {
    const bool whole = std::find(finished_.begin(), finished_.end(), run) != finished_.end();
    // A view whose rows are all there needs no mark: what it had goes with the last of them.
    if (whole ? !run->marked : run->identity.empty()) continue;
    const LoadMark mark{run->identity, run->last_key, {run->report.rows_written, run->report.rows_older}};
    SALVER_RETURN_NOT_OK(load_->SetMark(*run->view, whole ? "" : EncodeLoadMark(mark)));
    run->marked = !whole;
  }
  if (load_ != nullptr) SALVER_RETURN_NOT_OK(load_->Commit());
  load_.reset();
  in_load_.clear();
  durable_.insert(durable_.end(), finished_.begin(), finished_.end());
  finished_.clear();
  return std::chrono::steady_clock::now() < claimed_ + options_.claims_apart ? Status::OK() : Claim();
}

Status StoreWriter::Claim() {
  claimed_ = std::chrono::steady_clock::now();
  const std::vector<ViewRun*> runs = std::exchange(durable_, {});
  if (runs.empty()) return Status::OK();
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
    if (options_.on_progress) options_.on_progress(*run);
  }
  return Status::OK();
}

}  // namespace salver
