// The read transactions of an environment that nobody uses at the moment, to be used again.
//
// LMDB looks a table up when a transaction uses it first, which costs as much as the read of a row. So one
// that has ended stays begun, and the next read goes on with it where nothing was committed meanwhile. But
// writers can not use pages again that a begun transaction sees, in this process or another: each stays begun
// for moments only, after which a thread ends it.
//
// Thread safety: all methods from any thread.
#pragma once

#include <lmdb.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace salver {

class LmdbReaders {
 public:
  LmdbReaders() = default;
  LmdbReaders(const LmdbReaders&) = delete;
  LmdbReaders& operator=(const LmdbReaders&) = delete;
  ~LmdbReaders() { Close(); }

  struct Reader {
    MDB_txn* txn = nullptr;
    uint64_t tables = 0;  // what TableOpened had counted before it was begun
  };
  // `txn` null: there is none. `*begun`: it is, sees `newest_commit` and knows all open tables; else it is to
  // be renewed.
  Reader Take(size_t newest_commit, bool* begun);
  // `reader` is begun.
  void Put(Reader reader);
  // Transactions that were begun before do not know a table.
  void TableOpened();
  // Ends all that are begun: for who writes, or changes the map.
  void EndAll();
  void Close();

 private:
  void EndAllLocked();
  bool IsWatched();
  void Watch();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<MDB_txn*> ended_;
  std::vector<Reader> begun_;
  uint64_t tables_ = 0;
  std::thread watch_;
  bool watching_ = false;  // it ends what is begun when its time has passed
  bool closing_ = false;
};

}  // namespace salver
