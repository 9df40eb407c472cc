#include "online/lmdb/lmdb_tables.h"

#include <algorithm>
#include <cstdio>
#include <random>

#include "online/batch_rows.h"

namespace salver {
namespace {

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

uint32_t ReadBigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4 && i < bytes.size(); ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

std::string IdKey(char kind, uint32_t table) {
  std::string key(1, kind);
  AppendBigEndian(table, &key);
  return key;
}

std::string RowsName(uint32_t table) {
  char name[16];
  std::snprintf(name, sizeof name, "R%08x", table);
  return name;
}

int DeletePrefix(MDB_txn* txn, MDB_dbi main, const std::string& prefix) {
  MDB_cursor* cursor;
  if (const int error = mdb_cursor_open(txn, main, &cursor); error != 0) return error;
  MDB_val key = ToVal(prefix), value;
  int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (error == 0 && ToView(key).starts_with(prefix)) {
    if ((error = mdb_cursor_del(cursor, 0)) != 0) break;
    error = mdb_cursor_get(cursor, &key, &value, MDB_GET_CURRENT);
    if (error == EINVAL) error = MDB_NOTFOUND;  // past the last record
  }
  mdb_cursor_close(cursor);
  return error == MDB_NOTFOUND ? 0 : error;
}

// One more than the largest id that any table record holds.
int IdAfterAll(MDB_txn* txn, MDB_dbi main, uint32_t* id) {
  *id = 1;
  MDB_cursor* cursor;
  if (const int error = mdb_cursor_open(txn, main, &cursor); error != 0) return error;
  MDB_val key = ToVal("T"), value;
  for (int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
       error == 0 && ToView(key).starts_with('T'); error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    *id = std::max(*id, ReadBigEndian(ToView(value)) + 1);
  }
  mdb_cursor_close(cursor);
  return 0;
}

}  // namespace

int LmdbTables::TakeId(MDB_txn* txn, uint32_t* id) const {
  const MDB_dbi main = environment_->main();
  MDB_val key = ToVal("N"), value;
  int error = mdb_get(txn, main, &key, &value);
  if (error == 0) *id = ReadBigEndian(ToView(value));
  if (error == MDB_NOTFOUND)
    error = IdAfterAll(txn, main, id);  // environments of earlier versions have no 'N'
  if (error != 0) return error;
  std::string next;
  AppendBigEndian(*id + 1, &next);
  value = ToVal(next);
  return mdb_put(txn, main, &key, &value, 0);
}

int LmdbTables::FindId(MDB_txn* txn, const std::string& view, uint32_t* id) const {
  Record record;
  const int error = FindRecord(txn, view, &record);
  *id = record.id;
  return error;
}

int LmdbTables::FindRecord(MDB_txn* txn, const std::string& view, Record* record) const {
  const std::string key_bytes = "T" + project_ + '\0' + view;
  MDB_val key = ToVal(key_bytes), value;
  const int error = mdb_get(txn, environment_->main(), &key, &value);
  if (error != 0) return error;
  const std::string_view bytes = ToView(value);
  record->id = ReadBigEndian(bytes);
  record->incarnation = 0;
  if (bytes.size() == 12)
    record->incarnation = uint64_t{ReadBigEndian(bytes.substr(4))} << 32 | ReadBigEndian(bytes.substr(8));
  return 0;
}

int LmdbTables::PutRecord(MDB_txn* txn, const std::string& view, const Record& record) const {
  const std::string key_bytes = "T" + project_ + '\0' + view;
  std::string bytes;
  AppendBigEndian(record.id, &bytes);
  if (record.incarnation != 0) {
    AppendBigEndian(static_cast<uint32_t>(record.incarnation >> 32), &bytes);
    AppendBigEndian(static_cast<uint32_t>(record.incarnation), &bytes);
  }
  MDB_val key = ToVal(key_bytes), value = ToVal(bytes);
  return mdb_put(txn, environment_->main(), &key, &value, 0);
}

Result<LmdbTables::TablePtr> LmdbTables::Find(MDB_txn* txn, const FeatureView& view) {
  Record record;
  const int error = FindRecord(txn, view.name, &record);
  if (error == MDB_NOTFOUND) return UnknownView(view, "lmdb");
  if (error != 0) return environment_->Error("can not read", error);
  TablePtr table = tables_.Find(view.name);
  const bool same = table != nullptr && table->id == record.id &&
                    table->changes.incarnation == record.incarnation && table->IsKnownTo(txn);
  return same ? table : nullptr;
}

bool LmdbTables::FindOpen(std::span<const OnlineRead> reads, std::vector<TablePtr>* tables) {
  for (const OnlineRead& read : reads) {
    TablePtr table = tables_.Find(read.view->name);
    if (table == nullptr) return false;
    tables->push_back(std::move(table));
  }
  return true;
}

// A view has the same table for as long as nothing is committed: a reader that sees the same commit as one
// before needs no look at the table of tables.
Result<const FeatureView*> LmdbTables::Find(MDB_txn* txn, std::span<const OnlineRead> reads,
                                            std::vector<TablePtr>* tables) {
  const size_t commit = mdb_txn_id(txn);
  tables->clear();
  tables->reserve(reads.size());
  for (const OnlineRead& read : reads) {
    TablePtr table = tables_.Find(read.view->name);
    if (table == nullptr || table->seen_in != commit || !table->IsKnownTo(txn)) {
      SALVER_ASSIGN(table, Find(txn, *read.view));
      if (table == nullptr) return read.view;
      table->seen_in = commit;
    }
    tables->push_back(std::move(table));
  }
  return nullptr;
}

Status LmdbTables::Open(const FeatureView& view) {
  LmdbEnvironment::TableOpening opening(environment_);
  SALVER_RETURN_NOT_OK(opening.Begin());
  MDB_txn* const txn = opening.get();
  auto table = std::make_shared<LmdbTable>();
  Record record;
  int error = FindRecord(txn, view.name, &record);
  table->id = record.id;
  LmdbChangeLog& log = table->changes;
  log.incarnation = record.incarnation;
  if (error == 0) error = mdb_dbi_open(txn, RowsName(record.id).c_str(), 0, &table->rows);
  if (error == 0 && log)
    error = mdb_dbi_open(txn, LmdbChangeLog::ByKeyName(record.id).c_str(), 0, &log.by_key);
  if (error == 0 && log)
    error = mdb_dbi_open(txn, LmdbChangeLog::ByNumberName(record.id).c_str(), 0, &log.by_number);
  if (error == MDB_NOTFOUND) return UnknownView(view, "lmdb");
  if (error != 0) return environment_->Error("can not open a table", error);
  auto schemas = ReadSchemas(txn, table->id);
  error = opening.Commit();
  if (error != 0) return environment_->Error("can not open a table", error);
  if (!schemas.ok()) return schemas.status();
  table->schemas = std::move(schemas).value();
  tables_.Put(view.name, std::move(table));
  return Status::OK();
}

Result<std::vector<RowSchema>> LmdbTables::ReadSchemas(MDB_txn* txn, uint32_t id) const {
  std::vector<RowSchema> schemas;
  for (uint32_t schema_id = 0;; ++schema_id) {
    std::string key_bytes = IdKey('S', id);
    AppendBigEndian(schema_id, &key_bytes);
    MDB_val key = ToVal(key_bytes), value;
    if (mdb_get(txn, environment_->main(), &key, &value) != 0) return schemas;
    SALVER_ASSIGN(auto columns, DecodeRowSchema(ToView(value)));
    schemas.push_back({schema_id, std::move(columns), HashRowSchema(ToView(value))});
  }
}

Result<LmdbTables::TablePtr> LmdbTables::Reload(MDB_txn* txn, const FeatureView& view,
                                                const LmdbTable& table) {
  auto again = std::make_shared<LmdbTable>();
  again->id = table.id;
  again->rows = table.rows;
  again->changes = table.changes;
  SALVER_ASSIGN(again->schemas, ReadSchemas(txn, table.id));
  tables_.Put(view.name, again);
  return TablePtr(again);
}

int LmdbTables::SchemaFor(MDB_txn* txn, const FeatureView& view, const LmdbTable& table,
                          uint32_t* schema_id) {
  const RowSchema schema = RowSchemaOf(view);
  const auto schemas = ReadSchemas(txn, table.id);
  if (!schemas.ok()) return MDB_CORRUPTED;
  for (const RowSchema& known : *schemas) {
    *schema_id = known.id;
    if (known.columns == schema.columns) return 0;
  }
  *schema_id = static_cast<uint32_t>(schemas->size());
  std::string key_bytes = IdKey('S', table.id);
  AppendBigEndian(*schema_id, &key_bytes);
  const std::string bytes = EncodeRowSchema(schema.columns);
  MDB_val key = ToVal(key_bytes), value = ToVal(bytes);
  return mdb_put(txn, environment_->main(), &key, &value, 0);
}

int LmdbTables::Add(MDB_txn* txn, const FeatureView& view) {
  Record record;
  int error = FindRecord(txn, view.name, &record);
  const bool is_new = error == MDB_NOTFOUND;
  if (error != 0 && !is_new) return error;
  const bool has_log = record.incarnation != 0, wants_log = view.FindVector() >= 0;
  if (!is_new && has_log == wants_log) return 0;
  if (is_new && (error = TakeId(txn, &record.id)) != 0) return error;
  std::lock_guard opening(environment_->table_opening());
  MDB_dbi rows;
  if ((error = mdb_dbi_open(txn, RowsName(record.id).c_str(), MDB_CREATE, &rows)) != 0) return error;
  if (wants_log && (error = BeginLog(txn, &record, rows)) != 0) return error;
  if (has_log) {
    if ((error = DropLog(txn, record)) != 0) return error;
    record.incarnation = 0;
  }
  return PutRecord(txn, view.name, record);
}

int LmdbTables::BeginLog(MDB_txn* txn, Record* record, MDB_dbi rows) {
  LmdbChangeLog log;
  int error = mdb_dbi_open(txn, LmdbChangeLog::ByKeyName(record->id).c_str(), MDB_CREATE, &log.by_key);
  if (error == 0)
    error = mdb_dbi_open(txn, LmdbChangeLog::ByNumberName(record->id).c_str(), MDB_CREATE, &log.by_number);
  std::random_device random;
  while (record->incarnation == 0) record->incarnation = uint64_t{random()} << 32 | random();
  return error == 0 ? log.AppendAll(txn, rows) : error;
}

int LmdbTables::DropLog(MDB_txn* txn, const Record& record) {
  for (const std::string& name :
       {LmdbChangeLog::ByKeyName(record.id), LmdbChangeLog::ByNumberName(record.id)}) {
    MDB_dbi table;
    if (const int error = mdb_dbi_open(txn, name.c_str(), 0, &table); error != 0) return error;
    if (const int error = mdb_drop(txn, table, 1); error != 0) return error;
  }
  return 0;
}

int LmdbTables::Drop(MDB_txn* txn, const std::string& view, std::vector<uint32_t>* dropped) {
  Record record;
  int error = FindRecord(txn, view, &record);
  if (error == MDB_NOTFOUND) return 0;
  if (error != 0) return error;
  dropped->push_back(record.id);
  const std::string key_bytes = "T" + project_ + '\0' + view;
  MDB_val key = ToVal(key_bytes);
  if ((error = mdb_del(txn, environment_->main(), &key, nullptr)) != 0) return error;
  for (const char kind : {'S', 'M'}) {
    if ((error = DeletePrefix(txn, environment_->main(), IdKey(kind, record.id))) != 0) return error;
  }
  std::lock_guard opening(environment_->table_opening());
  if (record.incarnation != 0 && (error = DropLog(txn, record)) != 0) return error;
  MDB_dbi rows;
  if ((error = mdb_dbi_open(txn, RowsName(record.id).c_str(), 0, &rows)) != 0) return error;
  return mdb_drop(txn, rows, 1);
}

int LmdbTables::Count(MDB_txn* txn, size_t* records) const {
  MDB_stat about;
  const int error = mdb_stat(txn, environment_->main(), &about);
  MDB_val key = ToVal("N"), value;
  *records = error != 0 ? 0 : about.ms_entries;
  if (error == 0 && mdb_get(txn, environment_->main(), &key, &value) == 0) --*records;
  return error;
}

int LmdbTables::OpenRows(MDB_txn* txn, uint32_t id, MDB_dbi* rows) {
  return mdb_dbi_open(txn, RowsName(id).c_str(), 0, rows);
}

void LmdbTables::Forget() {
  tables_.Clear();
}

std::string LmdbTables::MarkKey(const LmdbTable& table) const {
  return IdKey('M', table.id);
}

}  // namespace salver
