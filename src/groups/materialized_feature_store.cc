#include "salver/materialized_feature_store.h"

#include <arrow/array.h>
#include <arrow/table.h>

#include <map>
#include <mutex>

#include "base/nearest.h"
#include "groups/group_proto.h"
#include "groups/group_registry.h"
#include "groups/materialized_store.h"
#include "groups/read_features.h"
#include "groups/table_cache.h"
#include "salver/log.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

std::string Described(const FeatureGroup& group) {
  return "feature group \"" + group.schema.name + "\" version " + std::to_string(group.schema.version);
}

// Rows of a checked table with times outside of the range, as a problem of the schema's kind.
Status CheckWithin(const FeatureGroup& group, const arrow::Table& rows, const TimeRange& range) {
  int64_t row = 0;
  for (const auto& chunk : rows.GetColumnByName(group.schema.timestamp_key)->chunks()) {
    const auto& times = static_cast<const arrow::TimestampArray&>(*chunk);
    for (int64_t i = 0; i < times.length(); ++i, ++row) {
      if (times.Value(i) >= range.start_us && times.Value(i) <= range.end_us) continue;
      return Status::InvalidArgument(Described(group) + ": row " + std::to_string(row) + " is of " +
                                         FormatTime(times.Value(i)) + ", outside of the backfill from " +
                                         FormatTime(range.start_us) + " to " + FormatTime(range.end_us) + ".",
                                     Reason::kSchemaValidation);
    }
  }
  return Status::OK();
}

TimeRange TimesOf(const FeatureGroup& group, const arrow::Table& rows) {
  TimeRange range{INT64_MAX, INT64_MIN};
  for (const auto& chunk : rows.GetColumnByName(group.schema.timestamp_key)->chunks()) {
    const auto& times = static_cast<const arrow::TimestampArray&>(*chunk);
    for (int64_t i = 0; i < times.length(); ++i) {
      range.start_us = std::min(range.start_us, times.Value(i));
      range.end_us = std::max(range.end_us, times.Value(i));
    }
  }
  return range;
}

class TableStore final : public MaterializedFeatureStore {
 public:
  TableStore(std::shared_ptr<GroupRegistry> registry, MaterializedOptions options)
      : registry_(std::move(registry)),
        metadata_(registry_),
        options_(std::move(options)),
        cache_(options_.cache_enabled ? options_.cache_size_mb << 20 : 0) {}

  const std::shared_ptr<FeatureStoreMetadata>& metadata() const override { return metadata_; }

  Result<FeatureGroup> RegisterFeatureGroup(const FeatureGroupSchema& schema) override {
    if (schema.timestamp_key.empty()) {
      return Status::InvalidArgument(
          "feature group \"" + schema.name +
              "\" has no timestamp key. A table keeps the history of its rows: name the "
              "column of their times.",
          Reason::kMetadata);
    }
    FeatureGroup group{.schema = schema, .format = options_.storage_format};
    group.path = options_.storage_path + "/" + ViewNameOf(schema.name, schema.version);
    // Where it was registered with another storage_path, it stays there.
    const auto before = registry_->Get(schema.name, schema.version);
    if (before.ok() && !before->is_virtual) {
      group.path = before->path;
      group.format = before->format;
    }
    SALVER_ASSIGN(auto registered, registry_->Register(group));
    if (before.ok() && before->schema.features.size() < registered.schema.features.size()) {
      SALVER_ASSIGN(const auto columns, AllColumns(registered));
      SALVER_RETURN_NOT_OK(
          WithReason(TableFor(registered)->AddColumns(*columns), Reason::kMaterializationFailed));
    }
    return registered;
  }

  Result<WriteReport> WriteFeatures(const std::string& name, const arrow::Table& rows,
                                    const WriteOptions& options) override {
    if (options.backfill && options.mode == WriteMode::kOverwrite) {
      return Status::InvalidArgument(
          "feature group \"" + name +
              "\": an overwrite replaces all rows, a backfill those of some times. Ask for "
              "one of them.",
          Reason::kMetadata);
    }
    return LoggedWrite("write_features", name, rows, [&](LogLine* line) -> Result<WriteReport> {
      line->Add("mode", options.mode == WriteMode::kOverwrite ? "overwrite"
                        : options.backfill                    ? "backfill"
                                                              : "append");
      SALVER_ASSIGN(const FeatureGroup group, Find(name, options.version));
      SALVER_ASSIGN(const TablePtr checked, CheckRows(group.schema, rows));
      if (options.mode == WriteMode::kOverwrite) {
        const TimeRange everything;
        return Write(group, *checked, &everything);
      }
      if (!options.backfill || checked->num_rows() == 0) return Write(group, *checked, nullptr);
      const TimeRange own = TimesOf(group, *checked);
      return Write(group, *checked, &own);
    });
  }

  Result<WriteReport> Backfill(const std::string& name, const arrow::Table& rows, int64_t start_us,
                               int64_t end_us) override {
    return LoggedWrite("backfill", name, rows, [&](LogLine* line) -> Result<WriteReport> {
      line->Add("start", FormatTime(start_us));
      line->Add("end", FormatTime(end_us));
      if (start_us > end_us) {
        return Status::InvalidArgument("the start of the backfill, " + FormatTime(start_us) +
                                           ", is after its end, " + FormatTime(end_us) + ". Swap them.",
                                       Reason::kBadTimeRange);
      }
      SALVER_ASSIGN(const FeatureGroupRef ref, ParseFeatureGroupRef(name));
      SALVER_ASSIGN(const FeatureGroup group, Find(ref.group, ref.version));
      SALVER_ASSIGN(const TablePtr checked, CheckRows(group.schema, rows));
      const TimeRange range{start_us, end_us};
      SALVER_RETURN_NOT_OK(CheckWithin(group, *checked, range));
      return Write(group, *checked, &range);
    });
  }

  Result<TablePtr> GetFeatures(const FeatureGroupRequest& request) override {
    return ReadFeatures(
        registry_.get(), request, false, [this](const GroupNeeds& needs) -> Result<std::vector<FeatureRows>> {
          SALVER_ASSIGN(auto rows,
                        TableFor(*needs.group)->RowsOf(*needs.keys, *needs.columns, needs.max_event_us));
          return std::vector<FeatureRows>{{needs.features, std::move(rows)}};
        });
  }

  CacheStats cache_stats() const override { return cache_.stats(); }

  LookupStats lookup_stats() const override {
    std::lock_guard lock(mutex_);
    LookupStats all;
    for (const auto& [view, table] : tables_) {
      const LookupStats one = table->stats();
      all.row_groups += one.row_groups;
      all.row_groups_read += one.row_groups_read;
      all.bytes_read += one.bytes_read;
    }
    return all;
  }

  HealthReport CheckHealth() override {
    HealthReport report = registry_->CheckHealth();
    const Stopwatch watch;
    const std::string folder = JoinPath(registry_->context().repository, options_.storage_path);
    const Status status = TryWriting(folder);
    report.checks.push_back(
        {"storage", folder, status.ok(), status.ok() ? "can be written" : status.message(), watch.micros()});
    return report;
  }

 private:
  template <typename Work>
  Result<WriteReport> LoggedWrite(const char* operation, const std::string& group, const arrow::Table& rows,
                                  Work work) {
    return Logged(LogRoom::kGroups, operation, [&](LogLine* line) -> Result<WriteReport> {
      line->Add("group", group);
      line->Add("rows", rows.num_rows());
      line->Add("columns", rows.num_columns());
      SALVER_ASSIGN(const WriteReport report, work(line));
      line->Add("rows_replaced", report.rows_replaced);
      line->Add("rows_total", report.rows_total);
      return report;
    });
  }

  Result<FeatureGroup> Find(const std::string& name, int version) {
    SALVER_ASSIGN(const FeatureGroupRef ref, ParseFeatureGroupRef(name));
    SALVER_ASSIGN(FeatureGroup group, registry_->Get(ref.group, version > 0 ? version : ref.version));
    if (!group.is_virtual) return group;
    return Status::FailedPrecondition(Described(group) + " is virtual: its rows are computed, not written.",
                                      Reason::kMetadata);
  }

  Result<WriteReport> Write(const FeatureGroup& group, const arrow::Table& checked,
                            const TimeRange* replaced) {
    auto report = TableFor(group)->Write(checked, replaced);
    if (!report.ok()) {
      return Status(report.status().code(),
                    Described(group) + ": the write is not acknowledged: " + report.status().message(),
                    Reason::kMaterializationFailed);
    }
    // The rows are there, whatever becomes of the note in the registry (GetLastUpdated looks at both).
    LogLine line(LogRoom::kGroups, "record_write", LogLevel::kDebug);
    line.Add("group", group.view);
    line.End(registry_->RecordWrite(group.schema.name, group.schema.version));
    return report;
  }

  // Kept: it knows the open files of its table.
  std::shared_ptr<FeatureTable> TableFor(const FeatureGroup& group) {
    std::lock_guard lock(mutex_);
    auto& table = tables_[group.view];
    if (table == nullptr) table = TableOf(group, registry_->context(), &cache_);
    return table;
  }

  static Result<std::shared_ptr<arrow::Schema>> AllColumns(const FeatureGroup& group) {
    std::vector<std::string> names;
    for (const FeatureSchema& feature : group.schema.features) names.push_back(feature.name);
    return StoredColumns(group, names);
  }

  Status TryWriting(const std::string& folder) {
    Files* const files = registry_->context().files;
    const std::string path = JoinPath(folder, ".health");
    SALVER_RETURN_NOT_OK(files->CreateFolders(folder));
    const auto write = [&]() -> Status {
      SALVER_ASSIGN(const auto file, files->Create(path));
      SALVER_RETURN_NOT_OK(file->Append("Salver looks whether this folder can be written.\n"));
      return file->Sync();
    };
    const Status written = write();
    const Status removed = files->Remove(path);
    return written.ok() ? removed : written;
  }

  const std::shared_ptr<GroupRegistry> registry_;
  const std::shared_ptr<FeatureStoreMetadata> metadata_;
  const MaterializedOptions options_;
  TableCache cache_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<FeatureTable>> tables_;  // by view
};

}  // namespace

Result<std::unique_ptr<MaterializedFeatureStore>> OpenMaterializedStore(
    std::shared_ptr<GroupRegistry> registry, const MaterializedOptions& options) {
  const std::vector<std::string> formats = {"parquet", "delta"};
  if (std::find(formats.begin(), formats.end(), options.storage_format) == formats.end()) {
    return Status::InvalidArgument("storage format \"" + options.storage_format +
                                       "\" is not known: it is parquet or delta." +
                                       NearestNameHint(options.storage_format, formats),
                                   Reason::kBadConfig);
  }
  if (options.storage_path.empty() || options.cache_size_mb < 0)
    return Status::InvalidArgument("the storage path is empty, or the cache size is negative.",
                                   Reason::kBadConfig);
  return std::unique_ptr<MaterializedFeatureStore>(new TableStore(std::move(registry), options));
}

Result<std::unique_ptr<MaterializedFeatureStore>> MaterializedFeatureStore::Open(
    const std::string& repository, const MaterializedOptions& options) {
  SALVER_ASSIGN(auto context, OpenGroupContext(repository));
  return OpenMaterializedStore(NewGroupRegistry(std::move(context)), options);
}

}  // namespace salver
