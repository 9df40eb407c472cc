#include "salver/virtualized_feature_store.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/table.h>

#include <algorithm>
#include <filesystem>

#include "base/arrow_status.h"
#include "feast/core/Registry.pb.h"
#include "groups/check_rows.h"
#include "groups/group_proto.h"
#include "groups/group_registry.h"
#include "groups/read_features.h"
#include "groups/sql_words.h"
#include "groups/table_log.h"
#include "groups/virtualized_store.h"
#include "model/data_source_message.h"
#include "offline/offline_stores.h"
#include "salver/log.h"
#include "source/table_manifest.h"
#include "sql/sql_text.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

// The event time of rows without one: before every moment that is asked for (year 1).
constexpr int64_t kAnyMoment = -62'135'596'800'000'000;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// What SQL can select from in a project: file sources and materialized feature groups.
class SqlTables {
 public:
  SqlTables(const GroupCatalog& catalog, const GroupContext& context)
      : catalog_(catalog), context_(context) {}

  // Those that `sql` names. Errors: of a table that can not be read.
  Result<std::vector<QueryTable>> NamedIn(const std::string& sql) const {
    const SqlWords words = WordsOf(sql);
    std::vector<QueryTable> tables;
    const auto is_missing = [&](const std::string& name) {
      return words.names.contains(Lower(name)) &&
             std::none_of(tables.begin(), tables.end(),
                          [&](const QueryTable& one) { return Lower(one.name) == Lower(name); });
    };
    // From the newest version down: the group's own name is its newest.
    for (auto group = catalog_.groups.rbegin(); group != catalog_.groups.rend(); ++group) {
      if (group->is_virtual) continue;
      for (const std::string& name : {group->schema.name, group->view}) {
        if (!is_missing(name)) continue;
        SALVER_ASSIGN(auto table, TableOfGroup(name, *group));
        tables.push_back(std::move(table));
      }
    }
    for (const auto& source : catalog_.registry->data_sources()) {
      if (source.project() != context_.project || source.type() != feast::core::DataSource::BATCH_FILE ||
          !is_missing(source.name()))
        continue;
      const DataSource as_read = DataSourceOf(source);
      if (as_read.store == "file") {
        tables.push_back(TableAt(source.name(), as_read.path));
        continue;
      }
      // Delta Lake tables and SQL are what they are to the offline stores.
      SALVER_ASSIGN(auto select, offline_->SelectOf(as_read));
      const bool delta = as_read.store == "delta" || select.find("delta_scan") != std::string::npos;
      tables.push_back({.name = source.name(), .sql = std::move(select), .extension = delta ? "delta" : ""});
    }
    return tables;
  }

 private:
  Result<QueryTable> TableOfGroup(const std::string& name, const FeatureGroup& group) const {
    const std::string full = JoinPath(context_.repository, group.path);
    const auto log =
        NewTableLog(group.format, full, group.schema.timestamp_key, context_.files, context_.clock);
    SALVER_ASSIGN(const ManifestPtr manifest, log->Read(false));
    return manifest->files().empty() ? WithoutRows(name, group) : OfManifest(name, full, *manifest);
  }

  QueryTable TableAt(const std::string& name, const std::string& path) const {
    const std::string full = JoinPath(context_.repository, path);
    const auto manifest = ReadTableManifest(context_.files, full);
    if (manifest.ok() && manifest->files_size() > 0) return OfManifest(name, full, *manifest);
    std::error_code error;
    if (std::filesystem::is_directory(full, error))
      return {name, "SELECT * FROM read_parquet(" + QuoteSqlText(full + "/**/*.parquet") + ")"};
    const char* reader = full.ends_with(".csv")                                ? "read_csv_auto"
                         : full.ends_with(".json") || full.ends_with(".jsonl") ? "read_json_auto"
                                                                               : "read_parquet";
    std::string identity;
    if (const auto file = context_.files->Identify(full); file.ok() && file->settled) {
      identity = std::to_string(file->inode) + "/" + std::to_string(file->size) + "/" +
                 std::to_string(file->modified_ns);
    }
    return {name, std::string("SELECT * FROM ") + reader + "(" + QuoteSqlText(full) + ")", nullptr,
            std::move(identity)};
  }

  // A group that was never written, or was emptied.
  static QueryTable WithoutRows(const std::string& name, const FeatureGroup& group) {
    std::vector<std::string> features;
    for (const FeatureSchema& feature : group.schema.features) features.push_back(feature.name);
    QueryTable table{.name = name};
    const auto columns = StoredColumns(group, features);
    if (!columns.ok()) return table;
    if (auto rows = arrow::Table::MakeEmpty(*columns); rows.ok()) table.rows = *rows;
    return table;
  }

  static QueryTable OfManifest(const std::string& name, const std::string& folder,
                               const proto::TableManifest& manifest) {
    std::string list;
    for (const auto& file : manifest.files())
      list += (list.empty() ? "" : ", ") + QuoteSqlText(JoinPath(folder, file.name()));
    return {name, "SELECT * FROM read_parquet([" + list + "])", nullptr,
            manifest.table_id() + "#" + std::to_string(manifest.number())};
  }

  const GroupCatalog& catalog_;
  const GroupContext& context_;
  const std::unique_ptr<OfflineStore> offline_ = NewOfflineStores({.folder = context_.repository});
};

// Features of one group that one SQL text gives.
struct SqlPart {
  std::vector<std::string> features;
  FeatureQuery query;
};

std::string Subject(const FeatureGroup& group, const std::vector<std::string>& features) {
  std::string text = features.size() == 1 ? "feature " : "features ";
  for (size_t i = 0; i < features.size(); ++i) text += (i > 0 ? ", \"" : "\"") + features[i] + "\"";
  return text + " of feature group \"" + group.schema.name + "\"";
}

// The queries for these features: one a SQL text, however many features it gives.
Result<std::vector<SqlPart>> PartsOf(const FeatureGroup& group, const std::vector<std::string>& features,
                                     const TablePtr& keys, const SqlTables& tables) {
  std::vector<SqlPart> parts;
  for (const std::string& feature : features) {
    const std::string& sql = group.sql.at(feature);
    auto part =
        std::find_if(parts.begin(), parts.end(), [&](const SqlPart& one) { return one.query.sql == sql; });
    if (part == parts.end()) {
      part = parts.insert(parts.end(), SqlPart{});
      part->query.sql = sql;
      part->query.keys = keys;
      SALVER_ASSIGN(part->query.tables, tables.NamedIn(sql));
      for (const FeatureSchema& key : group.schema.entity_keys) part->query.columns.push_back(key.name);
      if (!group.schema.timestamp_key.empty()) part->query.columns.push_back(group.schema.timestamp_key);
    }
    part->features.push_back(feature);
    part->query.columns.push_back(feature);
  }
  for (SqlPart& part : parts) part.query.asked_by = Subject(group, part.features);
  return parts;
}

// The answer of a query as the schema has its columns.
Result<TablePtr> Fitted(const FeatureGroup& group, const SqlPart& part, const arrow::Table& rows) {
  FeatureGroupSchema schema = group.schema;
  std::erase_if(schema.features, [&](const FeatureSchema& feature) {
    return std::find(part.features.begin(), part.features.end(), feature.name) == part.features.end();
  });
  auto checked =
      CheckRowsSaying(part.query.asked_by + ": what the SQL gives does not fit the schema.", schema, rows);
  if (!checked.ok()) return WithReason(checked.status(), Reason::kVirtualizationQuery);
  if (!schema.timestamp_key.empty()) return checked;
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  SALVER_ASSIGN(const auto times, FromArrow(arrow::MakeArrayFromScalar(
                                                arrow::TimestampScalar(kAnyMoment, type), rows.num_rows()),
                                            part.query.asked_by));
  return FromArrow((*checked)->AddColumn((*checked)->num_columns(), arrow::field(kNoTimestampKey, type),
                                         std::make_shared<arrow::ChunkedArray>(times)),
                   part.query.asked_by);
}

class SqlStore final : public VirtualizedFeatureStore {
 public:
  SqlStore(std::shared_ptr<GroupRegistry> registry, std::shared_ptr<QueryExecutor> executor)
      : registry_(std::move(registry)), metadata_(registry_), executor_(std::move(executor)) {}

  const std::shared_ptr<FeatureStoreMetadata>& metadata() const override { return metadata_; }
  const std::shared_ptr<QueryExecutor>& executor() const override { return executor_; }

  Result<FeatureGroup> DefineVirtualFeatures(const FeatureGroupSchema& schema,
                                             const std::map<std::string, std::string>& sql) override {
    SALVER_RETURN_NOT_OK(CheckSchema(schema));
    SALVER_RETURN_NOT_OK(CheckNames(schema, sql));
    const FeatureGroup group{.schema = schema, .is_virtual = true, .sql = sql};
    SALVER_ASSIGN(const auto catalog, registry_->Catalog());
    const SqlTables tables(*catalog, registry_->context());
    std::vector<std::string> features;
    for (const FeatureSchema& feature : schema.features) features.push_back(feature.name);
    // Bound, not run: SQL that can never answer is refused where it is written.
    SALVER_ASSIGN(const auto parts, PartsOf(group, features, nullptr, tables));
    for (const SqlPart& part : parts) SALVER_RETURN_NOT_OK(executor_->Explain(part.query).status());
    return registry_->Register(group);
  }

  Result<TablePtr> GetFeatures(const FeatureGroupRequest& request) override {
    return ReadFeatures(
        registry_.get(), request, true,
        [this](const GroupNeeds& needs) -> Result<std::vector<FeatureRows>> { return RowsOf(needs); });
  }

  Result<std::string> Explain(const FeatureGroupRequest& request) override {
    SALVER_ASSIGN(const auto asked, ResolveRequest(registry_.get(), request, true));
    const SqlTables tables(*asked.catalog, registry_->context());
    std::string text;
    for (const GroupNeeds& needs : asked.needs) {
      SALVER_ASSIGN(const auto parts, PartsOf(*needs.group, needs.features, needs.keys, tables));
      for (const SqlPart& part : parts) {
        SALVER_ASSIGN(const std::string plan, executor_->Explain(part.query));
        text += part.query.asked_by + ", by " + executor_->name() + ":\n" + plan + "\n";
      }
    }
    return text;
  }

  HealthReport CheckHealth() override {
    HealthReport report = registry_->CheckHealth();
    const Stopwatch watch;
    const auto answer = executor_->Execute({.sql = "SELECT 1 AS one", .asked_by = "the health check"});
    report.checks.push_back({"query executor", executor_->name(), answer.ok(),
                             answer.ok() ? "answers" : answer.status().message(), watch.micros()});
    return report;
  }

 private:
  static constexpr int kAttempts = 3;

  static Status CheckNames(const FeatureGroupSchema& schema, const std::map<std::string, std::string>& sql) {
    std::string problems;
    for (const FeatureSchema& feature : schema.features) {
      if (!sql.contains(feature.name)) problems += "\n  feature \"" + feature.name + "\" has no SQL.";
    }
    for (const auto& [name, text] : sql) {
      const bool known = std::any_of(schema.features.begin(), schema.features.end(),
                                     [&](const FeatureSchema& feature) { return feature.name == name; });
      if (!known) problems += "\n  SQL is given for \"" + name + "\", which is no feature of the group.";
    }
    if (problems.empty()) return Status::OK();
    return Status::InvalidArgument("virtual feature group \"" + schema.name + "\":" + problems,
                                   Reason::kMetadata);
  }

  Result<std::vector<FeatureRows>> RowsOf(const GroupNeeds& needs) {
    SALVER_ASSIGN(const auto catalog, registry_->Catalog());
    const SqlTables tables(*catalog, registry_->context());
    std::vector<FeatureRows> rows;
    SALVER_ASSIGN(const auto parts, PartsOf(*needs.group, needs.features, needs.keys, tables));
    for (const SqlPart& part : parts) {
      SALVER_ASSIGN(const TablePtr answer, Execute(*needs.group, part, tables));
      SALVER_ASSIGN(auto fitted, Fitted(*needs.group, part, *answer));
      rows.push_back({part.features, std::move(fitted)});
    }
    return rows;
  }

  // A table that is written meanwhile loses files that the query was about to read: then it is asked again.
  Result<TablePtr> Execute(const FeatureGroup& group, SqlPart part, const SqlTables& tables) {
    for (int attempt = 1;; ++attempt) {
      LogLine line(LogRoom::kGroups, "virtual_query", LogLevel::kDebug);
      line.Add("group", group.view);
      line.Add("features", static_cast<int64_t>(part.features.size()));
      auto rows = executor_->Execute(part.query);
      if (rows.ok()) line.Add("rows", (*rows)->num_rows());
      line.End(rows.status());
      const StatusCode code = rows.status().code();
      if (rows.ok() || attempt == kAttempts ||
          (code != StatusCode::kNotFound && code != StatusCode::kUnavailable))
        return rows;
      SALVER_ASSIGN(std::vector<QueryTable> now, tables.NamedIn(part.query.sql));
      const bool same = std::equal(now.begin(), now.end(), part.query.tables.begin(), part.query.tables.end(),
                                   [](const QueryTable& a, const QueryTable& b) { return a.sql == b.sql; });
      if (same) return rows;
      part.query.tables = std::move(now);
    }
  }

  const std::shared_ptr<GroupRegistry> registry_;
  const std::shared_ptr<FeatureStoreMetadata> metadata_;
  const std::shared_ptr<QueryExecutor> executor_;
};

}  // namespace

Result<std::unique_ptr<VirtualizedFeatureStore>> OpenVirtualizedStore(std::shared_ptr<GroupRegistry> registry,
                                                                      const VirtualizedOptions& options) {
  std::shared_ptr<QueryExecutor> executor = options.executor;
  if (executor == nullptr) {
    DuckDBQueryExecutorOptions duckdb = options.duckdb;
    if (duckdb.folder.empty()) duckdb.folder = registry->context().repository;
    SALVER_ASSIGN(executor, NewDuckDBQueryExecutor(duckdb));
  }
  return std::unique_ptr<VirtualizedFeatureStore>(new SqlStore(std::move(registry), std::move(executor)));
}

Result<std::unique_ptr<VirtualizedFeatureStore>> VirtualizedFeatureStore::Open(
    const std::string& repository, const VirtualizedOptions& options) {
  SALVER_ASSIGN(auto context, OpenGroupContext(repository));
  return OpenVirtualizedStore(NewGroupRegistry(std::move(context)), options);
}

}  // namespace salver
