// A Pipeline is a small graph of named steps that pass tables on: tables given, features written and read,
// functions.
//
//   Pipeline pipeline;
//   pipeline.Add(TableNode("raw", rows));
//   pipeline.Add(WriteFeaturesNode("store_stats", store, "driver_stats", "raw"));
//   pipeline.Add(ReadFeaturesNode("training", store, {"driver_stats:trips"}, "labels", {"store_stats"}));
//   auto tables = pipeline.Run();
//
// Nodes are data until they run, so another executor (a workflow engine) can take them over one by one: name,
// inputs, and a function of the inputs' tables.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "salver/materialized_feature_store.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

struct PipelineNode {
  using TablePtr = std::shared_ptr<arrow::Table>;
  std::string name;
  std::vector<std::string> inputs;  // nodes whose tables `run` gets, in this order
  std::vector<std::string> after;   // nodes that have to be done before, and whose tables are not wanted
  std::function<Result<TablePtr>(const std::vector<TablePtr>& inputs)> run;
};

PipelineNode TableNode(const std::string& name, std::shared_ptr<arrow::Table> table);
// Writes the table of `input_source` into the feature group, and passes it on.
PipelineNode WriteFeaturesNode(const std::string& name,
                               std::shared_ptr<MaterializedFeatureStore> feature_store,
                               const std::string& feature_group, const std::string& input_source,
                               const WriteOptions& options = {});
// Passes on the features of the entities in the table of `entity_ids_source`. `after`: the nodes that write
// what is read here.
PipelineNode ReadFeaturesNode(const std::string& name, std::shared_ptr<FeatureGroupReader> feature_store,
                              const std::vector<std::string>& feature_names,
                              const std::string& entity_ids_source,
                              const std::vector<std::string>& after = {});

class Pipeline {
 public:
  void Add(PipelineNode node) { nodes_.push_back(std::move(node)); }

  // The nodes in an order in which each comes after all it needs; where that leaves a choice, as they were
  // added. Errors: InvalidArgument (kMetadata) that lists every problem: two nodes of a name, inputs that are
  // no nodes (with
  //         the nearest name), cycles (with their path). Nothing has run then.
  Result<std::vector<std::string>> Order() const;

  // Runs all nodes, one after another, and returns their tables by name. The first error ends it; the message
  // begins with the node's name.
  Result<std::map<std::string, std::shared_ptr<arrow::Table>>> Run() const;

 private:
  std::vector<PipelineNode> nodes_;
};

}  // namespace salver
