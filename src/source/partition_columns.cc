#include "source/partition_columns.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/arrow_status.h"
#include "kernel/columns.h"
#include "source/text_file.h"

namespace salver {
namespace {

using ColumnPtr = std::shared_ptr<arrow::ChunkedArray>;

Result<ColumnPtr> TextOf(const std::string& key, const std::vector<SourceFile>& files,
                         const std::string& what) {
  arrow::StringBuilder builder;
  for (const SourceFile& file : files) {
    const auto& value = file.partitions.at(key);
    SALVER_RETURN_NOT_OK(FromArrow(value ? builder.Append(*value) : builder.AppendNull(), what));
  }
  SALVER_ASSIGN(auto array, FromArrow(builder.Finish(), what));
  return std::make_shared<arrow::ChunkedArray>(std::move(array));
}

Result<ColumnPtr> Typed(const ColumnPtr& text, const std::shared_ptr<arrow::DataType>& type,
                        const std::string& what) {
  if (type == nullptr) {
    const auto numbers = arrow::compute::Cast(arrow::Datum(text), arrow::int64());
    return numbers.ok() ? numbers->chunked_array() : text;
  }
  if (type->id() == arrow::Type::TIMESTAMP) {
    SALVER_ASSIGN(auto times, CastTimeColumn(*text, what));
    return std::make_shared<arrow::ChunkedArray>(std::move(times));
  }
  const auto cast = arrow::compute::Cast(arrow::Datum(text), type);
  if (cast.ok()) return cast->chunked_array();
  return Status::InvalidArgument(what + " is declared as " + type->ToString() +
                                     ", and a folder's name is not: " + cast.status().message() +
                                     ". Change the type, or rename the folder.",
                                 Reason::kBadSource);
}

}  // namespace

Result<PartitionColumns> PartitionColumns::Make(const DataSource& source,
                                                const std::vector<SourceFile>& files) {
  PartitionColumns columns;
  for (const auto& [key, first] : files.front().partitions) {
    const std::string what = "data source \"" + source.name + "\", folder column \"" + key + "\"";
    SALVER_ASSIGN(const auto text, TextOf(key, files, what));
    SALVER_ASSIGN(columns.values_[key], Typed(text, DeclaredTextType(source, key), what));
  }
  return columns;
}

std::shared_ptr<arrow::Field> PartitionColumns::FieldOf(const std::string& column) const {
  return arrow::field(column, values_.at(column)->type());
}

std::shared_ptr<arrow::Schema> PartitionColumns::AddTo(const std::shared_ptr<arrow::Schema>& schema) const {
  arrow::FieldVector fields = schema->fields();
  for (const auto& [name, values] : values_) {
    if (schema->GetFieldIndex(name) < 0) fields.push_back(FieldOf(name));
  }
  return arrow::schema(std::move(fields));
}

Result<ColumnPtr> PartitionColumns::Column(const std::string& column, size_t file, int64_t rows) const {
  const std::string what = "folder column \"" + column + "\"";
  SALVER_ASSIGN(const auto value, FromArrow(values_.at(column)->GetScalar(static_cast<int64_t>(file)), what));
  SALVER_ASSIGN(auto array, FromArrow(arrow::MakeArrayFromScalar(*value, rows), what));
  return std::make_shared<arrow::ChunkedArray>(std::move(array));
}

}  // namespace salver
