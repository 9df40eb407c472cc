// Stored rows of one view within one transaction, as the cells of a read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "online/lmdb/lmdb_tables.h"
#include "online/row_filler.h"

namespace salver {

class LmdbRowReader {
 public:
  // `read` and `filler` must outlive it; the filler is begun anew, with the memory that it has.
  LmdbRowReader(LmdbTables* tables, MDB_txn* txn, const OnlineRead* read, LmdbTables::TablePtr table,
                RowFiller* filler)
      : tables_(tables), txn_(txn), read_(read), table_(std::move(table)), filler_(filler) {
    filler->Start(read);
  }

  // 0 and the stored row of an entity key, MDB_NOTFOUND, or an error. The row lives as long as the
  // transaction.
  int Get(std::string_view entity_key, std::string_view* stored);
  // Row `row` of `rows` becomes `stored`; cells point into it. Errors: DataLoss.
  Status Fill(std::string_view stored, size_t row, OnlineRows* rows);

 private:
  LmdbTables* const tables_;
  MDB_txn* const txn_;
  const OnlineRead* const read_;
  LmdbTables::TablePtr table_;
  std::vector<LmdbTables::TablePtr> before_;  // the filler remembers one of their schemas
  RowFiller* const filler_;
  std::string key_;  // scratch
};

}  // namespace salver
