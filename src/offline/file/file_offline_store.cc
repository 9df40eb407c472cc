// History in files.
#include <arrow/array.h>
#include <arrow/array/array_nested.h>
#include <arrow/builder.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include "base/arrow_status.h"
#include "base/files.h"
#include "offline/offline_stores.h"
#include "source/file_source.h"
#include "source/table_file.h"

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

Status AppendRows(const DataSource& source, const std::string& folder, const arrow::Table& rows) {
  if (source.kind != DataSourceKind::kFile || !source.path.ends_with(".parquet") ||
      source.path.find_first_of("*?[") != std::string::npos) {
    return Status::FailedPrecondition(
        "data source \"" + source.name + "\" is no single Parquet file, so rows can not be added to it.",
        Reason::kBadSource);
  }
  const std::string path = JoinPath(folder, source.path);
  SALVER_ASSIGN(const auto lock,
                Files::System()->Lock(path + ".lock", Deadline::After(std::chrono::seconds(30))));
  SALVER_ASSIGN(const auto have, ReadTableFile(path));
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& field : have->schema()->fields()) {
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
    if (have->schema()->GetFieldIndex(name) >= 0) continue;
    return Status::InvalidArgument("pushed rows have column \"" + name + "\", which data source \"" +
                                       source.name +
                                       "\" has not. An offline push needs exactly the source's columns.",
                                   Reason::kMissingColumns);
  }
  const auto added = arrow::Table::Make(have->schema(), std::move(columns), rows.num_rows());
  SALVER_ASSIGN(const auto all,
                FromArrow(arrow::ConcatenateTables({have, added}), "data source \"" + source.name + "\""));
  return WriteTableFile(*all, path);
}

class FileOfflineStore final : public OfflineStore {
 public:
  explicit FileOfflineStore(std::string folder) : folder_(std::move(folder)) {}

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(const auto reader, OpenFileSource(source, folder_, {}));
    return reader->schema();
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    return OpenFileSource(source, folder_, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return AppendRows(source, folder_, rows);
  }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string&) override {
    return Status::Unimplemented("SQL on files is not in this build. Give entity rows as a table or a file.");
  }

 private:
  const std::string folder_;
};

}  // namespace

std::unique_ptr<OfflineStore> NewFileOfflineStore(const std::string& folder) {
  return std::make_unique<FileOfflineStore>(folder);
}

}  // namespace salver
