// A repository for tests of feature groups: a folder, a registry in it, and tables written down as text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "groups/group_registry.h"
#include "salver/materialized_feature_store.h"
#include "salver/virtualized_feature_store.h"
#include "test/test_folder.h"

namespace salver {

// A clock that stands until it is told.
class StandingClock final : public Clock {
 public:
  int64_t NowMicros() override { return now_us; }
  int64_t now_us = 1'795'219'200'000'000;  // 2026-11-21T00:00:00Z
};

class GroupRepository {
 public:
  const std::string& folder() const { return folder_.path(); }
  GroupContext Context();
  std::shared_ptr<GroupRegistry> Metadata() { return NewGroupRegistry(Context()); }
  std::unique_ptr<MaterializedFeatureStore> Materialized(const MaterializedOptions& options = {});
  std::unique_ptr<VirtualizedFeatureStore> Virtualized(const VirtualizedOptions& options = {});
  // A Parquet file under the folder.
  void WriteFile(const std::string& path, const arrow::Table& rows) const;

  StandingClock clock;

 private:
  const TestFolder folder_;
};

// From JSON, a column an entry: {"driver_id": [1, 2], "trips": [7, null]}. Types as the fields say.
std::shared_ptr<arrow::Table> JsonTable(const std::vector<std::shared_ptr<arrow::Field>>& fields,
                                        const std::vector<std::string>& columns);
// The rows of a table, a line each: "1 | 7 | null".
std::string RowsText(const arrow::Table& table);

// driver_stats: key driver_id BIGINT, time event_timestamp, trips BIGINT (0 or more), rating DOUBLE (0 to 5).
FeatureGroupSchema DriverStats();
// Rows of it: "driver | hours since 2026-11-20T00:00:00Z | trips | rating".
std::shared_ptr<arrow::Table> DriverRows(const std::vector<std::vector<double>>& rows);
std::shared_ptr<arrow::Table> Drivers(const std::vector<int64_t>& ids);
inline constexpr int64_t kHour = 3'600'000'000;
inline constexpr int64_t kMidnight = 1'795'132'800'000'000;  // 2026-11-20T00:00:00Z

}  // namespace salver
