#include "offline/fit_rows.h"

#include <arrow/array.h>
#include <arrow/array/array_nested.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/table.h>

namespace salver {
namespace {

// Objects came as maps of text; a file that keeps them as a struct has a column for each of its keys.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> MapsToStructs(const arrow::ChunkedArray& column,
                                                                  const arrow::DataType& type) {
  arrow::ArrayVector chunks;
  for (const auto& chunk : column.chunks()) {
    const auto& maps = static_cast<const arrow::MapArray&>(*chunk);
    const auto& keys = static_cast<const arrow::StringArray&>(*maps.keys());
    const auto& items = static_cast<const arrow::StringArray&>(*maps.items());
    arrow::ArrayVector children;
    for (const auto& field : type.fields()) {
      arrow::StringBuilder builder;
      for (int64_t row = 0; row < maps.length(); ++row) {
        int64_t found = -1;
        for (int64_t i = maps.value_offset(row); i < maps.value_offset(row + 1); ++i) {
          if (keys.GetView(i) == field->name() && !items.IsNull(i)) found = i;
        }
        ARROW_RETURN_NOT_OK(found < 0 || maps.IsNull(row) ? builder.AppendNull()
                                                          : builder.Append(items.GetView(found)));
      }
      ARROW_ASSIGN_OR_RAISE(auto texts, builder.Finish());
      ARROW_ASSIGN_OR_RAISE(auto child, arrow::compute::Cast(*texts, field->type()));
      children.push_back(std::move(child));
    }
    ARROW_ASSIGN_OR_RAISE(auto structs, arrow::StructArray::Make(children, type.fields(), maps.null_bitmap(),
                                                                 maps.null_count(), maps.offset()));
    chunks.push_back(std::move(structs));
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), arrow::struct_(type.fields()));
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> FitColumn(
    const std::shared_ptr<arrow::ChunkedArray>& column, const std::shared_ptr<arrow::DataType>& type) {
  if (column->type()->Equals(*type)) return column;
  const bool text_map = column->type()->Equals(*arrow::map(arrow::utf8(), arrow::utf8()));
  if (text_map && type->id() == arrow::Type::STRUCT) return MapsToStructs(*column, *type);
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
  options.allow_time_truncate = true;
  ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(arrow::Datum(column), options));
  return cast.chunked_array();
}

}  // namespace

Result<std::shared_ptr<arrow::Table>> FitRows(const arrow::Table& rows,
                                              const std::shared_ptr<arrow::Schema>& schema,
                                              const DataSource& source) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& field : schema->fields()) {
    const auto column = rows.GetColumnByName(field->name());
    if (column == nullptr) {
      return Status::InvalidArgument("pushed rows have no column \"" + field->name() +
                                         "\", which data source \"" + source.name +
                                         "\" has. An offline push needs exactly the source's columns.",
                                     Reason::kMissingColumns);
    }
    auto fitted = FitColumn(column, field->type());
    if (!fitted.ok()) {
      return Status::InvalidArgument("pushed column \"" + field->name() + "\" does not fit data source \"" +
                                         source.name + "\": " + fitted.status().message(),
                                     Reason::kBadFeatureValue);
    }
    columns.push_back(std::move(fitted).ValueUnsafe());
  }
  for (const std::string& name : rows.schema()->field_names()) {
    if (schema->GetFieldIndex(name) >= 0) continue;
    return Status::InvalidArgument("pushed rows have column \"" + name + "\", which data source \"" +
                                       source.name +
                                       "\" has not. An offline push needs exactly the source's columns.",
                                   Reason::kMissingColumns);
  }
  return arrow::Table::Make(schema, std::move(columns), rows.num_rows());
}

}  // namespace salver
