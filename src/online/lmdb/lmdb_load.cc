#include "online/lmdb/lmdb_load.h"

#include <xxhash.h>

#include <cstring>

#include "salver/write_rule.h"

namespace salver {
namespace {

constexpr size_t kMaxKey = 511, kHashSize = 16;
constexpr int64_t kNodeBytes = 10;  // that LMDB adds to a key and its value in a page

}  // namespace

std::string_view LmdbRowKey(std::string_view entity_key, std::string* scratch) {
  if (entity_key.size() <= kMaxKey) return entity_key;
  scratch->assign(entity_key.substr(0, kMaxKey - kHashSize));
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(entity_key.data(), entity_key.size()));
  scratch->append(reinterpret_cast<const char*>(hash.digest), kHashSize);
  return *scratch;
}

bool IsHashedRowKey(std::string_view row_key) {
  return row_key.size() == kMaxKey;
}

Status LmdbLoad::Begin(std::span<const std::shared_ptr<const FeatureView>> views, size_t reserve) {
  for (;;) {
    SALVER_RETURN_NOT_OK(writer_.Begin(reserve));
    const FeatureView* missing = nullptr;
    for (const auto& view : views) {
      SALVER_ASSIGN(auto table, tables_->Find(writer_.get(), *view));
      if (table == nullptr) missing = view.get();
      if (missing != nullptr) break;
      in_use_[view->name].about = std::move(table);
    }
    std::string missing_pack;
    if (missing == nullptr) SALVER_RETURN_NOT_OK(FindPacks(&missing_pack));
    if (missing == nullptr && missing_pack.empty()) return Status::OK();
    writer_.Abort();
    SALVER_RETURN_NOT_OK(missing != nullptr ? tables_->Open(*missing) : packs_->Open(missing_pack));
  }
}

// As the transaction sees them, so that every writer keeps every pack right, whatever it knows of services.
Status LmdbLoad::FindPacks(std::string* missing) {
  packs_in_use_.clear();
  std::vector<uint32_t> tables;
  for (const auto& [name, table] : in_use_) tables.push_back(table.about->id);
  std::vector<std::string> names;
  if (const int error = packs_->Names(writer_.get(), tables, &names); error != 0)
    return Error("can not read", error);
  for (const std::string& name : names) {
    bool found;
    SALVER_ASSIGN(auto pack, packs_->Find(writer_.get(), name, &found));
    if (pack == nullptr) {
      *missing = name;
      return Status::OK();
    }
    packs_in_use_.push_back(std::move(pack));
  }
  return Status::OK();
}

int LmdbLoad::OpenPacks(Table* table) {
  for (const LmdbPacks::PackPtr& pack : packs_in_use_) {
    for (size_t slot = 0; slot < pack->views.size(); ++slot) {
      if (pack->views[slot].table != table->about->id) continue;
      MDB_cursor* cursor;
      if (const int error = mdb_cursor_open(writer_.get(), pack->rows, &cursor); error != 0) return error;
      table->packs.push_back({pack, slot, cursor});
    }
  }
  return 0;
}

int LmdbLoad::PutInPacks(const Table& table, std::string_view key, std::string_view row) {
  if (table.packs.empty()) return 0;
  new_row_.assign(row);
  std::memcpy(new_row_.data() + kRowSchemaAt, &table.schema_id, sizeof table.schema_id);
  for (const InPack& in : table.packs) {
    MDB_val key_val = ToVal(key), stored;
    int error = mdb_cursor_get(in.cursor, &key_val, &stored, MDB_SET_KEY);
    if (error == MDB_NOTFOUND) {
      pack_rows_.assign(in.pack->views.size(), {});
    } else if (error != 0 || !SplitPackRow(ToView(stored), in.pack->views.size(), &pack_rows_)) {
      return error != 0 ? error : MDB_CORRUPTED;
    }
    pack_rows_[in.slot] = new_row_;
    JoinPackRow(pack_rows_, &packed_);
    key_val = ToVal(key);
    MDB_val value = ToVal(packed_);
    if ((error = mdb_cursor_put(in.cursor, &key_val, &value, 0)) != 0) return error;
    bytes_held_ += kPage + static_cast<int64_t>(packed_.size());
  }
  return 0;
}

Status LmdbLoad::Error(std::string_view action, int error) {
  map_was_full_ = error == MDB_MAP_FULL;
  return environment_->Error(action, error);
}

Result<LmdbLoad::Table*> LmdbLoad::TableOf(const FeatureView& view) {
  const auto found = in_use_.find(view.name);
  if (found == in_use_.end())
    return Status::Internal("the load was not begun for feature view \"" + view.name + "\".");
  Table& table = found->second;
  if (table.cursor != nullptr) return &table;
  int error = tables_->SchemaFor(writer_.get(), view, *table.about, &table.schema_id);
  if (error == 0) error = mdb_cursor_open(writer_.get(), table.about->rows, &table.cursor);
  if (error != 0) return Error("can not write", error);
  MDB_val key, value;
  if ((error = OpenPacks(&table)) != 0) return Error("can not write", error);
  error = mdb_cursor_get(table.cursor, &key, &value, MDB_LAST);
  if (error == 0) table.last_key = ToView(key);
  if (error != 0 && error != MDB_NOTFOUND) return Error("can not read", error);
  return &table;
}

void LmdbLoad::Fill(const Table& table, std::string_view row, const MDB_val& to) {
  std::memcpy(to.mv_data, row.data(), row.size());
  std::memcpy(static_cast<char*>(to.mv_data) + kRowSchemaAt, &table.schema_id, sizeof table.schema_id);
}

void LmdbLoad::CountPages(std::string_view row, const MDB_val& at) {
  const uintptr_t page = reinterpret_cast<uintptr_t>(at.mv_data) / kPage;
  bytes_held_ += (page != last_page_ ? kPage : 0) + static_cast<int64_t>(row.size()) / kPage * kPage;
  last_page_ = page;
}

int LmdbLoad::PutAndLog(Table* table, std::string_view entity_key, std::string_view row) {
  const std::string_view key = LmdbRowKey(entity_key, &key_);
  const int64_t held_before = bytes_held_;
  const int error = Put(table, key, row);
  const LmdbChangeLog& log = table->about->changes;
  if (error != 0 || !log) return error;
  bytes_held_ += bytes_held_ - held_before;  // about as many for the log
  return log.Append(writer_.get(), key, entity_key, &table->next_change);
}

int LmdbLoad::Put(Table* table, std::string_view key, std::string_view row) {
  // Behind the last key pages are filled to the end and nothing is searched.
  const bool append = table->last_key < key;
  MDB_val key_val = ToVal(key), value{row.size(), nullptr};
  const unsigned flags = append ? MDB_APPEND : MDB_NOOVERWRITE;
  const int error = mdb_cursor_put(table->cursor, &key_val, &value, flags | MDB_RESERVE);
  if (error == MDB_KEYEXIST && !append) return Replace(table, key, row, value);
  if (error != 0) return error;
  Fill(*table, row, value);
  if (append) {
    table->last_key.assign(key);
    // Full pages, and of its own for a large value.
    const auto size = static_cast<int64_t>(key.size() + row.size()) + kNodeBytes;
    bytes_held_ += size < kPage / 2 ? size : size / kPage * kPage + 2 * kPage;
  } else {
    CountPages(row, value);
  }
  return PutInPacks(*table, key, row);
}

int LmdbLoad::Replace(Table* table, std::string_view key, std::string_view row, const MDB_val& stored) {
  const auto had = DecodeRowHeader(ToView(stored));
  const auto has = DecodeRowHeader(row);
  if (!had.ok() || !has.ok()) return MDB_CORRUPTED;
  if (!IsNewer(has->event_us, has->created_us, had->event_us, had->created_us)) return MDB_KEYEXIST;
  MDB_val key_val = ToVal(key), value{row.size(), nullptr};
  const int error = mdb_cursor_put(table->cursor, &key_val, &value, MDB_RESERVE);
  if (error != 0) return error;
  Fill(*table, row, value);
  CountPages(row, value);
  return PutInPacks(*table, key, row);
}

Result<WriteCounts> LmdbLoad::Write(const FeatureView& view, const PackedRows& rows) {
  SALVER_ASSIGN(Table* const table, TableOf(view));
  WriteCounts counts;
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    const int error = PutAndLog(table, rows.keys[i], rows.rows[i]);
    if (error == MDB_CORRUPTED) {
      return Status::DataLoss("feature view \"" + view.name +
                              "\": a stored row can not be decoded. Restore the store, or drop the view and "
                              "materialize it again.");
    }
    if (error != 0 && error != MDB_KEYEXIST) return Error("can not write", error);
    ++(error == 0 ? counts.written : counts.older);
  }
  return counts;
}

Status LmdbLoad::SetMark(const FeatureView& view, std::string_view mark) {
  SALVER_ASSIGN(const Table* const table, TableOf(view));
  const std::string key_bytes = tables_->MarkKey(*table->about);
  MDB_val key = ToVal(key_bytes), value = ToVal(mark);
  int error = mark.empty() ? mdb_del(writer_.get(), environment_->main(), &key, nullptr)
                           : mdb_put(writer_.get(), environment_->main(), &key, &value, 0);
  if (mark.empty() && error == MDB_NOTFOUND) error = 0;
  return error == 0 ? Status::OK() : Error("can not write", error);
}

Status LmdbLoad::Commit() {
  in_use_.clear();
  const int error = writer_.Commit();
  return error == 0 ? Status::OK() : Error("can not write", error);
}

}  // namespace salver
