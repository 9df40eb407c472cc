// One write transaction of packed rows: what both OnlineStore::Write and a load end in.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "online/sqlite/sqlite_connection.h"
#include "salver/online_store.h"
#include "salver/packed_row.h"

namespace salver {

class SqliteLoad final : public OnlineLoad {
 public:
  using GiveBack = std::function<void(std::unique_ptr<SqliteConnection>)>;

  // `vectors`: the column vector_value is written too. `writer` is the one lock of this process's writers;
  // the connection goes to `give_back` after a commit.
  SqliteLoad(std::string project, bool vectors, std::unique_lock<std::mutex> writer,
             std::unique_ptr<SqliteConnection> connection, GiveBack give_back)
      : project_(std::move(project)),
        vectors_(vectors),
        writer_(std::move(writer)),
        connection_(std::move(connection)),
        give_back_(std::move(give_back)) {}
  ~SqliteLoad() override;

  Status Begin();
  Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override;
  Status SetMark(const FeatureView& view, std::string_view mark) override;
  int64_t bytes_held() const override { return bytes_; }
  Status Commit() override;

 private:
  // A view while it is loaded.
  struct Table {
    sqlite3_stmt* insert = nullptr;  // for keys behind the last one
    sqlite3_stmt* upsert = nullptr;
    std::vector<size_t> by_name;  // features in the order of their names: that of the primary key
    std::string last_key;         // of the table; "" while it is empty
  };

  Result<Table*> TableOf(const FeatureView& view);
  Result<sqlite3_stmt*> Prepare(const FeatureView& view, const std::string& sql);
  Status WriteRow(const FeatureView& view, Table* table, std::string_view key, std::string_view row,
                  bool* written);

  const std::string project_;
  const bool vectors_;
  std::unique_lock<std::mutex> writer_;
  std::unique_ptr<SqliteConnection> connection_;
  const GiveBack give_back_;
  std::map<std::string, Table> in_use_;
  RowSchema schema_;          // of the view that is written
  std::string value_, text_;  // scratch
  std::vector<float> vector_;
  int64_t bytes_ = 0;
  bool open_ = false;
};

// Feast's name of a view's table, as SQL.
std::string SqliteTable(const std::string& project, const FeatureView& view);

// The mark is a row of the view's own table, whose key no entity has: it goes when the table goes, whoever
// drops it.
inline constexpr std::string_view kSqliteMarkIs = " WHERE entity_key = x'' AND feature_name = ''";

}  // namespace salver
