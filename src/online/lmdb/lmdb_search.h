// A search of one view in LMDB: by its index and the rows that changed after what the index has seen, or by
// looking at every row, where there is no index, few rows pass the filter, or more rows changed than did not.
#pragma once

#include "online/lmdb/lmdb_row_reader.h"
#include "online/lmdb/lmdb_tables.h"
#include "online/lmdb/vector_indexes.h"
#include "online/nearest_rows.h"
#include "online/row_deadline.h"

namespace salver {

class LmdbSearch {
 public:
  // All must outlive it. `txn` is a read transaction in which `table` is open.
  LmdbSearch(LmdbEnvironment* environment, LmdbTables* tables, VectorIndexes* indexes, MDB_txn* txn,
             LmdbTables::TablePtr table, const OnlineSearch* search, NearestRows* nearest, Deadline deadline);

  // Offers rows to `nearest`. False: an index has seen more than this transaction shows, which must be begun
  // again.
  Result<bool> Run();

 private:
  Result<bool> RunIndexed(const VectorIndex::Shared& index, uint64_t last_change);
  Status ScanAll();
  Status ScanChanges(uint64_t after, std::vector<std::string>* keys);
  // Cells of `stored` as nearest.columns(), in row_.
  Status Take(std::string_view stored);
  Status Offer(std::string_view key, std::string_view stored);
  Status OfferKey(std::string_view key);
  bool Passes(std::string_view key, int64_t event_us);
  Status CheckDeadline();

  LmdbEnvironment* const environment_;
  VectorIndexes* const indexes_;
  MDB_txn* const txn_;
  const LmdbTables::TablePtr table_;
  const OnlineSearch* const search_;
  NearestRows* const nearest_;
  RowDeadline deadline_;
  const OnlineRead read_;
  RowFiller filler_{nullptr};
  LmdbRowReader rows_;
  OnlineRows row_;  // scratch
  Status failed_;   // of Passes
};

}  // namespace salver
