// An ExecutionPlan as this engine runs it: positions in place of node ids, nothing that is not needed to run.
//
//   scan    key and time columns of a source, once for all joins on it
//   keys    one encoding of the entity rows' keys, once for all joins on the same columns
//   join    scan x keys -> newest row per entity row, then only the pages that hold winners are read
//   windows scan x keys -> aggregates over windows that end with each entity row
//   latest  scan -> newest row of each key, for materialization
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "salver/execution_plan.h"
#include "salver/plan_report.h"

namespace salver {

struct ScanNode {
  DataSource source;
  std::string event_column;
  std::string created_column;           // empty: none
  std::optional<int64_t> look_back_us;  // as ReadNode::look_back_us
  // Rows of other keys than these may be left out. None: of all, or of more than one set of keys.
  struct Asked {
    size_t keys = 0;                   // of LoweredPlan::keys
    std::vector<std::string> columns;  // of the source, in order of the KeyNode's join_keys
  };
  std::optional<Asked> asked = {};
};

struct KeyNode {
  std::vector<std::string> entity_columns;  // columns of the entity rows, in order of `join_keys`
  std::vector<Field> join_keys;             // names are those of the view
};

struct JoinNode {
  using Output = FeatureOutput;
  size_t scan = 0;                       // of LoweredPlan::scans
  size_t keys = 0;                       // of LoweredPlan::keys
  std::string view;                      // for messages
  std::vector<std::string> key_columns;  // columns of the source, in order of the KeyNode's join_keys
  int64_t ttl_us = 0;
  bool created_cut = false;
  std::vector<Output> outputs;
};

struct AggregateStep {
  size_t scan = 0;                       // of LoweredPlan::scans
  size_t keys = 0;                       // of LoweredPlan::keys
  std::string view;                      // for messages
  std::vector<std::string> key_columns;  // columns of the source, in order of the KeyNode's join_keys
  bool created_cut = false;
  std::vector<AggregateNode::Column> columns;
};

struct LoweredPlan {
  std::string time_column;  // of the entity rows
  std::vector<ScanNode> scans;
  std::vector<KeyNode> keys;
  std::vector<JoinNode> joins;
  std::vector<AggregateStep> aggregates;
  size_t output_count = 0;
  // Positions in ExecutionPlan::nodes, for the report.
  std::vector<size_t> scan_nodes, key_nodes, join_nodes, aggregate_nodes;
};

// What to read of one source: rows of [start_us, end_us], both included, newest per key.
struct LatestRowsNode {
  ScanNode scan;
  std::vector<Field> join_keys;  // names of the columns in the source
  std::vector<Field> features;   // names of the columns in the source, in the view's order
  int64_t start_us = 0;
  int64_t end_us = 0;
  // Not empty: aggregates over windows that end at end_us in place of the newest rows; positions are those of
  // `features`, whose names are the outputs'.
  std::vector<AggregateNode::Column> aggregates;
};

// What a run of a LoweredPlan will read and what it did; lowering.h turns it into a PlanReport.
struct RunReport {
  // Bytes are as compressed in the files.
  struct Scan {
    int files = 0;
    int row_groups = 0, row_groups_needed = 0;  // the others hold no time that is asked for
    int64_t rows = 0, rows_needed = 0;
    int64_t bytes = 0;      // of keys and times in the row groups that are needed
    int64_t rows_kept = 0;  // after the run: rows of a key that is asked for
    int64_t time_us = -1;
  };
  struct Join {
    int row_groups = 0;   // that feature columns are read of: at most, before the run
    int64_t bytes = 0;    // of the feature columns in them
    int64_t matched = 0;  // after the run: entity rows with a match
    int64_t time_us = -1;
  };
  struct Keys {
    int64_t distinct = 0;  // after the run
    int64_t time_us = -1;
  };
  struct Aggregate {
    int row_groups = 0;     // that aggregated columns are read of
    int64_t bytes = 0;      // of those columns in them
    int64_t rows_kept = 0;  // after the run: rows of a key and a time that windows can hold
    int64_t time_us = -1;
  };
  LabelTimes labels;
  std::vector<Scan> scans;  // as in the plan
  std::vector<Keys> keys;
  std::vector<Join> joins;
  std::vector<Aggregate> aggregates;

  bool ran = false;
  int threads = 0;
  int64_t open_us = 0, scan_us = 0, index_us = 0, join_us = 0, gather_us = 0, aggregate_us = 0;
  // Memory of the process beyond what it had before; 0 where the system does not tell.
  int64_t peak_bytes = 0;
};

}  // namespace salver
