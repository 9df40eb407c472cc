#include "store/offline_push.h"

#include <arrow/chunked_array.h>
#include <arrow/compute/cast.h>
#include <arrow/datum.h>
#include <arrow/table.h>

#include "base/arrow_status.h"
#include "base/files.h"
#include "source/table_file.h"

namespace salver {

Status AppendToSource(const DataSource& source, const std::string& folder, const arrow::Table& rows) {
  if (source.kind != DataSourceKind::kFile || !source.path.ends_with(".parquet") || source.path.find_first_of("*?[") != std::string::npos) {
    return Status::FailedPrecondition("data source \"" + source.name + "\" is no single Parquet file, so rows can not be added to it.", Reason::kBadSource);
  }
  const std::string path = JoinPath(folder, source.path);
  SALVER_ASSIGN(const auto lock, Files::System()->Lock(path + ".lock", Deadline::After(std::chrono::seconds(30))));
  SALVER_ASSIGN(const auto have, ReadTableFile(path));
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& field : have->schema()->fields()) {
    const auto column = rows.GetColumnByName(field->name());
    if (column == nullptr) {
      return Status::InvalidArgument("pushed rows have no column \"" + field->name() + "\", which data source \"" + source.name +
                                         "\" has. An offline push needs exactly the source's columns.",
                                     Reason::kMissingColumns);
    }
    arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(field->type());
    options.allow_time_truncate = true;
    auto cast = arrow::compute::Cast(arrow::Datum(column), options);
    if (!cast.ok()) {
      return Status::InvalidArgument("pushed column \"" + field->name() + "\" does not fit data source \"" + source.name + "\": " + cast.status().message(),
                                     Reason::kBadFeatureValue);
    }
    columns.push_back(cast->chunked_array());
  }
  for (const std::string& name : rows.schema()->field_names()) {
    if (have->schema()->GetFieldIndex(name) >= 0) continue;
    return Status::InvalidArgument("pushed rows have column \"" + name + "\", which data source \"" + source.name +
                                       "\" has not. An offline push needs exactly the source's columns.",
                                   Reason::kMissingColumns);
  }
  const auto added = arrow::Table::Make(have->schema(), std::move(columns), rows.num_rows());
  SALVER_ASSIGN(const auto all, FromArrow(arrow::ConcatenateTables({have, added}), "data source \"" + source.name + "\""));
  return WriteTableFile(*all, path);
}

}  // namespace salver
