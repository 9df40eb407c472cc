// One write transaction of packed rows: what both OnlineStore::Write and a load end in.
#pragma once

#include <map>
#include <string>

#include "online/lmdb/lmdb_environment.h"
#include "online/lmdb/lmdb_packs.h"
#include "online/lmdb/lmdb_tables.h"
#include "salver/online_store.h"

namespace salver {

class LmdbLoad final : public OnlineLoad {
 public:
  LmdbLoad(LmdbEnvironment* environment, LmdbTables* tables, LmdbPacks* packs)
      : environment_(environment), tables_(tables), packs_(packs), writer_(environment) {}

  // Opens the tables of `views`, then the transaction, with `reserve` bytes of room in the map.
  Status Begin(std::span<const std::shared_ptr<const FeatureView>> views, size_t reserve);

  Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override;
  Status SetMark(const FeatureView& view, std::string_view mark) override;
  int64_t bytes_held() const override { return bytes_held_; }
  Status Commit() override;

  // Ends the transaction without its rows.
  void GiveUp() { writer_.Abort(); }
  // True when the last error was that the map has no room; growing it and doing all of it again helps.
  bool map_was_full() const { return map_was_full_; }

 private:
  static constexpr int64_t kPage = 4096;

  // A pack that has a table, and the table's place in it.
  struct InPack {
    LmdbPacks::PackPtr pack;
    size_t slot;
    MDB_cursor* cursor;  // ends with the transaction
  };
  struct Table {
    LmdbTables::TablePtr about;
    uint32_t schema_id = 0;
    MDB_cursor* cursor = nullptr;  // ends with the transaction
    std::string last_key;          // of the table; "" while it is empty
    uint64_t next_change = 0;      // number of the next entry of its log; 0: not known yet
    std::vector<InPack> packs;
  };

  // The packs of the tables in use; `*missing` names one that must be opened first.
  Status FindPacks(std::string* missing);
  int OpenPacks(Table* table);
  // Writes the row that is now the table's newest into its packs.
  int PutInPacks(const Table& table, std::string_view key, std::string_view row);

  Result<Table*> TableOf(const FeatureView& view);
  // 0, MDB_KEYEXIST for a row that is older, or an error.
  int PutAndLog(Table* table, std::string_view entity_key, std::string_view row);
  int Put(Table* table, std::string_view key, std::string_view row);
  int Replace(Table* table, std::string_view key, std::string_view row, const MDB_val& stored);
  void Fill(const Table& table, std::string_view row, const MDB_val& to);
  // Counts the pages of a row that went to a page of any kind.
  void CountPages(std::string_view row, const MDB_val& at);
  Status Error(std::string_view action, int error);

  LmdbEnvironment* const environment_;
  LmdbTables* const tables_;
  LmdbPacks* const packs_;
  LmdbEnvironment::Writer writer_;
  std::map<std::string, Table> in_use_;
  std::vector<LmdbPacks::PackPtr> packs_in_use_;
  std::vector<std::string_view> pack_rows_;  // scratch
  std::string packed_, new_row_;             // scratch
  std::string key_;                          // scratch
  int64_t bytes_held_ = 0;
  uintptr_t last_page_ = 0;
  bool map_was_full_ = false;
};

// The key that a row is stored under. LMDB's are at most 511 bytes: a longer one becomes its first bytes and
// the 128-bit hash of all of it. `scratch` keeps what had to be made.
std::string_view LmdbRowKey(std::string_view entity_key, std::string* scratch);
// True for a key of which a part may be a hash: only the log of changes has the entity key.
bool IsHashedRowKey(std::string_view row_key);

}  // namespace salver
