// The SqlTransform nodes of a plan as sources: to the rest of the engine their rows are rows like others.
// Every other source is passed on.
//
// A transform becomes one SELECT. Its inputs are named in a WITH around it: sources that DuckDB can read are
// read by it, with what the SQL lets through pushed to their scans; transforms that only this one uses are
// written in; rows of other sources are read first. A transform with several users is computed once, whole,
// and kept while the run lives.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "salver/execution_plan.h"
#include "salver/offline_store.h"

namespace salver {

class SqlRows final : public OfflineStore {
 public:
  // Both outlive this.
  SqlRows(const ExecutionPlan& plan, OfflineStore* offline) : plan_(plan), offline_(offline) {}

  // The source that stands for a SqlTransform node.
  static DataSource SourceOf(const DAGNode& node);

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override;
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override;
  Status Append(const DataSource& source, const arrow::Table& rows) override;
  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override {
    return offline_->Query(sql);
  }

 private:
  using TablePtr = std::shared_ptr<arrow::Table>;

  const DAGNode* NodeOf(const DataSource& source) const;
  bool IsShared(const DAGNode& node) const;
  // A SELECT of the node's rows; tables that it names go to `request`. `only_types`: tables without rows do.
  Result<std::string> SelectRows(const DAGNode& node, bool only_types, SqlRequest* request);
  Result<std::string> SelectInput(const DAGNode& node, size_t input, bool only_types, SqlRequest* request);
  Result<TablePtr> ReadRows(const DAGNode& node, bool only_types, const std::atomic<bool>* cancelled);
  Result<TablePtr> SharedRows(const DAGNode& node, const std::atomic<bool>* cancelled);
  // The node's own SQL around its inputs, whether it is shared or not.
  Result<SqlRequest> Transform(const DAGNode& node, bool only_types, const std::atomic<bool>* cancelled);

  const ExecutionPlan& plan_;
  OfflineStore* const offline_;
  std::mutex mutex_;
  std::map<NodeId, TablePtr> shared_;
};

}  // namespace salver
