#include "online/lmdb/lmdb_row_reader.h"

#include "online/lmdb/lmdb_load.h"

namespace salver {

int LmdbRowReader::Get(std::string_view entity_key, std::string_view* stored) {
  MDB_val key = ToVal(LmdbRowKey(entity_key, &key_)), value;
  const int error = mdb_get(txn_, table_->rows, &key, &value);
  if (error == 0) *stored = ToView(value);
  return error;
}

Status LmdbRowReader::Fill(std::string_view stored, size_t row, OnlineRows* rows) {
  SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(stored));
  if (header.schema_id >= table_->schemas.size()) {
    before_.push_back(table_);
    SALVER_ASSIGN(table_, tables_->Reload(txn_, *read_->view, *table_));
    if (header.schema_id >= table_->schemas.size()) {
      return Status::DataLoss("feature view \"" + read_->view->name + "\": a stored row names schema " +
                              std::to_string(header.schema_id) +
                              ", which the store lacks. Materialize it again.");
    }
  }
  return filler_->Fill(stored, header, table_->schemas[header.schema_id], row, rows);
}

}  // namespace salver
