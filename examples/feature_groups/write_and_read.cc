// Registers a feature group, writes rows of it and reads them back: write_and_read REPOSITORY
#include <arrow/builder.h>
#include <arrow/table.h>

#include <iostream>

#include "salver/materialized_feature_store.h"

namespace {

std::shared_ptr<arrow::Table> Rows() {
  const auto times = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  arrow::Int64Builder drivers, trips;
  arrow::TimestampBuilder moments(times, arrow::default_memory_pool());
  for (int64_t driver = 1; driver <= 3; ++driver) {
    for (int64_t hour = 0; hour < 2; ++hour) {
      (void)drivers.Append(driver);
      (void)moments.Append(1'795'132'800'000'000 + hour * 3'600'000'000);
      (void)trips.Append(10 * driver + hour);
    }
  }
  return arrow::Table::Make(
      arrow::schema({arrow::field("driver_id", arrow::int64()), arrow::field("event_timestamp", times),
                     arrow::field("trips", arrow::int64())}),
      {*drivers.Finish(), *moments.Finish(), *trips.Finish()});
}

salver::Status Run(const std::string& repository) {
  SALVER_ASSIGN(const auto store, salver::MaterializedFeatureStore::Open(repository, {}));
  SALVER_RETURN_NOT_OK(store
                           ->RegisterFeatureGroup({.name = "driver_hours",
                                                   .entity_keys = {{.name = "driver_id",
                                                                    .data_type = salver::DataType::kBigint}},
                                                   .timestamp_key = "event_timestamp",
                                                   .features = {{.name = "trips",
                                                                 .data_type = salver::DataType::kBigint,
                                                                 .metadata = {{"min", "0"}}}}})
                           .status());
  SALVER_ASSIGN(const auto report, store->WriteFeatures("driver_hours", *Rows(), {.backfill = true}));
  std::cout << report.rows_total << " rows\n";
  const std::shared_ptr<arrow::Table> ids = *Rows()->SelectColumns({0});
  SALVER_ASSIGN(const auto features,
                store->GetFeatures({.names = {"driver_hours:trips"}, .entity_ids = ids}));
  std::cout << features->ToString() << "\n";
  return salver::Status::OK();
}

}  // namespace

int main(int count, char** arguments) {
  const salver::Status status = Run(count > 1 ? arguments[1] : ".");
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
