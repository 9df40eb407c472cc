// Reads of several views from one pack, within one transaction.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "online/lmdb/lmdb_packs.h"
#include "online/lmdb/lmdb_tables.h"
#include "salver/online_store.h"

namespace salver {

class LmdbPackReader {
 public:
  // All of it must outlive the reader. `reads`: at least one, all with the same keys.
  LmdbPackReader(LmdbEnvironment* environment, LmdbTables* tables, MDB_txn* txn, const LmdbPack* pack,
                 std::span<const OnlineRead> reads)
      : environment_(environment), tables_(tables), txn_(txn), pack_(pack), reads_(reads) {}

  // False when the pack lacks a view of the reads, or one's table is not open: they must be read one by one.
  bool FindViews();
  // After FindViews. Errors: as OnlineStore::Read.
  Result<std::vector<OnlineRows>> Read();

 private:
  // The stored rows of `reads[i]` are [i * keys, (i + 1) * keys); "" for none. Copies of them in `arena`.
  Status CopyRows(ByteArena* arena, std::span<std::string_view> rows) const;

  LmdbEnvironment* const environment_;
  LmdbTables* const tables_;
  MDB_txn* const txn_;
  const LmdbPack* const pack_;
  const std::span<const OnlineRead> reads_;
  std::vector<LmdbTables::TablePtr> found_;  // one a read
  std::vector<size_t> places_;               // of each read's view in the pack
};

}  // namespace salver
