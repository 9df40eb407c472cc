// Packed rows in one LMDB database. Three kinds of record, told apart by the first byte of the key:
//
//   'T' project 0 view           -> u32 table id                      a table of a view
//   'S' table id, schema id      -> the features the id stands for    (row_codec.h)
//   'R' table id, entity key     -> one packed row
//
// Ids are big-endian, so a table's rows are one key range. LMDB keys are at most 511 bytes: a longer entity
// key is stored as its first bytes and the 128-bit hash of all of it.
//
// A read transaction sees one moment of all tables; a write is one transaction, so newest-wins is decided
// under LMDB's single-writer lock. The map grows by itself; growing waits for this process's readers
// (map_mutex_).
#include <arrow/record_batch.h>
#include <lmdb.h>
#include <xxhash.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "base/files.h"
#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/online_stores.h"
#include "online/row_codec.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

constexpr size_t kMaxKey = 511, kKeyHeader = 5, kHashSize = 16;

struct LmdbTable {
  uint32_t id = 0;
  std::vector<RowSchema> schemas;  // by id
};

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

uint32_t ReadBigEndian(const char* at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

MDB_val ToVal(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}
std::string_view ToView(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

std::string TableKey(const std::string& project, const std::string& view) {
  return "T" + project + '\0' + view;
}

std::string IdKey(char kind, uint32_t table) {
  std::string key(1, kind);
  AppendBigEndian(table, &key);
  return key;
}

// Replaces `key` with the key of a row. `key` is scratch, so that a loop allocates once.
void SetRowKey(uint32_t table, std::string_view entity_key, std::string* key) {
  key->assign(1, 'R');
  AppendBigEndian(table, key);
  if (kKeyHeader + entity_key.size() <= kMaxKey) return void(key->append(entity_key));
  key->append(entity_key.substr(0, kMaxKey - kKeyHeader - kHashSize));
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(entity_key.data(), entity_key.size()));
  key->append(reinterpret_cast<const char*>(hash.digest), kHashSize);
}

class Transaction {
 public:
  Transaction() = default;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() { Abort(); }
  int Begin(MDB_env* env, unsigned flags) { return mdb_txn_begin(env, nullptr, flags, &txn_); }
  int Commit() {
    MDB_txn* txn = txn_;
    txn_ = nullptr;
    return mdb_txn_commit(txn);
  }
  void Abort() {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
    txn_ = nullptr;
  }
  MDB_txn* get() const { return txn_; }

 private:
  MDB_txn* txn_ = nullptr;
};

class LmdbOnlineStore final : public OnlineStore {
 public:
  explicit LmdbOnlineStore(LmdbOptions options) : options_(std::move(options)) {}
  ~LmdbOnlineStore() override { Close(); }

  Status Open() {
    SALVER_RETURN_NOT_OK(Files::System()->CreateFolders(options_.path));
    if (const int error = OpenEnvironment(); error != 0) {
      Close();
      return Error("can not open", error);
    }
    return Status::OK();
  }

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    std::shared_lock lock(map_mutex_);
    std::vector<OnlineRows> answers;
    if (env_ == nullptr) return reads.empty() ? Result(answers) : UnknownView(*reads[0].view, type());
    Transaction txn;
    int error = txn.Begin(env_, MDB_RDONLY);
    if (error ==
        MDB_MAP_RESIZED) {  // another process grew the file: take its size, with no reader of ours inside
      lock.unlock();
      {
        std::unique_lock grow(map_mutex_);
        mdb_env_set_mapsize(env_, 0);
      }
      lock.lock();
      error = txn.Begin(env_, MDB_RDONLY);
    }
    if (error != 0) return Error("can not read", error);
    answers.reserve(reads.size());
    for (const OnlineRead& read : reads) {
      if (deadline.Passed()) return DeadlinePassed(*read.view, "reading");
      OnlineRows& rows = answers.emplace_back(OnlineRows::Absent(read.keys.size(), read.columns.size()));
      SALVER_RETURN_NOT_OK(ReadView(txn.get(), read, &rows));
    }
    return answers;
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    for (;;) {
      WriteCounts counts{.older = newest.older};
      int error = 0;
      {
        std::shared_lock lock(map_mutex_);
        if (env_ == nullptr) return UnknownView(view, type());
        SALVER_RETURN_NOT_OK(TryWrite(view, batch, newest, &counts, &error));
      }
      if (error == 0) return counts;
      if (error != MDB_MAP_FULL && error != MDB_MAP_RESIZED) return Error("can not write", error);
      if (deadline.Passed()) return DeadlinePassed(view, "writing");
      SALVER_RETURN_NOT_OK(Grow(error));
    }
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    if (env_ == nullptr) SALVER_RETURN_NOT_OK(Open());
    return InWrite([&](MDB_txn* txn) {
      for (const auto& view : drop) {
        if (const int error = DropTable(txn, view->name); error != 0) return error;
      }
      for (const auto& view : keep) {
        if (const int error = AddTable(txn, view->name); error != 0) return error;
      }
      return 0;
    });
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    if (env_ == nullptr) return Status::OK();
    SALVER_RETURN_NOT_OK(Apply({}, views));
    bool empty = false;
    SALVER_RETURN_NOT_OK(InWrite([&](MDB_txn* txn) {
      MDB_stat about;
      const int error = mdb_stat(txn, dbi_, &about);
      empty = error == 0 && about.ms_entries == 0;
      return error;
    }));
    if (!empty) return Status::OK();  // another project keeps rows here
    std::unique_lock lock(map_mutex_);
    Close();
    SALVER_RETURN_NOT_OK(Files::System()->Remove(options_.path + "/data.mdb"));
    return Files::System()->Remove(options_.path + "/lock.mdb");
  }

  std::string_view durability() const override {
    return options_.sync
               ? "an acknowledged row survives power loss: its transaction was synced to disk"
               : "an acknowledged row survives a crash of this process, not power loss (sync: false)";
  }
  std::string_view type() const override { return "lmdb"; }

 private:
  Status Error(std::string_view action, int error) const {
    const std::string text = "lmdb online store \"" + options_.path + "\": " + std::string(action) + ": " +
                             mdb_strerror(error) + ".";
    if (error == MDB_CORRUPTED || error == MDB_INVALID || error == MDB_VERSION_MISMATCH) {
      return Status::DataLoss(text + " Remove the folder, apply and materialize again.");
    }
    if (error == ENOSPC) return Status::ResourceExhausted(text + " Free some space and run it again.");
    return Status::Unavailable(text + " Check that the folder can be written and the disk has space.");
  }

  int OpenEnvironment() {
    if (const int error = mdb_env_create(&env_); error != 0) return error;
    mdb_env_set_mapsize(env_, options_.map_bytes);
    mdb_env_set_maxreaders(env_, 1024);
    // Readers belong to transactions, not to threads: a server's threads come and go.
    const unsigned flags = MDB_NOTLS | (options_.sync ? 0 : MDB_NOSYNC);
    if (const int error = mdb_env_open(env_, options_.path.c_str(), flags, 0644); error != 0) return error;
    int dead = 0;
    mdb_reader_check(env_, &dead);  // slots of processes that were killed
    Transaction txn;
    if (const int error = txn.Begin(env_, 0); error != 0) return error;
    if (const int error = mdb_dbi_open(txn.get(), nullptr, 0, &dbi_); error != 0) return error;
    return txn.Commit();
  }

  void Close() {
    if (env_ != nullptr) mdb_env_close(env_);
    env_ = nullptr;
    std::unique_lock lock(tables_mutex_);
    tables_.clear();
  }

  Status Grow(int error) {
    std::unique_lock lock(map_mutex_);
    MDB_envinfo about;
    mdb_env_info(env_, &about);
    const size_t size = error == MDB_MAP_RESIZED ? 0 : about.me_mapsize * 2;
    if (const int failed = mdb_env_set_mapsize(env_, size); failed != 0) return Error("can not grow", failed);
    return Status::OK();
  }

  // Runs `change` in a write transaction, again after the map has grown.
  template <typename Change>
  Status InWrite(Change change) {
    for (;;) {
      int error;
      {
        std::shared_lock lock(map_mutex_);
        Transaction txn;
        error = txn.Begin(env_, 0);
        if (error == 0) error = change(txn.get());
        if (error == 0) error = txn.Commit();
      }
      std::unique_lock lock(tables_mutex_);
      tables_.clear();
      lock.unlock();
      if (error == 0) return Status::OK();
      if (error != MDB_MAP_FULL && error != MDB_MAP_RESIZED) return Error("can not write", error);
      SALVER_RETURN_NOT_OK(Grow(error));
    }
  }

  int AddTable(MDB_txn* txn, const std::string& view) {
    const std::string key_bytes = TableKey(options_.project, view);
    MDB_val key = ToVal(key_bytes), value;
    const int found = mdb_get(txn, dbi_, &key, &value);
    if (found != MDB_NOTFOUND) return found;
    uint32_t next = 1;  // one more than the largest id that any table record holds
    MDB_cursor* cursor;
    if (const int error = mdb_cursor_open(txn, dbi_, &cursor); error != 0) return error;
    MDB_val at = ToVal("T");
    for (int error = mdb_cursor_get(cursor, &at, &value, MDB_SET_RANGE);
         error == 0 && ToView(at).substr(0, 1) == "T" && value.mv_size == 4;
         error = mdb_cursor_get(cursor, &at, &value, MDB_NEXT)) {
      next = std::max(next, ReadBigEndian(static_cast<const char*>(value.mv_data)) + 1);
    }
    mdb_cursor_close(cursor);
    std::string id;
    AppendBigEndian(next, &id);
    value = ToVal(id);
    return mdb_put(txn, dbi_, &key, &value, 0);
  }

  int DropTable(MDB_txn* txn, const std::string& view) {
    const std::string key_bytes = TableKey(options_.project, view);
    MDB_val key = ToVal(key_bytes), value;
    int error = mdb_get(txn, dbi_, &key, &value);
    if (error == MDB_NOTFOUND) return 0;
    if (error != 0) return error;
    const uint32_t id = ReadBigEndian(static_cast<const char*>(value.mv_data));
    if ((error = mdb_del(txn, dbi_, &key, nullptr)) != 0) return error;
    for (const char kind : {'R', 'S'}) {
      if ((error = DeletePrefix(txn, IdKey(kind, id))) != 0) return error;
    }
    return 0;
  }

  int DeletePrefix(MDB_txn* txn, const std::string& prefix) {
    MDB_cursor* cursor;
    if (const int error = mdb_cursor_open(txn, dbi_, &cursor); error != 0) return error;
    MDB_val key = ToVal(prefix), value;
    int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (error == 0 && ToView(key).substr(0, prefix.size()) == prefix) {
      if ((error = mdb_cursor_del(cursor, 0)) != 0) break;
      error = mdb_cursor_get(cursor, &key, &value, MDB_GET_CURRENT);
      if (error == EINVAL) error = MDB_NOTFOUND;  // past the last record
    }
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
  }

  // The table of `view` as this transaction sees it. Its schemas are cached; a row with a schema id that the
  // cache lacks (another process added it) asks for a reload.
  Result<std::shared_ptr<const LmdbTable>> FindTable(MDB_txn* txn, const FeatureView& view, bool reload) {
    const std::string key_bytes = TableKey(options_.project, view.name);
    MDB_val key = ToVal(key_bytes), value;
    const int error = mdb_get(txn, dbi_, &key, &value);
    if (error == MDB_NOTFOUND) return UnknownView(view, type());
    if (error != 0) return Error("can not read", error);
    const uint32_t id = ReadBigEndian(static_cast<const char*>(value.mv_data));
    if (!reload) {
      std::shared_lock lock(tables_mutex_);
      const auto found = tables_.find(view.name);
      if (found != tables_.end() && found->second->id == id) return found->second;
    }
    auto table = std::make_shared<LmdbTable>();
    table->id = id;
    for (uint32_t schema_id = 0;; ++schema_id) {
      std::string schema_key = IdKey('S', id);
      AppendBigEndian(schema_id, &schema_key);
      key = ToVal(schema_key);
      if (mdb_get(txn, dbi_, &key, &value) != 0) break;
      SALVER_ASSIGN(auto columns, DecodeRowSchema(ToView(value)));
      table->schemas.push_back({schema_id, std::move(columns)});
    }
    std::unique_lock lock(tables_mutex_);
    tables_[view.name] = table;
    return std::shared_ptr<const LmdbTable>(table);
  }

  Status ReadView(MDB_txn* txn, const OnlineRead& read, OnlineRows* rows) {
    SALVER_ASSIGN(auto table, FindTable(txn, *read.view, false));
    std::string key_bytes;
    std::vector<int> slots;  // per column, of `mapped`
    const RowSchema* mapped = nullptr;
    for (size_t row = 0; row < read.keys.size(); ++row) {
      if (read.keys[row].empty()) continue;
      SetRowKey(table->id, read.keys[row], &key_bytes);
      MDB_val key = ToVal(key_bytes), value;
      const int error = mdb_get(txn, dbi_, &key, &value);
      if (error == MDB_NOTFOUND) continue;
      if (error != 0) return Error("can not read", error);
      SALVER_ASSIGN(const RowHeader header, DecodeRowHeader(ToView(value)));
      if (header.schema_id >= table->schemas.size()) {
        SALVER_ASSIGN(table, FindTable(txn, *read.view, true));
        mapped = nullptr;
        if (header.schema_id >= table->schemas.size()) {
          return Status::DataLoss("feature view \"" + read.view->name + "\": a stored row names schema " +
                                  std::to_string(header.schema_id) +
                                  ", which the store lacks. Materialize it again.");
        }
      }
      const RowSchema& schema = table->schemas[header.schema_id];
      if (mapped != &schema) {
        mapped = &schema;
        MapColumns(read, schema, &slots);
      }
      SALVER_RETURN_NOT_OK(FillRow(rows->arena->Copy(ToView(value)), header, schema, slots, row, rows));
    }
    return Status::OK();
  }

  // Slot of each wanted column in rows of `schema`; -1 where the row was written without it, or with another
  // type.
  static void MapColumns(const OnlineRead& read, const RowSchema& schema, std::vector<int>* slots) {
    slots->assign(read.columns.size(), -1);
    for (size_t i = 0; i < read.columns.size(); ++i) {
      const Field& feature = read.view->features[read.columns[i]];
      const auto fits = [&](const RowSchema::Column& c) {
        return c.type == feature.type && c.name == feature.name;
      };
      if (read.columns[i] < schema.columns.size() && fits(schema.columns[read.columns[i]])) {
        (*slots)[i] = static_cast<int>(read.columns[i]);  // the usual case: the schema has not changed
        continue;
      }
      const auto found = std::find_if(schema.columns.begin(), schema.columns.end(), fits);
      if (found != schema.columns.end()) (*slots)[i] = static_cast<int>(found - schema.columns.begin());
    }
  }

  static Status FillRow(std::string_view stored, const RowHeader& header, const RowSchema& schema,
                        const std::vector<int>& slots, size_t row, OnlineRows* rows) {
    rows->present[row] = 1;
    rows->event_us[row] = header.event_us;
    rows->created_us[row] = header.created_us;
    for (size_t column = 0; column < slots.size(); ++column) {
      if (slots[column] < 0) continue;
      SALVER_RETURN_NOT_OK(
          DecodeRowCell(stored, schema, static_cast<size_t>(slots[column]), &rows->at(row, column)));
    }
    return Status::OK();
  }

  // The stored schema of the view's features as they are now; added in this transaction when it is new.
  Result<RowSchema> SchemaFor(MDB_txn* txn, const FeatureView& view, const LmdbTable& table, int* error) {
    RowSchema schema;
    for (const Field& feature : view.features) schema.columns.push_back({feature.name, feature.type});
    for (const RowSchema& known : table.schemas) {
      if (known.columns == schema.columns) return known;
    }
    schema.id = static_cast<uint32_t>(table.schemas.size());
    std::string key_bytes = IdKey('S', table.id);
    AppendBigEndian(schema.id, &key_bytes);
    const std::string bytes = EncodeRowSchema(schema.columns);
    MDB_val key = ToVal(key_bytes), value = ToVal(bytes);
    *error = mdb_put(txn, dbi_, &key, &value, 0);
    return schema;
  }

  // One transaction. LMDB's own errors come back in `error`, because a full map is tried again.
  Status TryWrite(const FeatureView& view, const OnlineBatch& batch, const BatchRows& newest,
                  WriteCounts* counts, int* error) {
    Transaction txn;
    if ((*error = txn.Begin(env_, 0)) != 0) return Status::OK();
    SALVER_ASSIGN(const auto table, FindTable(txn.get(), view, true));
    SALVER_ASSIGN(const RowSchema schema, SchemaFor(txn.get(), view, *table, error));
    if (*error != 0) return Status::OK();
    std::string key_bytes, row_bytes;
    std::vector<OnlineCell> cells(view.features.size());
    for (const uint32_t row : newest.rows) {
      SetRowKey(table->id, batch.keys[row], &key_bytes);
      MDB_val key = ToVal(key_bytes), value;
      *error = mdb_get(txn.get(), dbi_, &key, &value);
      if (*error == 0) {
        SALVER_ASSIGN(const RowHeader stored, DecodeRowHeader(ToView(value)));
        if (!IsNewer(batch.event_us[row], CreatedOf(batch, row), stored.event_us, stored.created_us)) {
          ++counts->older;
          continue;
        }
      } else if (*error != MDB_NOTFOUND) {
        return Status::OK();
      }
      ByteArena arena;
      for (size_t i = 0; i < cells.size(); ++i) {
        SALVER_RETURN_NOT_OK(CellOf(*batch.features->column(static_cast<int>(i)), row, view.features[i].type,
                                    &arena, &cells[i]));
      }
      EncodeRow(schema, {schema.id, batch.event_us[row], CreatedOf(batch, row)}, cells, &row_bytes);
      value = ToVal(row_bytes);
      if ((*error = mdb_put(txn.get(), dbi_, &key, &value, 0)) != 0) return Status::OK();
      ++counts->written;
    }
    *error = txn.Commit();
    return Status::OK();
  }

  const LmdbOptions options_;
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  std::shared_mutex map_mutex_;     // shared: in a transaction; unique: changing the map or closing
  std::shared_mutex tables_mutex_;  // guards tables_
  std::map<std::string, std::shared_ptr<const LmdbTable>> tables_;
};

}  // namespace

Result<std::unique_ptr<OnlineStore>> OpenLmdbOnlineStore(const LmdbOptions& options) {
  auto store = std::make_unique<LmdbOnlineStore>(options);
  SALVER_RETURN_NOT_OK(store->Open());
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace salver
