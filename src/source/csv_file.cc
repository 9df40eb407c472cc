#include <arrow/csv/options.h>
#include <arrow/csv/reader.h>
#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>

#include "base/arrow_status.h"
#include "source/text_file.h"

namespace salver {
namespace {

using FilePtr = std::shared_ptr<arrow::io::RandomAccessFile>;
using TablePtr = std::shared_ptr<arrow::Table>;

arrow::csv::ConvertOptions Conversion(const DataSource& source) {
  auto options = arrow::csv::ConvertOptions::Defaults();
  options.null_values = {""};
  options.strings_can_be_null = true;
  options.quoted_strings_can_be_null = false;
  for (const auto& [column, declared] : source.column_types) {
    if (auto type = DeclaredTextType(source, column))
      options.column_types[column] = WrittenType(std::move(type));
  }
  for (const std::string& column : {source.timestamp_field, source.created_timestamp_column}) {
    if (!column.empty()) options.column_types[column] = arrow::utf8();
  }
  return options;
}

Status Damaged(const arrow::Status& status, const std::string& what) {
  if (status.IsIOError()) return FromArrow(status, what);
  return Status::InvalidArgument(what + " can not be read as CSV: " + status.message() +
                                     ". Check the file; a column whose type changes needs one in the view's "
                                     "schema.",
                                 Reason::kBadSource);
}

// Types of the first block, times as they are written.
Result<std::shared_ptr<arrow::Schema>> WrittenSchema(FilePtr file, const DataSource& source,
                                                     const std::string& what) {
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  auto reader = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), std::move(file), read,
                                                  arrow::csv::ParseOptions::Defaults(), Conversion(source));
  if (!reader.ok()) return Damaged(reader.status(), what);
  return (*reader)->schema();
}

arrow::Result<TablePtr> ReadAll(const FilePtr& file, const arrow::csv::ConvertOptions& conversion,
                                bool use_threads) {
  ARROW_RETURN_NOT_OK(file->Seek(0));
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = use_threads;
  ARROW_ASSIGN_OR_RAISE(auto reader,
                        arrow::csv::TableReader::Make(arrow::io::default_io_context(), file, read,
                                                      arrow::csv::ParseOptions::Defaults(), conversion));
  return reader->Read();
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> ReadCsvSchema(FilePtr file, const DataSource& source,
                                                     const std::string& what) {
  SALVER_ASSIGN(const auto written, WrittenSchema(std::move(file), source, what));
  arrow::FieldVector fields;
  for (const auto& field : written->fields()) {
    const auto declared = DeclaredTextType(source, field->name());
    fields.push_back(arrow::field(field->name(), declared != nullptr ? declared : field->type()));
  }
  return arrow::schema(std::move(fields));
}

Result<TablePtr> ReadCsv(FilePtr file, const DataSource& source, const std::vector<std::string>& columns,
                         const std::string& what) {
  SALVER_RETURN_NOT_OK(FromArrow(file->Seek(0), what));
  SALVER_ASSIGN(const auto written, WrittenSchema(file, source, what));
  auto conversion = Conversion(source);
  for (const auto& field : written->fields()) {
    const std::string& name = field->name();
    if (field->type()->id() != arrow::Type::NA) conversion.column_types[name] = field->type();
    if (!columns.empty() && std::find(columns.begin(), columns.end(), name) != columns.end())
      conversion.include_columns.push_back(name);
  }
  auto table = ReadAll(file, conversion, /*use_threads=*/true);
  // One thread knows which row it was.
  if (!table.ok()) table = ReadAll(file, conversion, /*use_threads=*/false);
  if (!table.ok()) return Damaged(table.status(), what);
  return WithTimes(*table, source, what);
}

}  // namespace salver
