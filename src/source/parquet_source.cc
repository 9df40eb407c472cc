// Parquet files through Arrow's reader. What is read past it, page by page, is in parquet_pages.cc; nothing
// else knows the file format.
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "base/files.h"
#include "base/nearest.h"
#include "base/one_line.h"
#include "source/open_file_state.h"
#include "source/parquet_pages.h"
#include "source/parquet_source.h"
#include "source/partition_columns.h"

namespace salver {
namespace {

struct ParquetFile {
  std::string path;
  std::shared_ptr<arrow::io::RandomAccessFile> bytes;
  OpenFileState state;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  int first_group = 0;
  int group_count = 0;
};

std::string Name(const DataSource& source, const std::string& path) {
  return "data source \"" + source.name + "\", file \"" + path + "\"";
}

// An error from Arrow while reading a file that could be opened: the file is damaged.
Status Damaged(const DataSource& source, const std::string& path, const std::string& what) {
  const std::string fix =
      path.ends_with(".parquet")
          ? ". Check that the file is complete and is Parquet."
          : ". A file that is not Parquet has another format in its definition, or a name "
            "that ends in .csv, .json or .arrow; Parquet ends in .parquet.";
  return Status::DataLoss(Name(source, path) + " can not be read as Parquet: " + OnOneLine(what) + fix,
                          Reason::kBadSource);
}

// Statistics of a timestamp column as microseconds, rounded outwards; nullopt where they do not tell.
struct TimeUnit {
  int64_t multiply = 0, divide = 1;
};

std::optional<TimeUnit> UnitOf(const parquet::ColumnDescriptor& column) {
  const auto& type = column.logical_type();
  if (type == nullptr || !type->is_timestamp()) return std::nullopt;
  switch (static_cast<const parquet::TimestampLogicalType&>(*type).time_unit()) {
    case parquet::LogicalType::TimeUnit::MILLIS:
      return TimeUnit{1000, 1};
    case parquet::LogicalType::TimeUnit::MICROS:
      return TimeUnit{1, 1};
    case parquet::LogicalType::TimeUnit::NANOS:
      return TimeUnit{1, 1000};
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> ToMicros(int64_t value, TimeUnit unit, int outwards) {
  int64_t micros = 0;
  if (__builtin_mul_overflow(value / unit.divide, unit.multiply, &micros)) return std::nullopt;
  return value % unit.divide == 0 ? micros : micros + outwards;
}

std::optional<NumberRange> StatisticsOf(const parquet::ColumnChunkMetaData& chunk) {
  const auto statistics = chunk.is_stats_set() ? chunk.statistics() : nullptr;
  if (statistics == nullptr || !statistics->HasMinMax()) return std::nullopt;
  if (statistics->physical_type() == parquet::Type::INT32) {
    const auto& typed = static_cast<const parquet::Int32Statistics&>(*statistics);
    return NumberRange{typed.min(), typed.max()};
  }
  if (statistics->physical_type() != parquet::Type::INT64) return std::nullopt;
  const auto& typed = static_cast<const parquet::Int64Statistics&>(*statistics);
  return NumberRange{typed.min(), typed.max()};
}

void SetTimeRange(const parquet::RowGroupMetaData& group, const std::string& event_column, RowGroup* to) {
  const int index = group.schema()->ColumnIndex(event_column);
  if (index < 0) return;
  const auto unit = UnitOf(*group.schema()->Column(index));
  const auto range = unit ? StatisticsOf(*group.ColumnChunk(index)) : std::nullopt;
  if (!range) return;
  to->min_event_us = ToMicros(range->min, *unit, -1);
  to->max_event_us = ToMicros(range->max, *unit, +1);
}

void AppendLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.column_index >= 0) leaves->push_back(field.column_index);
  for (const auto& child : field.children) AppendLeaves(child, leaves);
}

class ParquetSource final : public SourceReader {
 public:
  explicit ParquetSource(DataSource source) : source_(std::move(source)) {}

  Status Open(const FileList& list) {
    for (const SourceFile& file : list.files) {
      try {
        SALVER_RETURN_NOT_OK(OpenFile(list.system.get(), file.path));
      } catch (const std::exception& error) {  // parquet throws on damaged metadata
        return Damaged(source_, file.path, error.what());
      }
    }
    SALVER_ASSIGN(partitions_, PartitionColumns::Make(source_, list.files));
    file_schema_ = schema_;
    schema_ = partitions_.AddTo(schema_);
    version_ = VersionOf(list);
    return Status::OK();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  const std::vector<RowGroup>& row_groups() const override { return groups_; }
  std::string Version() const override { return version_; }
  int file_count() const override { return static_cast<int>(files_.size()); }

  Result<std::shared_ptr<arrow::Table>> Read(std::span<const int> groups,
                                             const std::vector<std::string>& columns) override {
    std::vector<std::shared_ptr<arrow::Table>> parts;
    for (ParquetFile& file : files_) {
      std::vector<int> mine;
      for (const int group : groups) {
        if (group >= file.first_group && group < file.first_group + file.group_count)
          mine.push_back(group - file.first_group);
      }
      if (mine.empty() && !(parts.empty() && &file == &files_.back()))
        continue;  // the last gives an empty table its schema
      SALVER_ASSIGN(auto part, Guarded(file, [&] { return ReadFile(&file, mine, columns); }));
      parts.push_back(std::move(part));
    }
    if (parts.size() == 1) return parts[0];
    return FromArrow(arrow::ConcatenateTables(parts), "data source \"" + source_.name + "\"");
  }

  Result<int64_t> ColumnBytes(int group, const std::string& column) const override {
    const int index = file_schema_->GetFieldIndex(column);
    if (index < 0) return int64_t{0};
    const ParquetFile& file = FileOf(group);
    std::vector<int> leaves;
    AppendLeaves(file.reader->manifest().schema_fields[static_cast<size_t>(index)], &leaves);
    try {
      const auto about = file.reader->parquet_reader()->metadata()->RowGroup(group - file.first_group);
      int64_t bytes = 0;
      for (const int leaf : leaves) bytes += about->ColumnChunk(leaf)->total_compressed_size();
      return bytes;
    } catch (const std::exception& error) {  // parquet throws on damaged metadata
      return Damaged(source_, file.path, error.what());
    }
  }

  bool IsFixedWidth(const std::string& column) const override {
    const int index = file_schema_->GetFieldIndex(column);
    if (index < 0) return false;
    return std::all_of(files_.begin(), files_.end(), [&](const ParquetFile& file) {
      const int leaf = file.reader->manifest().schema_fields[static_cast<size_t>(index)].column_index;
      return leaf >= 0 &&
             HasFixedPages(*file.reader->parquet_reader()->metadata(), leaf, *schema_->field(index)->type());
    });
  }

  std::optional<NumberRange> RangeOf(int group, const std::string& column) const override {
    const auto range = WithChunk(group, column, [](const ColumnChunk& chunk) {
      return StatisticsOf(*chunk.metadata->RowGroup(chunk.group)->ColumnChunk(chunk.leaf));
    });
    return range.ok() ? *range : std::nullopt;  // who reads it says what is wrong
  }

  Result<bool> ReadFixed(int group, const std::string& column, ReadScratch* scratch, void* values,
                         uint8_t* valid) override {
    return WithChunk(group, column,
                     [&](const ColumnChunk& chunk) { return ReadFixedPages(chunk, scratch, values, valid); });
  }

  Status GatherFixed(int group, const std::string& column, const PickedRows& picked, ReadScratch* scratch,
                     void* values, std::vector<uint32_t>* nulls) override {
    return WithChunk(group, column,
                     [&](const ColumnChunk& chunk) {
                       GatherFixedPages(chunk, picked, scratch, values, nulls);
                       return true;
                     })
        .status();
  }

  bool FindsFixed(const std::string& column) const override {
    const auto field = file_schema_->GetFieldByName(column);
    if (field == nullptr || !IsFixedWidth(column)) return false;
    const auto type = field->type()->id();
    return type == arrow::Type::INT32 || type == arrow::Type::INT64 || type == arrow::Type::TIMESTAMP;
  }

  Result<size_t> FindFixed(int group, const std::string& column, const NumberMap& map, ReadScratch* scratch,
                           uint32_t* rows, int32_t* numbers) override {
    return WithChunk(group, column, [&](const ColumnChunk& chunk) {
      return FindFixedPages(chunk, map, scratch, rows, numbers);
    });
  }

 private:
  // Only files of this machine tell whether they changed.
  static std::string VersionOf(const FileList& list) {
    std::string version;
    for (const SourceFile& file : list.files) {
      const auto identity = Files::System()->Identify(file.path);
      if (list.system->type_name() != "local" || !identity.ok() || !identity->settled) return "";
      for (const uint64_t part : {identity->inode, static_cast<uint64_t>(identity->size),
                                  static_cast<uint64_t>(identity->modified_ns)})
        version += std::to_string(part) + " ";
      version += file.path + "\n";
    }
    return version;
  }

  const ParquetFile& FileOf(int group) const {
    return *std::find_if(files_.begin(), files_.end(),
                         [&](const ParquetFile& one) { return group < one.first_group + one.group_count; });
  }

  // What `use` gives of the chunk.
  template <typename Use>
  Result<std::invoke_result_t<Use, const ColumnChunk&>> WithChunk(int group, const std::string& column,
                                                                  Use use) const {
    const ParquetFile& file = FileOf(group);
    const auto index = static_cast<size_t>(schema_->GetFieldIndex(column));
    return Guarded(file, [&]() -> Result<std::invoke_result_t<Use, const ColumnChunk&>> {
      return use(ColumnChunk{file.bytes.get(), file.reader->parquet_reader()->metadata().get(),
                             group - file.first_group,
                             file.reader->manifest().schema_fields[index].column_index});
    });
  }

  // What `read` gives, or the error that it throws. Neither means anything once the file is written to.
  template <typename Read>
  auto Guarded(const ParquetFile& file, Read read) const -> decltype(read()) {
    auto result = [&]() -> decltype(read()) {
      try {
        return read();
      } catch (const std::bad_alloc&) {
        throw;
      } catch (const std::exception& error) {
        return Damaged(source_, file.path, error.what());
      }
    }();
    if (!file.state.Unchanged()) return WrittenWhileRead(Name(source_, file.path));
    return result;
  }

  Status OpenFile(arrow::fs::FileSystem* system, const std::string& path) {
    auto opened = system->OpenInputFile(path);
    if (!opened.ok()) return FromArrow(opened.status(), Name(source_, path));
    OpenFileState state(*opened);
    parquet::arrow::FileReaderBuilder builder;
    if (const auto status = builder.Open(*opened); !status.ok())
      return Damaged(source_, path, status.message());
    ParquetFile file{.path = path, .bytes = *opened, .state = std::move(state)};
    // Threads are the caller's, a row group each. Without pre-buffering the reader has no state that a read
    // changes.
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_pre_buffer(false);
    builder.properties(properties);
    if (const auto status = builder.Build(&file.reader); !status.ok())
      return Damaged(source_, path, status.message());
    std::shared_ptr<arrow::Schema> schema;
    if (const auto status = file.reader->GetSchema(&schema); !status.ok())
      return Damaged(source_, path, status.message());
    schema = schema->RemoveMetadata();
    if (schema_ == nullptr) {
      schema_ = schema;
    } else if (!schema_->Equals(*schema, /*check_metadata=*/false)) {
      return Status::InvalidArgument(Name(source_, path) + " has other columns than \"" + files_[0].path +
                                         "\". All files of a source need the same columns and types.",
                                     Reason::kBadSource);
    }
    const auto metadata = file.reader->parquet_reader()->metadata();
    file.first_group = static_cast<int>(groups_.size());
    file.group_count = metadata->num_row_groups();
    for (int i = 0; i < file.group_count; ++i) {
      const auto group = metadata->RowGroup(i);
      RowGroup& to = groups_.emplace_back();
      to.rows = group->num_rows();
      to.compressed_bytes = group->total_compressed_size();
      SetTimeRange(*group, source_.timestamp_field, &to);
    }
    files_.push_back(std::move(file));
    return Status::OK();
  }

  Result<std::shared_ptr<arrow::Table>> ReadFile(ParquetFile* file, const std::vector<int>& groups,
                                                 const std::vector<std::string>& columns) {
    std::vector<int> leaves;
    for (const std::string& column : columns) {
      const int index = schema_->GetFieldIndex(column);
      if (index < 0) {
        return Status::InvalidArgument(Name(source_, file->path) + " has no column \"" + column + "\"." +
                                           NearestNameHint(column, schema_->field_names()),
                                       Reason::kMissingColumns);
      }
      if (index < file_schema_->num_fields())
        AppendLeaves(file->reader->manifest().schema_fields[static_cast<size_t>(index)], &leaves);
    }
    auto read = file->reader->ReadRowGroups(groups, leaves);
    if (!read.ok()) return Damaged(source_, file->path, read.status().message());
    return InOrder(*file, groups, **read, columns);
  }

  // The reader answers in file order; the caller asked for an order of its own, and for columns of folders.
  Result<std::shared_ptr<arrow::Table>> InOrder(const ParquetFile& file, const std::vector<int>& groups,
                                                const arrow::Table& read,
                                                const std::vector<std::string>& columns) const {
    int64_t rows = 0;
    for (const int group : groups) rows += groups_[static_cast<size_t>(file.first_group + group)].rows;
    arrow::FieldVector fields;
    std::vector<std::shared_ptr<arrow::ChunkedArray>> arrays;
    for (const std::string& column : columns) {
      fields.push_back(schema_->GetFieldByName(column));
      arrays.push_back(read.GetColumnByName(column));
      if (arrays.back() != nullptr) continue;
      SALVER_ASSIGN(arrays.back(),
                    partitions_.Column(column, static_cast<size_t>(&file - files_.data()), rows));
    }
    return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(arrays), rows);
  }

  const DataSource source_;
  std::shared_ptr<arrow::Schema> file_schema_, schema_;  // without and with the columns of folders
  PartitionColumns partitions_;
  std::string version_;
  std::vector<ParquetFile> files_;
  std::vector<RowGroup> groups_;
};

}  // namespace

Result<std::unique_ptr<SourceReader>> OpenParquetSource(const DataSource& source, const FileList& files) {
  auto reader = std::make_unique<ParquetSource>(source);
  SALVER_RETURN_NOT_OK(reader->Open(files));
  return std::unique_ptr<SourceReader>(std::move(reader));
}

}  // namespace salver
