#include "online/lmdb/lmdb_points.h"

#include "online/batch_rows.h"
#include "online/lmdb/lmdb_load.h"

namespace salver {

Result<std::span<const LmdbPoints::Row>> LmdbPoints::Next() {
  std::array<uint64_t, kAtOnce> hashes;
  size_t found = 0;
  while (found == 0 && read_ < reads_.size()) {
    size_t keys = 0;
    while (read_ < reads_.size() && keys < kAtOnce) {
      if (row_ == reads_[read_].keys.size()) {
        ++read_;
        row_ = 0;
        continue;
      }
      const std::string_view key = reads_[read_].keys[row_];
      if (deadline_.Passed()) return DeadlinePassed(*reads_[read_].view, "reading");
      if (!key.empty()) {
        hashes[keys] = LmdbRowPlaces::Hash(tables_[read_], LmdbRowKey(key, &scratch_));
        reader_.places().Prefetch(hashes[keys]);
        rows_[keys++] = {read_, row_, {}};
      }
      ++row_;
    }
    for (size_t i = 0; i < keys; ++i) reader_.places().PrefetchRow(hashes[i]);
    for (size_t i = 0; i < keys; ++i) {
      Row row = rows_[i];
      const std::string_view key = LmdbRowKey(reads_[row.read].keys[row.row], &scratch_);
      const int error = reader_.Get(tables_[row.read], key, hashes[i], &row.stored);
      if (error == 0) rows_[found++] = row;
      if (error != 0 && error != MDB_NOTFOUND) return environment_.Error("can not read", error);
    }
  }
  return std::span<const Row>(rows_).first(found);
}

}  // namespace salver
