#include "online/lmdb/lmdb_packs.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace salver {
namespace {

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

// Takes four bytes off `bytes`; false when it has fewer.
bool TakeBigEndian(std::string_view* bytes, uint32_t* value) {
  if (bytes->size() < 4) return false;
  *value = 0;
  for (size_t i = 0; i < 4; ++i) *value = *value << 8 | static_cast<uint8_t>((*bytes)[i]);
  bytes->remove_prefix(4);
  return true;
}

std::string RecordOf(const LmdbPack& pack) {
  std::string record;
  AppendBigEndian(pack.id, &record);
  for (const LmdbPack::View& view : pack.views) {
    AppendBigEndian(view.table, &record);
    AppendBigEndian(static_cast<uint32_t>(view.name.size()), &record);
    record += view.name;
  }
  return record;
}

bool ReadRecord(std::string_view record, LmdbPack* pack) {
  pack->record.assign(record);
  pack->views.clear();
  if (!TakeBigEndian(&record, &pack->id)) return false;
  while (!record.empty()) {
    LmdbPack::View view;
    uint32_t size;
    if (!TakeBigEndian(&record, &view.table) || !TakeBigEndian(&record, &size) || record.size() < size)
      return false;
    view.name.assign(record.substr(0, size));
    record.remove_prefix(size);
    pack->views.push_back(std::move(view));
  }
  return !pack->views.empty();
}

std::string RowsName(uint32_t id) {
  char name[16];
  std::snprintf(name, sizeof name, "K%08x", id);
  return name;
}

// The rows of one view in key order.
struct Rows {
  MDB_cursor* cursor = nullptr;
  MDB_val key, value;
  int error = 0;

  int Open(MDB_txn* txn, MDB_dbi table) {
    if (const int failed = mdb_cursor_open(txn, table, &cursor); failed != 0) return failed;
    Next();
    return 0;
  }
  void Next() { error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT); }
  ~Rows() {
    if (cursor != nullptr) mdb_cursor_close(cursor);
  }
};

// LMDB's own order of keys is that of their bytes.
int Merge(MDB_txn* txn, std::vector<Rows>* views, MDB_dbi to) {
  std::vector<std::string_view> rows(views->size());
  std::string key, bytes;
  for (;;) {
    const Rows* first = nullptr;
    for (const Rows& view : *views) {
      if (view.error != 0 && view.error != MDB_NOTFOUND) return view.error;
      if (view.error == 0 && (first == nullptr || ToView(view.key) < ToView(first->key))) first = &view;
    }
    if (first == nullptr) return 0;
    key.assign(ToView(first->key));
    for (size_t i = 0; i < views->size(); ++i) {
      Rows& view = (*views)[i];
      const bool here = view.error == 0 && ToView(view.key) == key;
      rows[i] = here ? ToView(view.value) : std::string_view();
    }
    JoinPackRow(rows, &bytes);
    MDB_val key_val = ToVal(key), value = ToVal(bytes);
    if (const int error = mdb_put(txn, to, &key_val, &value, MDB_APPEND); error != 0) return error;
    for (size_t i = 0; i < views->size(); ++i) {
      if (!rows[i].empty()) (*views)[i].Next();
    }
  }
}

}  // namespace

bool SplitPackRow(std::string_view bytes, size_t views, std::vector<std::string_view>* rows) {
  rows->clear();
  if (bytes.size() < views * sizeof(uint32_t)) return false;
  std::string_view rest = bytes.substr(views * sizeof(uint32_t));
  for (size_t i = 0; i < views; ++i) {
    uint32_t size;
    std::memcpy(&size, bytes.data() + i * sizeof size, sizeof size);
    if (size > rest.size()) return false;
    rows->push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  return rest.empty();
}

void JoinPackRow(std::span<const std::string_view> rows, std::string* bytes) {
  bytes->clear();
  for (const std::string_view row : rows) {
    const auto size = static_cast<uint32_t>(row.size());
    bytes->append(reinterpret_cast<const char*>(&size), sizeof size);
  }
  for (const std::string_view row : rows) *bytes += row;
}

std::string LmdbPacks::RecordKey(std::string_view name) const {
  return ("P" + project_ + '\0').append(name);
}

Result<LmdbPacks::OpenedPtr> LmdbPacks::FindOpened(MDB_txn* txn, std::string_view name, bool* found) {
  const std::string key_bytes = RecordKey(name);
  MDB_val key = ToVal(key_bytes), value;
  const int error = mdb_get(txn, environment_->main(), &key, &value);
  *found = error == 0;
  if (error == MDB_NOTFOUND) return OpenedPtr();
  if (error != 0) return environment_->Error("can not read", error);
  OpenedPtr opened = packs_.Find(name);
  const bool is_open =
      opened != nullptr && opened->pack.record == ToView(value) && Knows(txn, opened->pack.rows);
  return is_open ? opened : nullptr;
}

Result<LmdbPacks::PackPtr> LmdbPacks::Find(MDB_txn* txn, std::string_view name, bool* found) {
  SALVER_ASSIGN(const OpenedPtr opened, FindOpened(txn, name, found));
  return PackOf(opened);
}

Result<LmdbPacks::PackPtr> LmdbPacks::FindToRead(MDB_txn* txn, std::string_view name, bool* found) {
  const size_t commit = mdb_txn_id(txn);
  OpenedPtr opened = packs_.Find(name);
  *found = opened != nullptr && opened->seen_in == commit;
  if (*found) return Knows(txn, opened->pack.rows) ? PackOf(opened) : nullptr;
  SALVER_ASSIGN(opened, FindOpened(txn, name, found));
  if (opened != nullptr) opened->seen_in = commit;
  return PackOf(opened);
}

Status LmdbPacks::Open(std::string_view name) {
  LmdbEnvironment::TableOpening opening(environment_);
  SALVER_RETURN_NOT_OK(opening.Begin());
  MDB_txn* const txn = opening.get();
  auto opened = std::make_shared<Opened>();
  LmdbPack* const pack = &opened->pack;
  pack->name.assign(name);
  const std::string key_bytes = RecordKey(name);
  MDB_val key = ToVal(key_bytes), value;
  int error = mdb_get(txn, environment_->main(), &key, &value);
  const bool readable = error != 0 || ReadRecord(ToView(value), pack);
  if (error == 0 && readable) error = mdb_dbi_open(txn, RowsName(pack->id).c_str(), 0, &pack->rows);
  if (error == MDB_NOTFOUND) return Status::OK();  // dropped meanwhile: Find says so
  if (!readable) error = MDB_CORRUPTED;
  if (error == 0) error = opening.Commit();
  if (error != 0) return environment_->Error("can not open a pack", error);
  packs_.Put(pack->name, std::move(opened));
  return Status::OK();
}

template <typename Visit>
int LmdbPacks::ForEach(MDB_txn* txn, Visit visit) const {
  const std::string prefix = RecordKey("");
  MDB_cursor* cursor;
  if (const int error = mdb_cursor_open(txn, environment_->main(), &cursor); error != 0) return error;
  MDB_val key = ToVal(prefix), value;
  int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (error == 0 && ToView(key).starts_with(prefix)) {
    if ((error = visit(ToView(key).substr(prefix.size()), ToView(value))) != 0) break;
    error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return error == MDB_NOTFOUND ? 0 : error;
}

int LmdbPacks::All(MDB_txn* txn, std::vector<LmdbPack>* all) const {
  return ForEach(txn, [&](std::string_view name, std::string_view record) {
    LmdbPack& pack = all->emplace_back();
    pack.name = name;
    return ReadRecord(record, &pack) ? 0 : MDB_CORRUPTED;
  });
}

// Every write asks, so records are looked at where they lie.
int LmdbPacks::Names(MDB_txn* txn, std::span<const uint32_t> tables, std::vector<std::string>* names) const {
  return ForEach(txn, [&](std::string_view name, std::string_view record) {
    uint32_t id, table, size;
    bool readable = TakeBigEndian(&record, &id), asked = false;
    while (readable && !record.empty()) {
      readable = TakeBigEndian(&record, &table) && TakeBigEndian(&record, &size) && size <= record.size();
      if (!readable) break;
      record.remove_prefix(size);
      asked = asked || std::find(tables.begin(), tables.end(), table) != tables.end();
    }
    if (asked) names->emplace_back(name);
    return readable ? 0 : MDB_CORRUPTED;
  });
}

int LmdbPacks::Drop(MDB_txn* txn, const LmdbPack& pack) {
  const std::string key_bytes = RecordKey(pack.name);
  MDB_val key = ToVal(key_bytes);
  if (const int error = mdb_del(txn, environment_->main(), &key, nullptr); error != 0) return error;
  std::lock_guard opening(environment_->table_opening());
  MDB_dbi rows;
  if (const int error = mdb_dbi_open(txn, RowsName(pack.id).c_str(), 0, &rows); error != 0) return error;
  return mdb_drop(txn, rows, 1);
}

int LmdbPacks::DropThoseOf(MDB_txn* txn, const std::string& view) {
  std::vector<LmdbPack> all;
  if (const int error = All(txn, &all); error != 0) return error;
  for (const LmdbPack& pack : all) {
    const auto is_view = [&](const LmdbPack::View& one) { return one.name == view; };
    if (std::none_of(pack.views.begin(), pack.views.end(), is_view)) continue;
    if (const int error = Drop(txn, pack); error != 0) return error;
  }
  return 0;
}

int LmdbPacks::Create(MDB_txn* txn, LmdbPack pack, LmdbTables* tables) {
  const std::string key_bytes = RecordKey(pack.name), record = RecordOf(pack);
  MDB_val key = ToVal(key_bytes), value = ToVal(record);
  if (const int error = mdb_put(txn, environment_->main(), &key, &value, 0); error != 0) return error;
  std::vector<Rows> views(pack.views.size());
  {
    std::lock_guard opening(environment_->table_opening());
    const int error = mdb_dbi_open(txn, RowsName(pack.id).c_str(), MDB_CREATE, &pack.rows);
    if (error != 0) return error;
    for (size_t i = 0; i < views.size(); ++i) {
      MDB_dbi rows;
      if (const int failed = tables->OpenRows(txn, pack.views[i].table, &rows); failed != 0) return failed;
      if (const int failed = views[i].Open(txn, rows); failed != 0) return failed;
    }
  }
  return Merge(txn, &views, pack.rows);
}

int LmdbPacks::Apply(MDB_txn* txn, std::span<const RowPack> packs, LmdbTables* tables) {
  std::vector<LmdbPack> wanted;
  for (const RowPack& pack : packs) {
    LmdbPack& to = wanted.emplace_back();
    to.name = pack.name;
    for (const auto& view : pack.views) {
      uint32_t table;
      if (const int error = tables->FindId(txn, view->name, &table); error != 0) return error;
      to.views.push_back({table, view->name});
    }
  }
  std::vector<LmdbPack> all;
  if (const int error = All(txn, &all); error != 0) return error;
  for (const LmdbPack& have : all) {
    const auto fits = [&](LmdbPack& pack) {
      pack.id = have.id;
      return pack.name == have.name && RecordOf(pack) == have.record;
    };
    const auto found = std::find_if(wanted.begin(), wanted.end(), fits);
    if (found != wanted.end()) {
      wanted.erase(found);
    } else if (const int error = Drop(txn, have); error != 0) {
      return error;
    }
  }
  for (LmdbPack& pack : wanted) {
    if (const int error = tables->TakeId(txn, &pack.id); error != 0) return error;
    if (const int error = Create(txn, std::move(pack), tables); error != 0) return error;
  }
  return 0;
}

void LmdbPacks::Forget() {
  packs_.Clear();
}

}  // namespace salver
