// Who reads the format of a source's files. Parquet is read row group by row group; the other formats are
// tables in memory, one file after another.
#include "source/file_source.h"

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "source/file_list.h"
#include "source/ipc_file.h"
#include "source/open_file_state.h"
#include "source/parquet_source.h"
#include "source/partition_columns.h"
#include "source/table_reader.h"
#include "source/text_file.h"

namespace salver {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using SchemaPtr = std::shared_ptr<arrow::Schema>;

// The files of one source in a format that is read whole.
class WholeFiles {
 public:
  WholeFiles(const DataSource& source, FileList list) : source_(source), list_(std::move(list)) {}

  Result<SchemaPtr> Schema() const {
    SALVER_ASSIGN(const auto partitions, PartitionColumns::Make(source_, list_.files));
    SALVER_ASSIGN(const auto schema, SchemaOf(list_.files[0]));
    return partitions.AddTo(schema);
  }

  Result<TablePtr> Read(const std::vector<std::string>& columns) const {
    SALVER_ASSIGN(const auto partitions, PartitionColumns::Make(source_, list_.files));
    std::vector<TablePtr> tables;
    for (size_t i = 0; i < list_.files.size(); ++i) {
      SALVER_ASSIGN(auto table, ReadFile(list_.files[i], columns));
      SALVER_ASSIGN(table, WithPartitions(std::move(table), partitions, i));
      SALVER_RETURN_NOT_OK(CheckSame(tables, *table, list_.files[i]));
      tables.push_back(std::move(table));
    }
    return FromArrow(arrow::ConcatenateTables(tables), What(list_.files[0]));
  }

 private:
  std::string What(const SourceFile& file) const {
    return "data source \"" + source_.name + "\", file \"" + file.path + "\"";
  }

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const SourceFile& file) const {
    return FromArrow(list_.system->OpenInputFile(file.path), What(file));
  }

  Result<SchemaPtr> SchemaOf(const SourceFile& file) const {
    SALVER_ASSIGN(auto input, OpenInput(file));
    if (list_.format == "csv") return ReadCsvSchema(std::move(input), source_, What(file));
    if (list_.format == "json") return ReadJsonSchema(std::move(input), source_, What(file));
    return ReadIpcSchema(std::move(input), What(file));
  }

  Result<TablePtr> ReadFile(const SourceFile& file, const std::vector<std::string>& columns) const {
    SALVER_ASSIGN(auto input, OpenInput(file));
    const OpenFileState state(input);
    auto table = ReadOpenFile(std::move(input), columns, What(file));
    if (!state.Unchanged()) return WrittenWhileRead(What(file));
    return table;
  }

  Result<TablePtr> ReadOpenFile(std::shared_ptr<arrow::io::RandomAccessFile> input,
                                const std::vector<std::string>& columns, const std::string& what) const {
    if (list_.format == "csv") return ReadCsv(std::move(input), source_, columns, what);
    if (list_.format == "json") return ReadJson(std::move(input), source_, columns, what);
    return ReadIpc(std::move(input), columns, what);
  }

  Result<TablePtr> WithPartitions(TablePtr table, const PartitionColumns& partitions, size_t file) const {
    for (const auto& [key, value] : list_.files[file].partitions) {
      if (table->schema()->GetFieldIndex(key) >= 0) continue;
      SALVER_ASSIGN(auto column, partitions.Column(key, file, table->num_rows()));
      SALVER_ASSIGN(
          table, FromArrow(table->AddColumn(table->num_columns(), partitions.FieldOf(key), std::move(column)),
                           What(list_.files[file])));
    }
    return table;
  }

  Status CheckSame(const std::vector<TablePtr>& before, const arrow::Table& table,
                   const SourceFile& file) const {
    if (before.empty() || before[0]->schema()->Equals(*table.schema(), /*check_metadata=*/false))
      return Status::OK();
    return Status::InvalidArgument(What(file) + " has other columns than \"" + list_.files[0].path +
                                       "\". All files of a source need the same columns and types.",
                                   Reason::kBadSource);
  }

  const DataSource& source_;
  FileList list_;
};

Status UnknownFormat(const DataSource& source, const std::string& format) {
  return Status::Unimplemented(
      "data source \"" + source.name + "\" has the format \"" + format +
          "\", which can not be read in this build. There is: parquet, csv, json, arrow.",
      Reason::kBadSource);
}

bool IsReadWhole(const std::string& format) {
  return format == "csv" || format == "json" || format == "arrow";
}

}  // namespace

Result<std::unique_ptr<SourceReader>> OpenFileSource(const DataSource& source, const std::string& folder,
                                                     const SourceNeeds& needs) {
  if (source.file_format == "delta") return UnknownFormat(source, source.file_format);
  SALVER_ASSIGN(auto list, ListSourceFiles(source, folder));
  if (list.format == "parquet") return OpenParquetSource(source, list);
  if (!IsReadWhole(list.format)) return UnknownFormat(source, list.format);
  SALVER_ASSIGN(auto table, WholeFiles(source, std::move(list)).Read(needs.columns));
  return NewTableReader(std::move(table), source.timestamp_field);
}

Result<SchemaPtr> ReadFileSchema(const DataSource& source, const std::string& folder) {
  if (source.file_format == "delta") return UnknownFormat(source, source.file_format);
  SALVER_ASSIGN(auto list, ListSourceFiles(source, folder));
  if (IsReadWhole(list.format)) return WholeFiles(source, std::move(list)).Schema();
  SALVER_ASSIGN(const auto reader, OpenFileSource(source, folder, {}));
  return reader->schema();
}

}  // namespace salver
