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
  Status Take(sqlite3_stmt* statement, size_t row) {
    const int64_t event_us = sqlite3_column_int64(statement, 2) * 1'000'000;
    if (!rows_->present[row] || event_us > rows_->event_us[row]) rows_->event_us[row] = event_us;
    rows_->present[row] = 1;
    if (sqlite3_column_type(statement, 3) != SQLITE_NULL) {
      rows_->created_us[row] =
          std::max<int64_t>(rows_->created_us[row], sqlite3_column_int64(statement, 3) * 1'000'000);
    }
    const std::string_view name = ColumnBytes(statement, 0);
    const size_t count = read_.columns.size();
    for (size_t looked_at = 0, column = next_; looked_at < count; ++looked_at, ++column) {
      if (column >= count) column = 0;
      if (FeatureOf(column).name != name) continue;
      SALVER_RETURN_NOT_OK(Decode(statement, FeatureOf(column), &rows_->at(row, column)));
      next_ = column + 1;
      if (distinct_) break;
    }
    return Status::OK();
  }

 private:
  const Field& FeatureOf(size_t column) const { return read_.view->features[read_.columns[column]]; }

  // Numbers come out of SQLite's own memory; only bytes outlive the step as a copy.
  Status Decode(sqlite3_stmt* statement, const Field& feature, OnlineCell* cell) {
    const Status status = DecodeValue(ColumnBytes(statement, 1), feature.type, cell);
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

}  // namespace

Status ReadSqliteRows(SqliteConnection* connection, const std::string& project, const OnlineRead& read,
                      OnlineRows* rows) {
  const auto prepared = connection->Prepare(read.view->name, [&] {
    return "SELECT feature_name, value, event_ts, created_ts FROM " + SqliteTable(project, *read.view) +
           " WHERE entity_key = ?";
  });
  if (!prepared.ok())
    return connection->MissesTable() ? UnknownView(*read.view, "sqlite") : prepared.status();
  sqlite3_stmt* const statement = *prepared;
  RowTaker taker(read, rows);
  for (size_t row = 0; row < read.keys.size(); ++row) {
    if (read.keys[row].empty()) continue;
    BindBlob(statement, 1, read.keys[row]);
    int step = SQLITE_DONE;
    Status status;
    while (status.ok() && (step = sqlite3_step(statement)) == SQLITE_ROW) status = taker.Take(statement, row);
    if (status.ok() && step != SQLITE_DONE)
      status =
          connection->MissesTable() ? UnknownView(*read.view, "sqlite") : connection->Error("can not read");
    sqlite3_reset(statement);
    SALVER_RETURN_NOT_OK(status);
  }
  return Status::OK();
}

}  // namespace salver
