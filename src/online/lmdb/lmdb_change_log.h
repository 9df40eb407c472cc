// Which keys of a table changed after which, kept in the transaction that changed them. It is what an index
// of vectors in any process catches up from: as of any transaction, the index and the changes after it make
// up the table. A key is in it once, at its last change, so it is as long as the table.
//
//   'C' table id in hex   row key -> u64 number of its last change
//   'O' table id in hex   u64 number of a change -> the entity key, whole
//
// Numbers are big-endian and grow. Tables have it while their view has a vector index.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "online/lmdb/lmdb_environment.h"

namespace salver {

struct LmdbChangeLog {
  uint64_t incarnation = 0;  // 0: there is none; else a random number that no other table ever had
  MDB_dbi by_key = 0, by_number = 0;

  explicit operator bool() const { return incarnation != 0; }

  static std::string ByKeyName(uint32_t table);
  static std::string ByNumberName(uint32_t table);

  // All give LMDB's error, or 0. The number of the last change; 0 when there is none.
  int Last(MDB_txn* txn, uint64_t* number) const;
  // `next` is the number to give, or 0: not known yet.
  int Append(MDB_txn* txn, std::string_view row_key, std::string_view entity_key, uint64_t* next) const;
  // MDB_NOTFOUND: the key never changed.
  int EntityKey(MDB_txn* txn, std::string_view row_key, std::string_view* entity_key) const;
  // Enters every row of `rows`, in the order of their keys, but for those whose key is a hash (lmdb_load.h):
  // they are found once they are written again.
  int AppendAll(MDB_txn* txn, MDB_dbi rows) const;
};

// The changes of a transaction after one, in order.
class LmdbChanges {
 public:
  LmdbChanges(MDB_txn* txn, const LmdbChangeLog& log, uint64_t after);
  LmdbChanges(const LmdbChanges&) = delete;
  LmdbChanges& operator=(const LmdbChanges&) = delete;
  ~LmdbChanges();

  // 0 and the next change, MDB_NOTFOUND behind the last, or an error.
  int Next(uint64_t* number, std::string_view* entity_key);

 private:
  MDB_cursor* cursor_ = nullptr;
  int error_;
  bool begun_ = false;
  const uint64_t after_;
};

}  // namespace salver
