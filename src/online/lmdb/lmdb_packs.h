// Packs: rows of several views under one key, so that a read of all of them searches once. Beside the records
// of lmdb_tables.h the table of tables has
//
//   'P' project 0 pack  ->  u32 pack id, then for each view u32 table id, u32 size of its name, the name
//
// with ids, which are taken from where those of tables are, and sizes big-endian. The rows are in a table of
// their own, named 'K' and the id in hex: entity key -> for each view a u32, little-endian: the size of its
// row, 0 for none; then the rows themselves, as the views' own tables have them. A pack of which a view's
// table is gone is gone with it, so its ids are those of the views.
//
// Thread safety: all methods from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/named_objects.h"
#include "online/lmdb/lmdb_environment.h"
#include "online/lmdb/lmdb_tables.h"
#include "salver/online_store.h"

namespace salver {

struct LmdbPack {
  struct View {
    uint32_t table;
    std::string name;
  };
  std::string name;
  std::string record;  // its bytes in the table of tables
  uint32_t id = 0;
  std::vector<View> views;
  MDB_dbi rows = 0;
};

class LmdbPacks {
 public:
  LmdbPacks(LmdbEnvironment* environment, std::string project)
      : environment_(environment), project_(std::move(project)) {}

  using PackPtr = std::shared_ptr<const LmdbPack>;

  // The pack as `txn` sees it: `*found` false, there is none; null, Open must be called first, with no
  // transaction open.
  Result<PackPtr> Find(MDB_txn* txn, std::string_view name, bool* found);
  // The same in a transaction that only reads: it needs no look at the table of tables while nothing is
  // committed.
  Result<PackPtr> FindToRead(MDB_txn* txn, std::string_view name, bool* found);
  Status Open(std::string_view name);
  // Adds the names of the project's packs that have a table of `tables`; Find tells which are open. LMDB's
  // error or 0.
  int Names(MDB_txn* txn, std::span<const uint32_t> tables, std::vector<std::string>* names) const;

  // In a write transaction; LMDB's error or 0. Forget what is known after it, committed or not.
  int Apply(MDB_txn* txn, std::span<const RowPack> packs, LmdbTables* tables);
  int DropThoseOf(MDB_txn* txn, const std::string& view);
  void Forget();

 private:
  struct Opened {
    LmdbPack pack;
    mutable std::atomic<size_t> seen_in{0};  // the newest commit as of which it was seen to be this
  };
  using OpenedPtr = std::shared_ptr<const Opened>;
  static PackPtr PackOf(const OpenedPtr& opened) {
    return opened == nullptr ? nullptr : PackPtr(opened, &opened->pack);
  }
  Result<OpenedPtr> FindOpened(MDB_txn* txn, std::string_view name, bool* found);
  std::string RecordKey(std::string_view name) const;
  // Visits the project's packs (name, record -> LMDB's error or 0). All gives them; their tables are not
  // open.
  template <typename Visit>
  int ForEach(MDB_txn* txn, Visit visit) const;
  int All(MDB_txn* txn, std::vector<LmdbPack>* all) const;
  int Drop(MDB_txn* txn, const LmdbPack& pack);
  int Create(MDB_txn* txn, LmdbPack pack, LmdbTables* tables);

  LmdbEnvironment* const environment_;
  const std::string project_;
  NamedObjects<const Opened> packs_;
};

// The rows of one key, one a view of the pack; "" for none. False for bytes that are no such row.
bool SplitPackRow(std::string_view bytes, size_t views, std::vector<std::string_view>* rows);
void JoinPackRow(std::span<const std::string_view> rows, std::string* bytes);

}  // namespace salver
