#include "online/sqlite/sqlite_rows.h"

#include <algorithm>
#include <functional>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/sqlite/sqlite_load.h"

namespace salver {
namespace {

class RowTaker {
 public:
  RowTaker(const OnlineRead& read, OnlineRows* rows)
      : read_(read), rows_(rows), distinct_(std::ranges::is_sorted(read.columns, std::less_equal())) {}

  // One stored feature of `row`. Any of them makes the row present; its time is the newest of its features'.
  // `built`: gets it too; or null.
  Status Take(sqlite3_stmt* statement, size_t row, SqliteRowBuilder* built) {
    const int64_t event_us = sqlite3_column_int64(statement, 2) * 1'000'000;
    if (!rows_->present[row] || event_us > rows_->event_us[row]) rows_->event_us[row] = event_us;
    rows_->present[row] = 1;
    if (sqlite3_column_type(statement, 3) != SQLITE_NULL) {
      rows_->created_us[row] =
          std::max<int64_t>(rows_->created_us[row], sqlite3_column_int64(statement, 3) * 1'000'000);
    }
    const std::string_view name = ColumnBytes(statement, 0), value = ColumnBytes(statement, 1);
    if (built != nullptr) built->Add(name, value);
    return TakeValue(name, value, row);
  }

  // All of `row`, as the cache has it.
  Status Take(const SqliteRow& kept, size_t row) {
    rows_->present[row] = kept.feature_count() > 0;
    rows_->event_us[row] = kept.event_us;
    rows_->created_us[row] = kept.created_us;
    for (size_t i = 0; i < kept.feature_count(); ++i)
      SALVER_RETURN_NOT_OK(TakeValue(kept.name(i), kept.value(i), row));
    return Status::OK();
  }

 private:
  Status TakeValue(std::string_view name, std::string_view value, size_t row) {
    const size_t count = read_.columns.size();
    for (size_t looked_at = 0, column = next_; looked_at < count; ++looked_at, ++column) {
      if (column >= count) column = 0;
      if (FeatureOf(column).name != name) continue;
      SALVER_RETURN_NOT_OK(Decode(value, FeatureOf(column), &rows_->at(row, column)));
      next_ = column + 1;
      if (distinct_) break;
    }
    return Status::OK();
  }

  const Field& FeatureOf(size_t column) const { return read_.view->features[read_.columns[column]]; }

  // Numbers come out of the memory of SQLite or the cache; only bytes outlive the step as a copy.
  Status Decode(std::string_view value, const Field& feature, OnlineCell* cell) {
    const Status status = DecodeValue(value, feature.type, cell);
    if (!status.ok()) {
      return Status::DataLoss("feature view \"" + read_.view->name + "\", feature \"" + feature.name +
                              "\": " + status.message());
    }
    if (cell->kind == OnlineCell::Kind::kBytes) *cell = OnlineCell::Bytes(rows_->arena->Copy(cell->bytes()));
    return Status::OK();
  }

  const OnlineRead& read_;
  OnlineRows* const rows_;
  const bool distinct_;  // no column is asked for twice
  size_t next_ = 0;      // the column to try first: features are mostly stored in the order of the view
};

class ViewReader {
 public:
  ViewReader(SqliteConnection* connection, const std::string& project, const OnlineRead& read,
             RowDeadline* deadline, SqliteRowCache::Share* share, OnlineRows* rows)
      : connection_(connection),
        project_(project),
        read_(read),
        deadline_(deadline),
        share_(*share),
        rows_(rows),
        taker_(read, rows) {}

  Status Read() {
    bool known = false;  // that there is such a table
    const uint64_t seed = share_.cache == nullptr ? 0 : SqliteRowKey::Seed(read_.view->name);
    for (size_t row = 0; row < read_.keys.size(); ++row) {
      if (deadline_->Passed()) return DeadlinePassed(*read_.view, "reading");
      if (read_.keys[row].empty()) continue;
      if (share_.cache == nullptr) {
        SALVER_RETURN_NOT_OK(Select(row, nullptr));
      } else {
        const SqliteRowKey key(read_.view->name, seed, read_.keys[row]);
        SALVER_RETURN_NOT_OK(FindOrSelect(key, row));
      }
      known = true;
    }
    return known ? Status::OK() : Prepare();
  }

 private:
  Status FindOrSelect(const SqliteRowKey& key, size_t row) {
    if (const auto found = share_.cache->Find(share_.generation, key)) return taker_.Take(found.row, row);
    SqliteRowBuilder& built = share_.built;
    built.Clear();
    SALVER_RETURN_NOT_OK(Select(row, &built));
    if (!built.TooLarge())
      share_.cache->Put(share_.generation, key, built.Row(rows_->event_us[row], rows_->created_us[row]));
    return Status::OK();
  }

  Status Select(size_t row, SqliteRowBuilder* built) {
    if (select_ == nullptr) SALVER_RETURN_NOT_OK(Prepare());
    BindBlob(select_, 1, read_.keys[row]);
    int step = SQLITE_DONE;
    Status status;
    while (status.ok() && (step = sqlite3_step(select_)) == SQLITE_ROW)
      status = taker_.Take(select_, row, built);
    if (status.ok() && step != SQLITE_DONE) status = Missing(connection_->Error("can not read"));
    sqlite3_reset(select_);
    return status;
  }

  Status Prepare() {
    const auto prepared = connection_->Prepare(read_.view->name, [&] {
      return "SELECT feature_name, value, event_ts, created_ts FROM " + SqliteTable(project_, *read_.view) +
             " WHERE entity_key = ?";
    });
    if (!prepared.ok()) return Missing(prepared.status());
    select_ = *prepared;
    return Status::OK();
  }
  Status Missing(const Status& status) const {
    return connection_->MissesTable() ? UnknownView(*read_.view, "sqlite") : status;
  }

  SqliteConnection* const connection_;
  const std::string& project_;
  const OnlineRead& read_;
  RowDeadline* const deadline_;
  SqliteRowCache::Share& share_;
  OnlineRows* const rows_;
  RowTaker taker_;
  sqlite3_stmt* select_ = nullptr;
};

}  // namespace

Status ReadSqliteRows(SqliteConnection* connection, const std::string& project, const OnlineRead& read,
                      RowDeadline* deadline, SqliteRowCache::Share* share, OnlineRows* rows) {
  return ViewReader(connection, project, read, deadline, share, rows).Read();
}

}  // namespace salver
