#include "salver/pipeline.h"

#include <arrow/table.h>
#include <gtest/gtest.h>

#include "groups/group_fixture.h"

namespace salver {
namespace {

PipelineNode Node(const std::string& name, const std::vector<std::string>& inputs) {
  return {name, inputs, {}, [](const auto&) -> Result<PipelineNode::TablePtr> { return Drivers({}); }};
}

TEST(Pipeline, NodesRunAfterWhatTheyNeed) {
  GroupRepository repository;
  const std::shared_ptr<MaterializedFeatureStore> store = repository.Materialized();
  ASSERT_TRUE(store->RegisterFeatureGroup(DriverStats()).ok());
  Pipeline pipeline;
  pipeline.Add(ReadFeaturesNode("training", store, {"driver_stats:trips"}, "labels", {"write"}));
  pipeline.Add(WriteFeaturesNode("write", store, "driver_stats", "raw"));
  pipeline.Add(TableNode("labels", Drivers({1, 2})));
  pipeline.Add(TableNode("raw", DriverRows({{1, 0, 10, 4}})));
  EXPECT_EQ(*pipeline.Order(), (std::vector<std::string>{"labels", "raw", "write", "training"}));
  const auto tables = pipeline.Run();
  ASSERT_TRUE(tables.ok()) << tables.status().ToString();
  EXPECT_EQ(RowsText(*tables->at("training")), "1 | 10\n2 | null\n");
  EXPECT_EQ(tables->at("write")->num_rows(), 1);
}

TEST(Pipeline, AllThatIsWrongIsSaidBeforeAnythingRuns) {
  Pipeline pipeline;
  for (const auto& node : {Node("a", {"b"}), Node("b", {"c", "a"}), Node("c", {"rww"}), Node("raw", {}),
                           Node("raw", {}), Node("d", {"d"}), Node("e", {"missing"})}) {
    pipeline.Add(node);
  }
  const Status status = pipeline.Run().status();
  EXPECT_EQ(status.reason(), Reason::kMetadata);
  for (const char* part :
       {"two nodes are called \"raw\"", "node \"c\" needs \"rww\", which is no node. Did you mean \"raw\"?",
        "node \"e\" needs \"missing\"", "a cycle: a -> b -> a.", "a cycle: d -> d."}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << "no " << part << " in " << status.message();
  }
}

TEST(Pipeline, AnErrorNamesItsNodeAndKeepsItsReason) {
  GroupRepository repository;
  Pipeline pipeline;
  pipeline.Add(TableNode("raw", DriverRows({})));
  pipeline.Add(WriteFeaturesNode("write", repository.Materialized(), "driver_stats", "raw"));
  const Status status = pipeline.Run().status();
  EXPECT_EQ(status.reason(), Reason::kFeatureGroupNotFound);
  EXPECT_TRUE(status.message().starts_with("pipeline node \"write\": ")) << status.message();
}

}  // namespace
}  // namespace salver
