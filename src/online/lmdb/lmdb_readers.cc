#include "online/lmdb/lmdb_readers.h"

#include <chrono>
#include <system_error>

namespace salver {
namespace {

// Long beside the time between two reads of a server with something to do, short beside a materialization.
constexpr std::chrono::milliseconds kBegunTime{20};

}  // namespace

LmdbReaders::Reader LmdbReaders::Take(size_t newest_commit, bool* begun) {
  std::lock_guard lock(mutex_);
  *begun = false;
  Reader reader{nullptr, tables_};
  if (!begun_.empty()) {
    reader.txn = begun_.back().txn;
    *begun = begun_.back().tables == tables_ && mdb_txn_id(reader.txn) == newest_commit;
    begun_.pop_back();
    if (!*begun) mdb_txn_reset(reader.txn);
  } else if (!ended_.empty()) {
    reader.txn = ended_.back();
    ended_.pop_back();
  }
  return reader;
}

void LmdbReaders::Put(Reader reader) {
  std::lock_guard lock(mutex_);
  if (!IsWatched()) {
    mdb_txn_reset(reader.txn);
    return ended_.push_back(reader.txn);
  }
  begun_.push_back(reader);
  if (!watching_) changed_.notify_one();
  watching_ = true;
}

void LmdbReaders::TableOpened() {
  std::lock_guard lock(mutex_);
  ++tables_;
}

void LmdbReaders::EndAll() {
  std::lock_guard lock(mutex_);
  EndAllLocked();
}

void LmdbReaders::EndAllLocked() {
  for (const Reader& reader : begun_) {
    mdb_txn_reset(reader.txn);
    ended_.push_back(reader.txn);
  }
  begun_.clear();
}

void LmdbReaders::Close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_one();
  }
  if (watch_.joinable()) watch_.join();
  std::lock_guard lock(mutex_);
  closing_ = watching_ = false;
  EndAllLocked();
  for (MDB_txn* txn : ended_) mdb_txn_abort(txn);
  ended_.clear();
}

// Whether there is a thread, which begins with the first reader.
bool LmdbReaders::IsWatched() {
  if (watch_.joinable()) return true;
  try {
    watch_ = std::thread([this] { Watch(); });
  } catch (const std::system_error&) {
    return false;  // no more threads: readers are begun anew each time
  }
  return true;
}

void LmdbReaders::Watch() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    changed_.wait(lock, [this] { return closing_ || watching_; });
    changed_.wait_for(lock, kBegunTime, [this] { return closing_; });
    EndAllLocked();
    watching_ = false;
  }
}

}  // namespace salver
