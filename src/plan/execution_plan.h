// An ExecutionPlan is what a historical retrieval will do, as a value: it can be printed, checked and
// compared before any engine runs it. It knows columns and times, not definitions of features.
//
//   scan    key and time columns of a source, once for all joins on it
//   keys    one encoding of the entity rows' keys, once for all joins on the same columns
//   join    scan x keys -> newest row per entity row, then only the pages that hold winners are read
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan_report.h"
#include "salver/data_source.h"
#include "salver/feature_view.h"

namespace salver {

struct ScanNode {
  DataSource source;
  std::string event_column;
  std::string created_column;  // empty: none
};

struct KeyNode {
  std::vector<std::string> entity_columns;  // columns of the entity rows, in order of `join_keys`
  std::vector<Field> join_keys;             // names are those of the view
};

struct JoinNode {
  struct Output {
    std::string source_column;
    Field field;          // name and type in the answer
    size_t position = 0;  // among the feature columns of the answer
  };
  size_t scan = 0;                       // of ExecutionPlan::scans
  size_t keys = 0;                       // of ExecutionPlan::keys
  std::string view;                      // for messages and printing
  std::vector<std::string> key_columns;  // columns of the source, in order of the KeyNode's join_keys
  int64_t ttl_us = 0;
  bool created_cut = false;
  std::vector<Output> outputs;
};

struct ExecutionPlan {
  std::string time_column;  // of the entity rows
  std::vector<ScanNode> scans;
  std::vector<KeyNode> keys;
  std::vector<JoinNode> joins;
  size_t output_count = 0;

  // A tree, a node a line; behind " | " what `report` (may be null) says of each.
  std::string ToString(const PlanReport* report) const;
};

}  // namespace salver
