#include "store/check_sql_views.h"

#include <gtest/gtest.h>

#include <fstream>

#include "offline/offline_stores.h"
#include "registry/definitions_yaml.h"
#include "test/test_folder.h"

namespace salver {
namespace {

class CountingStore final : public OfflineStore {
 public:
  explicit CountingStore(const std::string& folder) : store_(NewOfflineStores({.folder = folder})) {}
  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    ++schemas_read;
    return store_->ReadSchema(source);
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    ++opened;
    return store_->Open(source, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    return store_->Append(source, rows);
  }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override { return store_->Query(sql); }
  Result<std::shared_ptr<arrow::Schema>> DescribeSql(const SqlRequest& request) override {
    return store_->DescribeSql(request);
  }
  Result<std::string> SelectOf(const DataSource& source) override { return store_->SelectOf(source); }

  int schemas_read = 0, opened = 0;

 private:
  const std::unique_ptr<OfflineStore> store_;
};

// Sources of a large folder or of a far database take their time to say their columns.
TEST(CheckSqlViews, EachSourceIsLookedAtOnce) {
  const TestFolder folder;
  std::ofstream(folder.path() + "/trips.csv") << "id,ts,x\n1,2026-01-01T00:00:00Z,7\n";
  std::ofstream(folder.path() + "/definitions.yaml") << R"(
entities:
  - {name: driver, join_keys: [id], value_type: INT64}
sources:
  - {name: trips, path: trips.csv, timestamp_field: ts}
  - {name: gone, path: gone.csv, timestamp_field: ts}
feature_views:
  - {name: a, entities: [driver], schema: [{name: y, dtype: Int64}], source: trips, sql: "SELECT id, ts, x + 1 AS y FROM trips"}
  - {name: b, entities: [driver], schema: [{name: y, dtype: Int64}], source: trips, sql: "SELECT id, ts, z + 1 AS y FROM trips"}
  - {name: c, entities: [driver], schema: [{name: z, dtype: Int64}], source: gone, sql: "SELECT id, ts, z FROM gone"}
  - {name: d, entities: [driver], schema: [{name: z, dtype: Int64}], source: gone, sql: "SELECT id, ts, z FROM gone"}
)";
  Definitions definitions;
  ASSERT_TRUE(ReadYamlDefinitions(folder.path(), &definitions).ok());
  CountingStore store(folder.path());
  CheckSqlViews("test", &store, &definitions);
  EXPECT_EQ(store.schemas_read, 2);
  EXPECT_EQ(store.opened, 0);
  const std::string problems = definitions.ToStatus().ToString();
  EXPECT_NE(problems.find("column \"z\""), std::string::npos) << problems;
  EXPECT_EQ(problems.find("gone"), std::string::npos) << problems;
}

}  // namespace
}  // namespace salver
