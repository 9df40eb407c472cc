#include "online/lmdb/lmdb_environment.h"

#include <errno.h>
#include <sys/statvfs.h>

#include <filesystem>
#include <map>
#include <utility>

#include "base/files.h"

namespace salver {
namespace {

constexpr unsigned kMaxTables = 1024;  // that one process has open

// Rows had their place in the table of tables once, behind 'R' and a number of four bytes that begins with 0.
// Now 'R' begins the name of a table, in letters.
bool HoldsOldRows(MDB_txn* txn, MDB_dbi main) {
  MDB_cursor* cursor;
  if (mdb_cursor_open(txn, main, &cursor) != 0) return false;
  MDB_val key = ToVal("R"), value;
  const int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  mdb_cursor_close(cursor);
  const std::string_view found = error == 0 ? ToView(key) : std::string_view();
  return found.size() > 1 && found[0] == 'R' && found[1] == '\0';
}

}  // namespace

Result<std::shared_ptr<LmdbEnvironment>> LmdbEnvironment::OpenShared(const LmdbOptions& options) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<LmdbEnvironment>> environments;
  SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(options.path));
  std::error_code error;
  const std::string path = std::filesystem::canonical(options.path, error).string();
  std::lock_guard lock(mutex);
  std::weak_ptr<LmdbEnvironment>& known = environments[path];
  if (auto environment = known.lock(); environment != nullptr && environment->is_open()) return environment;
  auto environment = std::make_shared<LmdbEnvironment>(options);
  SALVER_RETURN_NOT_OK(environment->Open());
  known = environment;
  return environment;
}

Status LmdbEnvironment::Open() {
  broken_ = false;
  const int error = OpenEnvironment();
  if (error == 0 && !old_layout_) return Status::OK();
  Close();
  if (error != 0) return Error("can not open", error);
  return Status::FailedPrecondition("lmdb online store \"" + options_.path +
                                    "\" has the layout of an earlier build. Remove the folder, run `salver "
                                    "apply` and materialize again.");
}

int LmdbEnvironment::OpenEnvironment() {
  if (const int error = mdb_env_create(&env_); error != 0) return error;
  mdb_env_set_mapsize(env_, options_.map_bytes);
  mdb_env_set_maxreaders(env_, 1024);
  mdb_env_set_maxdbs(env_, kMaxTables);
  // Readers belong to transactions, not to threads: a server's threads come and go.
  const unsigned flags = MDB_NOTLS | (options_.sync ? 0 : MDB_NOSYNC);
  if (const int error = mdb_env_open(env_, options_.path.c_str(), flags, 0644); error != 0) return error;
  int dead = 0;
  mdb_reader_check(env_, &dead);  // slots of processes that were killed
  MDB_txn* txn;
  if (const int error = mdb_txn_begin(env_, nullptr, 0, &txn); error != 0) return error;
  if (const int error = mdb_dbi_open(txn, nullptr, 0, &main_); error != 0) {
    mdb_txn_abort(txn);
    return error;
  }
  old_layout_ = HoldsOldRows(txn, main_);
  return mdb_txn_commit(txn);
}

// Waits for one thread at a time and meanwhile keeps none from reading, unless that goes on for long: one of
// many is in a transaction most of the time.
template <typename Change>
auto LmdbEnvironment::Alone(Change change) {
  return threads_.WithAll([&](std::span<OfThread* const> threads) {
    constexpr int kTries = 100;
    std::vector<std::unique_lock<std::mutex>> held;
    size_t first = 0;
    for (int tries = 0; held.size() < threads.size(); ++tries) {
      held.clear();
      for (size_t i = 0; i < threads.size(); ++i) {
        const size_t at = (first + i) % threads.size();
        std::unique_lock lock(threads[at]->map, std::defer_lock);
        if (i == 0 || tries >= kTries) lock.lock();
        if (!lock.owns_lock() && !lock.try_lock()) {
          first = at;
          break;
        }
        held.push_back(std::move(lock));
      }
    }
    return change(threads);
  });
}

void LmdbEnvironment::Close() {
  Alone([&](std::span<OfThread* const> threads) {
    for (OfThread* const thread : threads) {
      for (const IdleReader& reader : thread->readers) mdb_txn_abort(reader.txn);
      thread->readers.clear();
    }
    if (env_ != nullptr) mdb_env_close(env_);
    env_ = nullptr;
  });
}

Status LmdbEnvironment::Error(std::string_view action, int error) const {
  const std::string text = "lmdb online store \"" + options_.path + "\": " + std::string(action) + ": " +
                           mdb_strerror(error) + ".";
  if (error == MDB_CORRUPTED || error == MDB_INVALID || error == MDB_VERSION_MISMATCH) {
    return Status::DataLoss(text + " Remove the folder, apply and materialize again.");
  }
  if (DiskIsFull(error))
    return Status::ResourceExhausted(text + " Nothing of it was written. Free some space and run it again.");
  return Status::Unavailable(text + " Check that the folder can be written and the disk has space.");
}

Status LmdbEnvironment::Broken() const {
  return Status::Unavailable(
      "lmdb online store \"" + options_.path +
      "\" is read-only since a sync to disk failed. Check the disk, then open the store "
      "again (restart the server).");
}

// A disk that took only a part of a write is EIO to LMDB, as is a sync that failed. Such a write has 64 pages
// at most, so less than them was free. Were it the sync after all: the pages it was for are referred to by
// nothing.
bool LmdbEnvironment::DiskIsFull(int error) const {
  if (error != EIO) return error == ENOSPC || error == EDQUOT;
  struct statvfs disk;
  constexpr uint64_t kMostWritten = 64 * 4096;
  return ::statvfs(options_.path.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < kMostWritten;
}

Status LmdbEnvironment::Closed() const {
  return Status::Unavailable("lmdb online store \"" + options_.path +
                             "\" was torn down meanwhile. Run `salver apply` and materialize again.");
}

// In Alone: all readers are idle.
int LmdbEnvironment::SetMapSize(size_t bytes, std::span<OfThread* const> threads) {
  for (OfThread* const thread : threads) {
    for (const IdleReader& reader : thread->readers) reader.places->Forget();  // the map may move
  }
  return mdb_env_set_mapsize(env_, bytes);
}

Status LmdbEnvironment::TakeSizeOfOthers() {
  const int error = Alone([&](std::span<OfThread* const> threads) { return SetMapSize(0, threads); });
  return error == 0 ? Status::OK() : Error("can not grow", error);
}

size_t LmdbEnvironment::Room() const {
  MDB_envinfo about;
  MDB_stat pages;
  mdb_env_info(env_, &about);
  mdb_env_stat(env_, &pages);
  const size_t used = (about.me_last_pgno + 1) * pages.ms_psize;
  return about.me_mapsize > used ? about.me_mapsize - used : 0;
}

Status LmdbEnvironment::Grow() {
  const int error = Alone([&](std::span<OfThread* const> threads) {
    MDB_envinfo about;
    mdb_env_info(env_, &about);
    return SetMapSize(about.me_mapsize * 2, threads);
  });
  return error == 0 ? Status::OK() : Error("can not grow", error);
}

// LMDB takes the number of the last commit first and then the one of two root pages that belongs to it. When
// two more commits end in between, that page is already the later one's: the reader would see a commit that
// is not announced yet, and the one before it with its next read. Values of a key would go back for a moment.
bool LmdbEnvironment::WasOvertaken(MDB_txn* reader) const {
  MDB_envinfo about;
  mdb_env_info(env_, &about);
  return about.me_last_txnid > mdb_txn_id(reader) + 1;
}

Status LmdbEnvironment::Reader::Begin() {
  LmdbEnvironment& environment = *environment_;
  for (;;) {
    map_ = environment.HoldMap();
    if (environment.env_ == nullptr) return environment.Closed();
    if (auto& idle = map_.thread()->readers; !idle.empty()) {
      txn_ = idle.back().txn;
      places_ = std::move(idle.back().places);
      idle.pop_back();
    }
    const int error =
        txn_ != nullptr ? mdb_txn_renew(txn_) : mdb_txn_begin(environment.env_, nullptr, MDB_RDONLY, &txn_);
    if (places_ == nullptr) places_ = std::make_unique<LmdbRowPlaces>();
    if (error == 0 && !environment.WasOvertaken(txn_)) {
      places_->Begin(mdb_txn_id(txn_));
      return Status::OK();
    }
    if (error == 0) {
      End();
      continue;
    }
    if (txn_ != nullptr) mdb_txn_abort(txn_);
    txn_ = nullptr;
    places_.reset();
    map_.Release();
    if (error != MDB_MAP_RESIZED) return environment.Error("can not read", error);
    // Another process grew the file: take its size, with no transaction of ours inside.
    SALVER_RETURN_NOT_OK(environment.TakeSizeOfOthers());
  }
}

void LmdbEnvironment::Reader::End() {
  if (txn_ == nullptr) return;
  mdb_txn_reset(txn_);
  map_.thread()->readers.push_back({txn_, std::move(places_)});
  txn_ = nullptr;
  map_.Release();
}

int LmdbEnvironment::Reader::Get(MDB_dbi table, std::string_view key, uint64_t hash,
                                 std::string_view* row) const {
  if (const auto found = places_->Find(hash, table, key)) {
    *row = *found;
    return 0;
  }
  MDB_val key_val = ToVal(key), value;
  const int error = mdb_get(txn_, table, &key_val, &value);
  if (error != 0) return error;
  *row = ToView(value);
  places_->Put(hash, table, key, *row);
  return 0;
}

LmdbEnvironment::TableOpening::~TableOpening() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

Status LmdbEnvironment::TableOpening::Begin() {
  {
    Reader reader(environment_);  // takes the map's size when another process grew it
    SALVER_RETURN_NOT_OK(reader.Begin());
  }
  map_ = environment_->HoldMap();
  opening_ = std::unique_lock(environment_->table_opening_);
  // Of its own: tables do not stay open when a transaction is reset.
  const int error = mdb_txn_begin(environment_->env_, nullptr, MDB_RDONLY, &txn_);
  return error == 0 ? Status::OK() : environment_->Error("can not read", error);
}

int LmdbEnvironment::TableOpening::Commit() {
  const int error = mdb_txn_commit(std::exchange(txn_, nullptr));
  opening_.unlock();
  return error;
}

Status LmdbEnvironment::Writer::Begin(size_t reserve) {
  LmdbEnvironment& environment = *environment_;
  for (;;) {
    if (environment.broken_) return environment.Broken();
    map_ = environment.HoldMap();
    if (environment.env_ == nullptr) return environment.Closed();
    const int error = mdb_txn_begin(environment.env_, nullptr, 0, &txn_);
    if (error == 0 && environment.Room() >= reserve) return Status::OK();
    Abort();
    if (error != 0 && error != MDB_MAP_RESIZED) return environment.Error("can not write", error);
    SALVER_RETURN_NOT_OK(error == 0 ? environment.Grow() : environment.TakeSizeOfOthers());
  }
}

int LmdbEnvironment::Writer::Commit() {
  MDB_txn* txn = txn_;
  txn_ = nullptr;
  const int error = mdb_txn_commit(txn);
  map_.Release();
  // What a full disk or map refuses was never referred to, so it may be tried again.
  const bool harmless = error == 0 || error == MDB_MAP_FULL || environment_->DiskIsFull(error);
  if (!harmless) environment_->broken_ = true;
  return error;
}

void LmdbEnvironment::Writer::Abort() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
  txn_ = nullptr;
  map_.Release();
}

}  // namespace salver
