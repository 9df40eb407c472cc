#include "salver/pipeline.h"

#include <arrow/table.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "salver/log.h"

namespace salver {
namespace {

using TablePtr = PipelineNode::TablePtr;

std::vector<std::string> NeedsOf(const PipelineNode& node) {
  std::vector<std::string> needs = node.inputs;
  needs.insert(needs.end(), node.after.begin(), node.after.end());
  return needs;
}

class Sorter {
 public:
  explicit Sorter(const std::vector<PipelineNode>& nodes) : nodes_(nodes) {}

  Result<std::vector<std::string>> Run() {
    FindNames();
    for (const PipelineNode& node : nodes_) Visit(node);
    if (problems_.empty()) return order_;
    return Status::InvalidArgument("the pipeline can not run:" + problems_, Reason::kMetadata);
  }

 private:
  void Say(const std::string& problem) { problems_ += "\n  " + problem; }

  void FindNames() {
    std::vector<std::string> names;
    for (const PipelineNode& node : nodes_) {
      if (!by_name_.emplace(node.name, &node).second) {
        Say("two nodes are called \"" + node.name + "\". Rename one.");
      } else {
        names.push_back(node.name);
      }
    }
    for (const PipelineNode& node : nodes_) {
      for (const std::string& need : NeedsOf(node)) {
        if (!by_name_.contains(need))
          Say("node \"" + node.name + "\" needs \"" + need + "\", which is no node." +
              NearestNameHint(need, names));
      }
    }
  }

  void Visit(const PipelineNode& node) {
    if (done_.contains(node.name)) return;
    const auto open = std::find(path_.begin(), path_.end(), node.name);
    if (open != path_.end()) {
      std::string cycle;
      for (auto step = open; step != path_.end(); ++step) cycle += *step + " -> ";
      return Say("a cycle: " + cycle + node.name + ". Nothing can come before itself.");
    }
    path_.push_back(node.name);
    for (const std::string& need : NeedsOf(node)) {
      if (const auto found = by_name_.find(need); found != by_name_.end()) Visit(*found->second);
    }
    path_.pop_back();
    done_.insert(node.name);
    order_.push_back(node.name);
  }

  const std::vector<PipelineNode>& nodes_;
  std::map<std::string, const PipelineNode*> by_name_;
  std::set<std::string> done_;
  std::vector<std::string> path_, order_;
  std::string problems_;
};

}  // namespace

PipelineNode TableNode(const std::string& name, std::shared_ptr<arrow::Table> table) {
  return {name, {}, {}, [table](const std::vector<TablePtr>&) -> Result<TablePtr> { return table; }};
}

PipelineNode WriteFeaturesNode(const std::string& name,
                               std::shared_ptr<MaterializedFeatureStore> feature_store,
                               const std::string& feature_group, const std::string& input_source,
                               const WriteOptions& options) {
  return {name,
          {input_source},
          {},
          [feature_store, feature_group, options](const std::vector<TablePtr>& inputs) -> Result<TablePtr> {
            SALVER_RETURN_NOT_OK(feature_store->WriteFeatures(feature_group, *inputs[0], options).status());
            return inputs[0];
          }};
}

PipelineNode ReadFeaturesNode(const std::string& name, std::shared_ptr<FeatureGroupReader> feature_store,
                              const std::vector<std::string>& feature_names,
                              const std::string& entity_ids_source, const std::vector<std::string>& after) {
  return {
      name, {entity_ids_source}, after, [feature_store, feature_names](const std::vector<TablePtr>& inputs) {
        return feature_store->GetFeatures({.names = feature_names, .entity_ids = inputs[0]});
      }};
}

Result<std::vector<std::string>> Pipeline::Order() const {
  return Sorter(nodes_).Run();
}

Result<std::map<std::string, TablePtr>> Pipeline::Run() const {
  SALVER_ASSIGN(const auto order, Order());
  std::map<std::string, TablePtr> tables;
  for (const std::string& name : order) {
    const auto node =
        std::find_if(nodes_.begin(), nodes_.end(), [&](const PipelineNode& one) { return one.name == name; });
    std::vector<TablePtr> inputs;
    for (const std::string& input : node->inputs) inputs.push_back(tables.at(input));
    LogLine line(LogRoom::kGroups, "pipeline_node");
    line.Add("node", name);
    const auto table = node->run(inputs);
    if (table.ok()) line.Add("rows", (*table)->num_rows());
    line.End(table.status());
    if (!table.ok()) {
      return Status(table.status().code(), "pipeline node \"" + name + "\": " + table.status().message(),
                    table.status().reason());
    }
    tables[name] = *table;
  }
  return tables;
}

}  // namespace salver
