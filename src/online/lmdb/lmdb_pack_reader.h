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
  // All of it must outlive this. `reads`: at least one, all with the same keys.
  LmdbPackReader(const LmdbEnvironment* environment, const LmdbEnvironment::Reader* reader,
                 LmdbTables* tables, const LmdbPack* pack, std::span<const OnlineRead> reads)
      : environment_(environment), reader_(reader), tables_(tables), pack_(pack), reads_(reads) {}

  // False when the pack lacks a view of the reads, or one's table is not open: they must be read one by one.
  bool FindViews();
  // After FindViews. Errors: as OnlineStore::Read.
  Result<std::vector<OnlineRows>> Read(Deadline deadline);

 private:
  // The stored rows of `reads[i]` are [i * keys, (i + 1) * keys); "" for none. Copies of them in `arena`.
  Status CopyRows(Deadline deadline, ByteArena* arena, std::span<std::string_view> rows) const;

  const LmdbEnvironment* const environment_;
  const LmdbEnvironment::Reader* const reader_;
  LmdbTables* const tables_;
  const LmdbPack* const pack_;
  const std::span<const OnlineRead> reads_;
  std::vector<LmdbTables::TablePtr> found_;  // one a read
  std::vector<size_t> places_;               // of each read's view in the pack
};

}  // namespace salver
