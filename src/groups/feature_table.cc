// A table of Parquet files under a log. Every write makes one new file and one commit.
#include "groups/feature_table.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/arrow_status.h"
#include "groups/table_log.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

// Files up to this many rows are merged into the next one written, so that many small appends leave few
// files.
constexpr int64_t kMergeRows = 1 << 20;

bool Meets(const Manifest::File& file, const TimeRange& range) {
  return file.rows() > 0 && file.min_event_us() <= range.end_us && file.max_event_us() >= range.start_us;
}

int64_t RowsIn(const Manifest& manifest) {
  int64_t rows = 0;
  for (const auto& file : manifest.files()) rows += file.rows();
  return rows;
}

// Calls visit(row, micros) for every row of a column of timestamps.
template <typename Visit>
void EachTime(const arrow::ChunkedArray& column, Visit visit) {
  int64_t row = 0;
  for (const auto& chunk : column.chunks()) {
    const auto& times = static_cast<const arrow::TimestampArray&>(*chunk);
    for (int64_t i = 0; i < times.length(); ++i, ++row) visit(row, times.Value(i));
  }
}

Result<TablePtr> TakeRows(const TablePtr& table, const std::vector<int64_t>& rows) {
  arrow::Int64Builder indices;
  SALVER_RETURN_NOT_OK(FromArrow(indices.AppendValues(rows), "rows of a table"));
  SALVER_ASSIGN(const auto array, FromArrow(indices.Finish(), "rows of a table"));
  SALVER_ASSIGN(const auto taken,
                FromArrow(arrow::compute::Take(arrow::Datum(table), arrow::Datum(array)), "rows of a table"));
  return taken.table();
}

class TableOfParts final : public FeatureTable {
 public:
  TableOfParts(std::unique_ptr<TableLog> log, std::string folder, std::vector<std::string> key_columns,
               std::string time_column, const TableContext& context)
      : log_(std::move(log)),
        folder_(std::move(folder)),
        keys_(std::move(key_columns)),
        time_column_(std::move(time_column)),
        context_(context) {}

  Result<WriteReport> Write(const arrow::Table& rows, const TimeRange* replaced) override {
    SALVER_RETURN_NOT_OK(context_.files->CreateFolders(folder_));
    SALVER_ASSIGN(const auto lock, Lock());
    for (int attempt = 1;; ++attempt) {
      auto report = TryWrite(rows, replaced);
      // A program that does not know the lock committed in between: on top of its rows, then.
      if (report.status().code() != StatusCode::kAlreadyExists || attempt == kAttempts) return report;
    }
  }

  Status AddColumns(const arrow::Schema& schema) override {
    SALVER_RETURN_NOT_OK(context_.files->CreateFolders(folder_));
    SALVER_ASSIGN(const auto lock, Lock());
    for (int attempt = 1;; ++attempt) {
      const Status status = TryAddColumns(schema);
      if (status.code() != StatusCode::kAlreadyExists || attempt == kAttempts) return status;
    }
  }

  Result<TablePtr> RowsOf(const arrow::Table& keys, const arrow::Schema& columns,
                          int64_t max_event_us) override {
    const KeySet wanted(keys);
    for (int attempt = 1;; ++attempt) {
      SALVER_ASSIGN(const ManifestPtr manifest, Current(false));
      auto rows = FindRows(*manifest, wanted, columns, max_event_us);
      // A file may go between reading the manifest that names it and opening it: then there is a newer
      // manifest.
      if (rows.ok() || rows.status().code() != StatusCode::kNotFound || attempt == kAttempts) return rows;
      SALVER_ASSIGN(const ManifestPtr now, Current(true));
      if (now->number() == manifest->number()) return rows;
    }
  }

  Result<TableFacts> Facts() override {
    SALVER_ASSIGN(const ManifestPtr manifest, Current(false));
    return TableFacts{RowsIn(*manifest), manifest->committed_us()};
  }

  LookupStats stats() const override {
    std::lock_guard lock(mutex_);
    LookupStats stats = stats_;
    for (const auto& [name, part] : parts_) stats.bytes_read += part->bytes_read();
    return stats;
  }

  Result<std::string> Check() override {
    SALVER_ASSIGN(const ManifestPtr manifest, Current(true));
    for (const auto& file : manifest->files()) {
      SALVER_ASSIGN(const auto part, ParquetPart::Open(context_.files, PathOf(file.name())));
      if (part->rows() == file.rows()) continue;
      return Status::DataLoss("table file \"" + PathOf(file.name()) + "\" has " +
                              std::to_string(part->rows()) + " rows, but the table's log says " +
                              std::to_string(file.rows()) + ".");
    }
    return std::to_string(RowsIn(*manifest)) + " rows in " + std::to_string(manifest->files_size()) +
           " files";
  }

 private:
  static constexpr int kAttempts = 10;

  std::string PathOf(const std::string& name) const { return JoinPath(folder_, name); }

  Result<std::unique_ptr<FileLock>> Lock() {
    return context_.files->Lock(PathOf(".lock"), Deadline::After(std::chrono::seconds(30)));
  }

  Result<WriteReport> TryWrite(const arrow::Table& rows, const TimeRange* replaced) {
    SALVER_ASSIGN(const ManifestPtr before, Current(true));
    const int64_t rows_before = RowsIn(*before);
    Manifest next = *before;
    // What is rewritten is a tail of the files, so that the order in which rows were written stays.
    const int first = FirstRewritten(*before, rows, replaced);
    SALVER_ASSIGN(auto table, Merged(*before, first, rows, replaced));
    next.mutable_files()->DeleteSubrange(first, next.files_size() - first);
    SALVER_RETURN_NOT_OK(Commit(*before, std::move(table), &next));
    const int64_t rows_total = RowsIn(next);
    return WriteReport{rows.num_rows(), rows_before + rows.num_rows() - rows_total, rows_total};
  }

  Status TryAddColumns(const arrow::Schema& schema) {
    SALVER_ASSIGN(const ManifestPtr before, Current(true));
    if (before->files().empty()) return Status::OK();
    SALVER_ASSIGN(auto table, ReadFiles(*before, 0, schema));
    Manifest next = *before;
    next.clear_files();
    return Commit(*before, std::move(table), &next);
  }

  Result<ManifestPtr> Current(bool again) {
    SALVER_ASSIGN(ManifestPtr now, log_->Read(again));
    std::lock_guard lock(mutex_);
    if (manifest_ == nullptr || manifest_->number() != now->number() ||
        manifest_->table_id() != now->table_id())
      ForgetFiles(*now);
    manifest_ = std::move(now);
    return manifest_;
  }

  // Under the mutex: drops what was kept of files that `now` lacks.
  void ForgetFiles(const Manifest& now) {
    const bool same_table = manifest_ != nullptr && manifest_->table_id() == now.table_id();
    for (auto part = parts_.begin(); part != parts_.end();) {
      const bool stays =
          same_table && std::any_of(now.files().begin(), now.files().end(),
                                    [&](const Manifest::File& file) { return file.name() == part->first; });
      if (!stays) {
        stats_.bytes_read += part->second->bytes_read();
        if (context_.cache != nullptr) context_.cache->Drop(manifest_->table_id() + "/" + part->first + "/");
      }
      part = stays ? std::next(part) : parts_.erase(part);
    }
  }

  Result<std::shared_ptr<ParquetPart>> PartOf(const std::string& name) {
    {
      std::lock_guard lock(mutex_);
      if (const auto found = parts_.find(name); found != parts_.end()) return found->second;
    }
    SALVER_ASSIGN(std::shared_ptr<ParquetPart> part, ParquetPart::Open(context_.files, PathOf(name)));
    std::lock_guard lock(mutex_);
    return parts_.emplace(name, std::move(part)).first->second;
  }

  int FirstRewritten(const Manifest& manifest, const arrow::Table& rows, const TimeRange* replaced) const {
    int first = manifest.files_size();
    if (replaced != nullptr) {
      for (int i = manifest.files_size(); i-- > 0;) {
        if (Meets(manifest.files(i), *replaced)) first = i;
      }
    }
    // A file is merged when it is no larger than twice what comes after it: each row is then rewritten about
    // as often as the table doubles.
    int64_t tail = rows.num_rows();
    for (int i = first; i < manifest.files_size(); ++i) tail += manifest.files(i).rows();
    while (first > 0 && manifest.files(first - 1).rows() <= 2 * tail && tail < kMergeRows) {
      tail += manifest.files(--first).rows();
    }
    return first;
  }

  // Files from `first` on without what is replaced, then the new rows.
  Result<TablePtr> Merged(const Manifest& manifest, int first, const arrow::Table& rows,
                          const TimeRange* replaced) {
    const TablePtr added = arrow::Table::Make(rows.schema(), rows.columns(), rows.num_rows());
    // All of it goes: it needs not be read, nor be readable.
    const bool all = replaced != nullptr && replaced->start_us == INT64_MIN && replaced->end_us == INT64_MAX;
    if (first == manifest.files_size() || all) return added;
    SALVER_ASSIGN(TablePtr kept, ReadFiles(manifest, first, *rows.schema()));
    if (replaced != nullptr) {
      std::vector<int64_t> stay;
      EachTime(*kept->GetColumnByName(time_column_), [&](int64_t row, int64_t micros) {
        if (micros < replaced->start_us || micros > replaced->end_us) stay.push_back(row);
      });
      SALVER_ASSIGN(kept, TakeRows(kept, stay));
    }
    return FromArrow(arrow::ConcatenateTables({kept, added}), "table \"" + folder_ + "\"");
  }

  // All rows of the files from `first` on, with the columns of `schema`.
  Result<TablePtr> ReadFiles(const Manifest& manifest, int first, const arrow::Schema& schema) {
    std::vector<TablePtr> tables;
    for (int i = first; i < manifest.files_size(); ++i) {
      SALVER_ASSIGN(const auto part, ParquetPart::Open(context_.files, PathOf(manifest.files(i).name())));
      for (int group = 0; group < part->row_groups(); ++group) {
        SALVER_ASSIGN(auto table, ReadGroup(part.get(), group, schema, ""));
        tables.push_back(std::move(table));
      }
    }
    return Concatenated(std::move(tables), schema);
  }

  Result<TablePtr> Concatenated(std::vector<TablePtr> tables, const arrow::Schema& schema) {
    if (!tables.empty()) return FromArrow(arrow::ConcatenateTables(tables), "table \"" + folder_ + "\"");
    return FromArrow(arrow::Table::MakeEmpty(std::make_shared<arrow::Schema>(schema)),
                     "table \"" + folder_ + "\"");
  }

  Result<TablePtr> FindRows(const Manifest& manifest, const KeySet& keys, const arrow::Schema& columns,
                            int64_t max_event_us) {
    std::vector<TablePtr> tables;
    LookupStats seen;
    for (const auto& file : manifest.files()) {
      SALVER_ASSIGN(const auto part, PartOf(file.name()));
      seen.row_groups += part->row_groups();
      if (file.min_event_us() > max_event_us) continue;
      for (int group = 0; group < part->row_groups(); ++group) {
        if (!part->MayHold(group, keys)) continue;
        ++seen.row_groups_read;
        SALVER_ASSIGN(auto table,
                      ReadGroup(part.get(), group, columns, manifest.table_id() + "/" + file.name() + "/"));
        tables.push_back(std::move(table));
      }
    }
    {
      std::lock_guard lock(mutex_);
      stats_.row_groups += seen.row_groups;
      stats_.row_groups_read += seen.row_groups_read;
    }
    return Concatenated(std::move(tables), columns);
  }

  // `cache_prefix` empty: nothing is cached.
  Result<TablePtr> ReadGroup(ParquetPart* part, int group, const arrow::Schema& columns,
                             const std::string& cache_prefix) {
    std::vector<std::shared_ptr<arrow::ChunkedArray>> read;
    int64_t rows = -1;
    for (const auto& field : columns.fields()) {
      if (part->schema()->GetFieldIndex(field->name()) < 0) {
        read.push_back(nullptr);
        continue;
      }
      SALVER_ASSIGN(auto column, ReadColumn(part, group, field->name(), cache_prefix));
      SALVER_ASSIGN(column, AsStored(std::move(column), *field));
      rows = column->length();
      read.push_back(std::move(column));
    }
    for (size_t i = 0; i < read.size(); ++i) {
      if (read[i] != nullptr) continue;
      SALVER_ASSIGN(
          const auto nulls,
          FromArrow(arrow::MakeArrayOfNull(columns.field(static_cast<int>(i))->type(), rows), folder_));
      read[i] = std::make_shared<arrow::ChunkedArray>(nulls);
    }
    return arrow::Table::Make(std::make_shared<arrow::Schema>(columns.fields()), std::move(read), rows);
  }

  // Other programs write Delta tables too, and have their own types for what is the same in Delta's.
  Result<std::shared_ptr<arrow::ChunkedArray>> AsStored(std::shared_ptr<arrow::ChunkedArray> column,
                                                        const arrow::Field& field) const {
    if (column->type()->Equals(*field.type())) return column;
    auto options = arrow::compute::CastOptions::Safe(field.type());
    options.allow_time_truncate = true;
    SALVER_ASSIGN(const auto cast, FromArrow(arrow::compute::Cast(arrow::Datum(column), options),
                                             "table \"" + folder_ + "\", column \"" + field.name() + "\""));
    return cast.chunked_array();
  }

  Result<std::shared_ptr<arrow::ChunkedArray>> ReadColumn(ParquetPart* part, int group,
                                                          const std::string& name,
                                                          const std::string& cache_prefix) {
    if (context_.cache == nullptr || cache_prefix.empty()) return part->ReadColumn(group, name);
    const std::string key = cache_prefix + std::to_string(group) + "/" + name;
    if (auto cached = context_.cache->Find(key); cached != nullptr) return cached;
    SALVER_ASSIGN(auto column, part->ReadColumn(group, name));
    context_.cache->Add(key, column);
    return column;
  }

  // Adds a file of `table` to `next`, which becomes the table.
  Status Commit(const Manifest& before, const TablePtr& table, Manifest* next) {
    if (table->num_rows() > 0) SALVER_RETURN_NOT_OK(AddFile(table, next));
    const Status committed = log_->Commit(before, *table->schema(), next);
    // Another program came first: the file is of no table.
    if (committed.code() == StatusCode::kAlreadyExists && table->num_rows() > 0)
      (void)context_.files->Remove(PathOf(next->files().rbegin()->name()));
    SALVER_RETURN_NOT_OK(committed);
    (void)Current(true);  // who reads next hears of what is wrong with it; the rows are written
    return Status::OK();
  }

  Status AddFile(const TablePtr& table, Manifest* next) {
    std::vector<std::string> order = keys_;
    order.push_back(time_column_);
    SALVER_ASSIGN(const TablePtr sorted, TakeRows(table, SortedRows(*table, order)));
    auto* file = next->add_files();
    file->set_name(log_->NewFileName(next));
    file->set_rows(sorted->num_rows());
    int64_t min = INT64_MAX, max = INT64_MIN;
    EachTime(*sorted->GetColumnByName(time_column_), [&](int64_t, int64_t micros) {
      min = std::min(min, micros);
      max = std::max(max, micros);
    });
    file->set_min_event_us(min);
    file->set_max_event_us(max);
    const std::string path = PathOf(file->name());
    auto bytes = ParquetPart::Write(context_.files, path, *sorted);
    if (!bytes.ok()) {
      (void)context_.files->Remove(path);  // no commit names it yet
      return bytes.status();
    }
    file->set_bytes(*bytes);
    return context_.files->SyncFolder(folder_);
  }

  const std::unique_ptr<TableLog> log_;
  const std::string folder_;
  const std::vector<std::string> keys_;
  const std::string time_column_;
  const TableContext context_;
  mutable std::mutex mutex_;
  ManifestPtr manifest_;
  std::map<std::string, std::shared_ptr<ParquetPart>> parts_;  // open files of manifest_
  LookupStats stats_;
};

}  // namespace

std::unique_ptr<FeatureTable> NewFeatureTable(const std::string& format, std::string folder,
                                              std::vector<std::string> key_columns, std::string time_column,
                                              const TableContext& context) {
  auto log = NewTableLog(format, folder, time_column, context.files, context.clock);
  return std::make_unique<TableOfParts>(std::move(log), std::move(folder), std::move(key_columns),
                                        std::move(time_column), context);
}

}  // namespace salver
