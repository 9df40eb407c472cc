// History in Delta Lake tables: scanned, read as they were, and added to through DuckDB's extension.
#include <arrow/array.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include <algorithm>
#include <charconv>

#include "base/arrow_status.h"
#include "base/clock.h"
#include "offline/fit_rows.h"
#include "offline/sql_source.h"
#include "source/delta_log.h"
#include "source/table_reader.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr char kFileColumn[] = "salver file";  // a number for the file that a row comes from

// DuckDB gives the files of the newest commit first; the order of the source is that in which rows were
// added.
Result<TablePtr> InOrderOfCommits(const TablePtr& table, const std::string& subject) {
  const int at = table->schema()->GetFieldIndex(kFileColumn);
  std::vector<TablePtr> blocks;
  int64_t begin = 0;
  std::optional<uint64_t> file;
  const auto end_block = [&](int64_t end) {
    if (end > begin) blocks.push_back(table->Slice(begin, end - begin));
    begin = end;
  };
  int64_t row = 0;
  for (const auto& chunk : table->column(at)->chunks()) {
    const auto& files = static_cast<const arrow::UInt64Array&>(*chunk);
    for (int64_t i = 0; i < files.length(); ++i, ++row) {
      if (file != files.Value(i)) end_block(row);
      file = files.Value(i);
    }
  }
  end_block(row);
  std::reverse(blocks.begin(), blocks.end());
  if (blocks.empty()) blocks.push_back(table);
  SALVER_ASSIGN(const auto ordered, FromArrow(arrow::ConcatenateTables(blocks), subject));
  return FromArrow(ordered->RemoveColumn(at), subject);
}

class DeltaOfflineStore final : public OfflineStore {
 public:
  explicit DeltaOfflineStore(std::shared_ptr<SharedSqlDatabase> database) : database_(std::move(database)) {}

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(const std::string select, SelectOf(source));
    SALVER_ASSIGN(SqlDatabase* const database, database_->GetWithDelta());
    return database->Describe(Ask(source, select));
  }
  Result<std::string> SelectOf(const DataSource& source) override {
    SALVER_ASSIGN(const std::string version, VersionOf(source));
    return "SELECT * FROM delta_scan(" + QuoteSqlText(PathOf(source)) + version + ")";
  }

  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    SALVER_ASSIGN(const auto schema, ReadSchema(source));
    SALVER_ASSIGN(const std::string version, VersionOf(source));
    SALVER_ASSIGN(SqlDatabase* const database, database_->GetWithDelta());
    SourceNeeds with_file = needs;
    if (with_file.columns.empty()) with_file.columns = schema->field_names();
    with_file.columns.push_back(kFileColumn);
    SALVER_ASSIGN(const auto extended, FromArrow(schema->AddField(schema->num_fields(),
                                                                  arrow::field(kFileColumn, arrow::uint64())),
                                                 Subject(source)));
    const std::string select = "SELECT * EXCLUDE (\"salver file name\"), hash(\"salver file name\") AS " +
                               QuoteSqlName(kFileColumn) + " FROM delta_scan(" +
                               QuoteSqlText(PathOf(source)) + version + ", filename = 'salver file name')";
    SALVER_ASSIGN(const std::string sql, SelectNeeded(select, *extended, source.timestamp_field, with_file));
    SqlQuery query = Ask(source, sql);
    query.cancelled = needs.cancelled;
    SALVER_ASSIGN(const auto table, database->Query(query));
    SALVER_ASSIGN(auto ordered, InOrderOfCommits(table, Subject(source)));
    return NewTableReader(std::move(ordered), source.timestamp_field);
  }

  Status Append(const DataSource& source, const arrow::Table& rows) override {
    if (source.options.contains("version") || source.options.contains("timestamp")) {
      return Status::FailedPrecondition(Subject(source) +
                                            " is a Delta table as it was at one time, so rows can not be " +
                                            "added to it. Add them through a source without a version.",
                                        Reason::kBadSource);
    }
    SALVER_ASSIGN(const auto schema, ReadSchema(source));
    SALVER_ASSIGN(const auto fitted, FitRows(rows, schema, source));
    SALVER_ASSIGN(SqlDatabase* const database, database_->GetWithDelta());
    static std::atomic<int64_t> last = 0;  // attached names are the database's, not the connection's
    const std::string name = QuoteSqlName("salver delta " + std::to_string(++last));
    // Not every fault in committing says which table it was.
    const auto ask = [&](const std::string& sql) {
      SqlQuery query = Ask(source, sql);
      query.asked_by += " (" + PathOf(source) + ")";
      return query;
    };
    SALVER_RETURN_NOT_OK(
        database->Execute(ask("ATTACH " + QuoteSqlText(PathOf(source)) + " AS " + name + " (TYPE delta)")));
    SqlQuery insert = ask("INSERT INTO " + name + " SELECT * FROM salver_added");
    insert.inputs = {{.name = "salver_added", .table = fitted}};
    const Status inserted = database->Execute(insert);
    const Status detached = database->Execute(ask("DETACH " + name));
    SALVER_RETURN_NOT_OK(inserted);
    SALVER_RETURN_NOT_OK(detached);
    return SyncDeltaTable(PathOf(source));
  }

  Result<TablePtr> Query(const std::string&) override {
    return Status::Unimplemented(
        "SQL is asked of the store \"duckdb\", which reads Delta tables with delta_scan.");
  }

 private:
  static std::string Subject(const DataSource& source) { return "data source \"" + source.name + "\""; }
  std::string PathOf(const DataSource& source) const { return JoinPath(database_->folder(), source.path); }
  SqlQuery Ask(const DataSource& source, const std::string& sql) const {
    return {.sql = sql, .asked_by = Subject(source), .deadline = database_->QueryDeadline()};
  }

  // ", version = 3", or "" for the newest.
  Result<std::string> VersionOf(const DataSource& source) {
    if (source.path.find("://") != std::string::npos) {
      return Status::Unimplemented(
          Subject(source) + ": \"" + source.path +
              "\" is not on this machine's disk. Only local Delta tables can be read in this release.",
          Reason::kBadSource);
    }
    SALVER_RETURN_NOT_OK(CheckDeltaTable(PathOf(source), Subject(source)));
    if (const auto version = source.options.find("version"); version != source.options.end()) {
      int64_t number = -1;
      const std::string& text = version->second;
      const auto end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
      if (end == text.data() + text.size() && number >= 0) return ", version = " + text;
      return Status::InvalidArgument(
          Subject(source) + ": its version \"" + text + "\" is no number from 0 up.", Reason::kBadSource);
    }
    const auto timestamp = source.options.find("timestamp");
    if (timestamp == source.options.end()) return std::string();
    return VersionAt(source, timestamp->second);
  }

  // The newest commit at or before a moment; the log's own times decide.
  Result<std::string> VersionAt(const DataSource& source, const std::string& text) {
    SALVER_ASSIGN(const ParsedTime moment, ParseTime(text));
    SALVER_ASSIGN(SqlDatabase* const database, database_->Get());
    const std::string sql =
        "SELECT max(CAST(regexp_extract(filename, '([0-9]{20})[.]json$', 1) AS BIGINT)) AS version FROM "
        "read_ndjson_objects(" +
        QuoteSqlText(PathOf(source) + "/_delta_log/*.json") +
        ", filename = true) "
        "WHERE CAST(json ->> '$.commitInfo.timestamp' AS BIGINT) <= " +
        std::to_string(moment.micros / 1000);
    SALVER_ASSIGN(const auto table, database->Query(Ask(source, sql)));
    SALVER_ASSIGN(const auto version, FromArrow(table->column(0)->GetScalar(0), Subject(source)));
    if (version->is_valid) return ", version = " + version->ToString();
    return Status::NotFound(Subject(source) + ": the Delta table at \"" + PathOf(source) +
                                "\" has no version at or before " + FormatTime(moment.micros) +
                                " in its log.",
                            Reason::kBadSource);
  }

  const std::shared_ptr<SharedSqlDatabase> database_;
};

}  // namespace

Status CreateDeltaTable(const std::string& path, const arrow::Schema& schema) {
  return CreateDeltaLog(Files::System(), path, schema, Clock::System()->NowMicros());
}

std::unique_ptr<OfflineStore> NewDeltaOfflineStore(std::shared_ptr<SharedSqlDatabase> database) {
  return std::make_unique<DeltaOfflineStore>(std::move(database));
}

}  // namespace salver
