// Which table of an LMDB environment holds the rows of a view, and with which features they were written.
//
// The table of tables has four kinds of record, told apart by the first byte of the key:
//
//   'T' project 0 view           -> u32 table id [, u64 incarnation]  a table of a view; the latter where
//                                   it has a log of changes (lmdb_change_log.h)
//   'S' table id, schema id      -> the features the id stands for    (packed_row.h)
//   'M' table id                 -> the mark of OnlineLoad::SetMark
//   'N'                          -> u32, the id of the next table: ids are not used twice, so that who knows
//                                   a table by its id never takes another for it
//
// Ids are big-endian. The rows are in a table of their own, named 'R' and the id in hex: entity key -> one
// packed row. So a table is appended to in key order whatever else is loaded meanwhile, and dropped in one
// step.
//
// Thread safety: all methods from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/named_objects.h"
#include "online/lmdb/lmdb_change_log.h"
#include "online/lmdb/lmdb_environment.h"
#include "salver/online_store.h"
#include "salver/packed_row.h"

namespace salver {

struct LmdbTable {
  uint32_t id = 0;
  MDB_dbi rows = 0;
  std::vector<RowSchema> schemas;  // by id
  LmdbChangeLog changes;
  // The newest commit as of which the view was seen to have this table.
  mutable std::atomic<size_t> seen_in{0};

  bool IsKnownTo(MDB_txn* txn) const {
    return Knows(txn, rows) && (!changes || (Knows(txn, changes.by_key) && Knows(txn, changes.by_number)));
  }
};

class LmdbTables {
 public:
  LmdbTables(LmdbEnvironment* environment, std::string project)
      : environment_(environment), project_(std::move(project)) {}

  using TablePtr = std::shared_ptr<const LmdbTable>;

  // The tables of the reads' views as `txn` sees them, one each. Not null: the view for which Open must be
  // called first, with no transaction open. Errors: NotFound (kViewNotFound).
  Result<const FeatureView*> Find(MDB_txn* txn, std::span<const OnlineRead> reads,
                                  std::vector<TablePtr>* tables);
  // The same for one view, in a transaction that may write.
  Result<TablePtr> Find(MDB_txn* txn, const FeatureView& view);
  Status Open(const FeatureView& view);
  // The tables that this process knows the reads' views to have, whatever a transaction says; false when one
  // is not open.
  bool FindOpen(std::span<const OnlineRead> reads, std::vector<TablePtr>* tables);
  // The table with all its schemas: a row with a schema that the known table lacks was written by another
  // process.
  Result<TablePtr> Reload(MDB_txn* txn, const FeatureView& view, const LmdbTable& table);

  // The id of the view's features as they are now; stored in this transaction when it is new.
  int SchemaFor(MDB_txn* txn, const FeatureView& view, const LmdbTable& table, uint32_t* schema_id);

  // In a write transaction; LMDB's error or 0. Forget what is known after it, committed or not. Add begins
  // the log of changes of a view with a vector index, with the rows that are there, and ends that of one
  // without.
  int Add(MDB_txn* txn, const FeatureView& view);
  int Drop(MDB_txn* txn, const std::string& view, std::vector<uint32_t>* dropped);
  void Forget();
  // How much all projects keep here: records of the table of tables but the next id.
  int Count(MDB_txn* txn, size_t* records) const;

  // LMDB's error or 0; MDB_NOTFOUND for a view that was never applied.
  int FindId(MDB_txn* txn, const std::string& view, uint32_t* id) const;
  // Takes the id of a new table.
  int TakeId(MDB_txn* txn, uint32_t* id) const;
  // For this transaction; while the caller holds table_opening().
  static int OpenRows(MDB_txn* txn, uint32_t id, MDB_dbi* rows);

  std::string MarkKey(const LmdbTable& table) const;

 private:
  struct Record {
    uint32_t id = 0;
    uint64_t incarnation = 0;  // 0: no log of changes
  };
  int FindRecord(MDB_txn* txn, const std::string& view, Record* record) const;
  int PutRecord(MDB_txn* txn, const std::string& view, const Record& record) const;
  int BeginLog(MDB_txn* txn, Record* record, MDB_dbi rows);
  int DropLog(MDB_txn* txn, const Record& record);
  Result<std::vector<RowSchema>> ReadSchemas(MDB_txn* txn, uint32_t id) const;

  LmdbEnvironment* const environment_;
  const std::string project_;
  NamedObjects<const LmdbTable> tables_;
};

}  // namespace salver
