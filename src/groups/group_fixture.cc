#include "groups/group_fixture.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <arrow/json/from_string.h>
#include <arrow/table.h>

#include "groups/materialized_store.h"
#include "groups/virtualized_store.h"
#include "registry/file_registry.h"
#include "source/table_file.h"

namespace salver {

GroupContext GroupRepository::Context() {
  return {.repository = folder(),
          .project = "test",
          .registry = NewFileRegistry(Files::System(), &clock, folder() + "/registry.db"),
          .clock = &clock};
}

std::unique_ptr<MaterializedFeatureStore> GroupRepository::Materialized(const MaterializedOptions& options) {
  return OpenMaterializedStore(Metadata(), options).value();
}

std::unique_ptr<VirtualizedFeatureStore> GroupRepository::Virtualized(const VirtualizedOptions& options) {
  return OpenVirtualizedStore(Metadata(), options).value();
}

void GroupRepository::WriteFile(const std::string& path, const arrow::Table& rows) const {
  const Status written = WriteTableFile(rows, folder() + "/" + path);
  if (!written.ok()) throw std::runtime_error(written.ToString());
}

std::shared_ptr<arrow::Table> JsonTable(const std::vector<std::shared_ptr<arrow::Field>>& fields,
                                        const std::vector<std::string>& columns) {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (size_t i = 0; i < fields.size(); ++i)
    arrays.push_back(arrow::json::ArrayFromJSONString(fields[i]->type(), columns[i]).ValueOrDie());
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

std::string RowsText(const arrow::Table& table) {
  std::string text;
  for (int64_t row = 0; row < table.num_rows(); ++row) {
    for (int column = 0; column < table.num_columns(); ++column)
      text += (column > 0 ? " | " : "") + table.column(column)->GetScalar(row).ValueOrDie()->ToString();
    text += "\n";
  }
  return text;
}

FeatureGroupSchema DriverStats() {
  return {.name = "driver_stats",
          .entity_keys = {{.name = "driver_id", .data_type = DataType::kBigint}},
          .timestamp_key = "event_timestamp",
          .description = "what drivers do",
          .features = {{.name = "trips", .data_type = DataType::kBigint, .metadata = {{"min", "0"}}},
                       {.name = "rating",
                        .data_type = DataType::kDouble,
                        .metadata = {{"min", "0"}, {"max", "5"}, {"unit", "stars"}}}},
          .tags = {{"team", "drivers"}}};
}

std::shared_ptr<arrow::Table> DriverRows(const std::vector<std::vector<double>>& rows) {
  arrow::Int64Builder drivers, times, trips;
  arrow::DoubleBuilder ratings;
  for (const auto& row : rows) {
    (void)drivers.Append(static_cast<int64_t>(row[0]));
    (void)times.Append(kMidnight + static_cast<int64_t>(row[1] * static_cast<double>(kHour)));
    (void)trips.Append(static_cast<int64_t>(row[2]));
    (void)ratings.Append(row[3]);
  }
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto moments = arrow::compute::Cast(*times.Finish().ValueOrDie(), type).ValueOrDie();
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", type),
                     arrow::field("trips", arrow::int64()), arrow::field("rating", arrow::float64())}),
      std::vector<std::shared_ptr<arrow::Array>>{drivers.Finish().ValueOrDie(), moments,
                                                 trips.Finish().ValueOrDie(), ratings.Finish().ValueOrDie()});
}

std::shared_ptr<arrow::Table> Drivers(const std::vector<int64_t>& ids) {
  arrow::Int64Builder drivers;
  (void)drivers.AppendValues(ids);
  return arrow::Table::Make(arrow::schema({arrow::field("driver_id", arrow::int64())}),
                            std::vector<std::shared_ptr<arrow::Array>>{drivers.Finish().ValueOrDie()});
}

}  // namespace salver
