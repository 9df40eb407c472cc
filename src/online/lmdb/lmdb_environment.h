// One LMDB environment: its map, which grows, its transactions, and what its errors mean.
//
// Thread safety: all methods from any thread, Open and Close from one while no transaction is open.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/per_thread.h"
#include "online/lmdb/lmdb_row_places.h"
#include "online/online_stores.h"
#include "salver/status.h"

namespace salver {

inline MDB_val ToVal(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}
inline std::string_view ToView(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}
// Whether a transaction may use an open table: one that was opened after it began it does not know.
inline bool Knows(MDB_txn* txn, MDB_dbi table) {
  unsigned flags;
  return mdb_dbi_flags(txn, table, &flags) == 0;
}

class LmdbEnvironment {
  // A read transaction that is reset, to be renewed.
  struct IdleReader {
    MDB_txn* txn;
    std::unique_ptr<LmdbRowPlaces> places;
  };
  // What a thread has: nothing that others write to is touched by a read.
  struct OfThread {
    std::mutex map;  // held by the thread while it has holds, and by whoever changes the map
    int holds = 0;
    std::vector<IdleReader> readers;
  };

 public:
  // The environment of that folder: one for the whole process, since LMDB's locks do not stand two. The
  // options of whoever opened it first hold.
  static Result<std::shared_ptr<LmdbEnvironment>> OpenShared(const LmdbOptions& options);

  explicit LmdbEnvironment(LmdbOptions options) : options_(std::move(options)) {}
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;
  ~LmdbEnvironment() { Close(); }

  // Creates the folder. Errors: FailedPrecondition for one that an earlier layout wrote.
  Status Open();
  void Close();
  bool is_open() const { return env_ != nullptr; }
  MDB_env* get() const { return env_; }
  MDB_dbi main() const { return main_; }  // the table of tables

  // While it lives the map stays where it is. A thread may have several; each ends on its own thread.
  class MapHold {
   public:
    MapHold() = default;
    explicit MapHold(OfThread* thread) : thread_(thread) {
      if (thread_->holds++ == 0) thread_->map.lock();
    }
    MapHold(MapHold&& other) noexcept : thread_(std::exchange(other.thread_, nullptr)) {}
    MapHold& operator=(MapHold&& other) noexcept {
      Release();
      thread_ = std::exchange(other.thread_, nullptr);
      return *this;
    }
    ~MapHold() { Release(); }
    void Release() {
      if (thread_ != nullptr && --thread_->holds == 0) thread_->map.unlock();
      thread_ = nullptr;
    }
    OfThread* thread() const { return thread_; }

   private:
    OfThread* thread_ = nullptr;
  };
  MapHold HoldMap() { return MapHold(&threads_.Local()); }

  // A read transaction: one moment of all tables. Begun ones are used again, since making one costs more than
  // many reads. Of one thread.
  class Reader {
   public:
    explicit Reader(LmdbEnvironment* environment) : environment_(environment) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { End(); }
    Status Begin();
    void End();
    MDB_txn* get() const { return txn_; }
    // Of rows that this reader found, or one before it in the same state.
    const LmdbRowPlaces& places() const { return *places_; }
    // As mdb_get; `hash` is that of the key in places().
    int Get(MDB_dbi table, std::string_view key, uint64_t hash, std::string_view* row) const;

   private:
    LmdbEnvironment* const environment_;
    MapHold map_;
    MDB_txn* txn_ = nullptr;
    std::unique_ptr<LmdbRowPlaces> places_;
  };

  // A read transaction in which tables are opened, one at a time in a process: LMDB allows no more. They stay
  // open once it is committed.
  class TableOpening {
   public:
    explicit TableOpening(LmdbEnvironment* environment) : environment_(environment) {}
    TableOpening(const TableOpening&) = delete;
    TableOpening& operator=(const TableOpening&) = delete;
    ~TableOpening();
    Status Begin();
    int Commit();
    MDB_txn* get() const { return txn_; }

   private:
    LmdbEnvironment* const environment_;
    MapHold map_;
    std::unique_lock<std::mutex> opening_;
    MDB_txn* txn_ = nullptr;
  };

  // The write transaction of one thread; others and other processes wait in Begin.
  class Writer {
   public:
    explicit Writer(LmdbEnvironment* environment) : environment_(environment) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() { Abort(); }
    // With room for `reserve` bytes of new pages in the map.
    Status Begin(size_t reserve);
    // LMDB's error, or 0. After one that a sync may have given the environment is read-only.
    int Commit();
    void Abort();
    MDB_txn* get() const { return txn_; }

   private:
    LmdbEnvironment* const environment_;
    MapHold map_;
    MDB_txn* txn_ = nullptr;
  };

  // Runs `change` (MDB_txn* -> error) in a write transaction, again after the map has grown.
  template <typename Change>
  Status InWrite(Change change) {
    for (;;) {
      Writer writer(this);
      SALVER_RETURN_NOT_OK(writer.Begin(0));
      int error = change(writer.get());
      if (error == 0) error = writer.Commit();
      writer.Abort();
      if (error == 0) return Status::OK();
      if (error != MDB_MAP_FULL) return Error("can not write", error);
      SALVER_RETURN_NOT_OK(Grow());
    }
  }

  // Held while LMDB opens a table: it allows one transaction at a time to do so.
  std::mutex& table_opening() { return table_opening_; }
  // Doubles the map. Waits for this process's transactions.
  Status Grow();
  Status Error(std::string_view action, int error) const;

 private:
  // change(threads) while no thread holds the map.
  template <typename Change>
  auto Alone(Change change);
  bool WasOvertaken(MDB_txn* reader) const;
  int SetMapSize(size_t bytes, std::span<OfThread* const> threads);
  friend class Reader;
  friend class Writer;
  int OpenEnvironment();
  Status TakeSizeOfOthers();
  // Bytes of the map behind the last page in use.
  size_t Room() const;
  Status Broken() const;
  // Whether a call of LMDB ended with `error` for want of space.
  bool DiskIsFull(int error) const;
  Status Closed() const;

  const LmdbOptions options_;
  MDB_env* env_ = nullptr;
  MDB_dbi main_ = 0;
  bool old_layout_ = false;
  PerThread<OfThread> threads_;
  std::mutex table_opening_;
  // After a sync that failed nobody knows what the disk has: nothing is written until the store is opened
  // again.
  std::atomic<bool> broken_{false};
};

}  // namespace salver
