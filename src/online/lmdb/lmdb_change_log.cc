#include "online/lmdb/lmdb_change_log.h"

#include <cstdio>

#include "online/lmdb/lmdb_load.h"

namespace salver {
namespace {

std::string Name(char kind, uint32_t table) {
  char name[16];
  std::snprintf(name, sizeof name, "%c%08x", kind, table);
  return name;
}

std::string NumberKey(uint64_t number) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift));
  return key;
}

uint64_t NumberOf(const MDB_val& key) {
  uint64_t number = 0;
  for (const char byte : ToView(key)) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

}  // namespace

std::string LmdbChangeLog::ByKeyName(uint32_t table) {
  return Name('C', table);
}
std::string LmdbChangeLog::ByNumberName(uint32_t table) {
  return Name('O', table);
}

int LmdbChangeLog::Last(MDB_txn* txn, uint64_t* number) const {
  *number = 0;
  MDB_cursor* cursor;
  if (const int error = mdb_cursor_open(txn, by_number, &cursor); error != 0) return error;
  MDB_val key, value;
  const int error = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
  mdb_cursor_close(cursor);
  if (error == 0) *number = NumberOf(key);
  return error == MDB_NOTFOUND ? 0 : error;
}

int LmdbChangeLog::Append(MDB_txn* txn, std::string_view row_key, std::string_view entity_key,
                          uint64_t* next) const {
  if (*next == 0) {
    if (const int error = Last(txn, next); error != 0) return error;
    ++*next;
  }
  MDB_val key = ToVal(row_key), before;
  int error = mdb_get(txn, by_key, &key, &before);
  if (error == 0) {
    std::string number(ToView(before));  // the page it lies on changes
    MDB_val old = ToVal(number);
    error = mdb_del(txn, by_number, &old, nullptr);
  }
  if (error != 0 && error != MDB_NOTFOUND) return error;
  const std::string number = NumberKey(*next);
  MDB_val number_val = ToVal(number), entity_val = ToVal(entity_key);
  if ((error = mdb_put(txn, by_key, &key, &number_val, 0)) != 0) return error;
  if ((error = mdb_put(txn, by_number, &number_val, &entity_val, MDB_APPEND)) != 0) return error;
  ++*next;
  return 0;
}

int LmdbChangeLog::EntityKey(MDB_txn* txn, std::string_view row_key, std::string_view* entity_key) const {
  MDB_val key = ToVal(row_key), number, value;
  int error = mdb_get(txn, by_key, &key, &number);
  if (error == 0) error = mdb_get(txn, by_number, &number, &value);
  if (error == 0) *entity_key = ToView(value);
  return error;
}

int LmdbChangeLog::AppendAll(MDB_txn* txn, MDB_dbi rows) const {
  MDB_cursor* cursor;
  if (const int error = mdb_cursor_open(txn, rows, &cursor); error != 0) return error;
  MDB_val key, value;
  uint64_t next = 1;
  int error = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; error == 0; error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    if (IsHashedRowKey(ToView(key))) continue;
    if ((error = Append(txn, ToView(key), ToView(key), &next)) != 0) break;
  }
  mdb_cursor_close(cursor);
  return error == MDB_NOTFOUND ? 0 : error;
}

LmdbChanges::LmdbChanges(MDB_txn* txn, const LmdbChangeLog& log, uint64_t after) : after_(after) {
  error_ = mdb_cursor_open(txn, log.by_number, &cursor_);
}

LmdbChanges::~LmdbChanges() {
  if (cursor_ != nullptr) mdb_cursor_close(cursor_);
}

int LmdbChanges::Next(uint64_t* number, std::string_view* entity_key) {
  if (error_ != 0) return error_;
  const std::string first = NumberKey(after_ + 1);
  MDB_val key = ToVal(first), value;
  error_ = mdb_cursor_get(cursor_, &key, &value, begun_ ? MDB_NEXT : MDB_SET_RANGE);
  begun_ = true;
  if (error_ != 0) return error_;
  *number = NumberOf(key);
  *entity_key = ToView(value);
  return 0;
}

}  // namespace salver
