// An ExecutionPlan is what a retrieval or a materialization will do, as a value: a graph of nodes that can be
// printed, checked, rewritten and compared before an engine runs it. It knows sources, columns, keys and
// times; what a feature view is stays above it, but for names in messages.
//
//   historical retrieval   Gather( PointInTimeJoin(EncodeKeys, Read), Aggregate(EncodeKeys,
//   SqlTransform(Read)), ... ) materialization        NewestRows( Read | SqlTransform | Aggregate )
//
// FeatureBuilder (src/plan/feature_builder.h) makes a plan a view at a time; the optimiser's rules make of it
// one plan for all of them. The guide for engines is docs/compute-engines.md.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "salver/data_source.h"
#include "salver/feature_view.h"

namespace salver {

// Names a node of one plan. It stays with the node when rules rewrite the plan.
using NodeId = int;

// ReadNode::look_back_us without a lower bound.
inline constexpr int64_t kNoLowerBound = std::numeric_limits<int64_t>::max();

// Rows of a source. Inputs: none, or the EncodeKeys nodes whose keys are asked for.
struct ReadNode {
  DataSource source;
  std::string event_column;
  std::string created_column;        // empty: none
  std::vector<std::string> columns;  // of the source, times among them; empty: all
  // Those of `columns` that are needed of few rows only: the ones that a join or NewestRows picks.
  std::vector<std::string> late_columns;
  // Rows that may be left out: event times before the first label's less this, and after the last label's.
  // None: all are read.
  std::optional<int64_t> look_back_us;
  // Rows that may be left out: event times outside [min_event_us, max_event_us].
  int64_t min_event_us = std::numeric_limits<int64_t>::min();
  int64_t max_event_us = std::numeric_limits<int64_t>::max();
  // Rows that may be left out: those whose key is in none of the inputs. One list of source columns an
  // input, in order of its join keys. Empty: rows of all keys are read.
  std::vector<std::vector<std::string>> asked_keys;
};

// Rows that SQL makes of its inputs' rows.
struct SqlTransformNode {
  struct Input {
    std::string name;  // of the table that the SQL sees
    // Column of the input and the name that the SQL sees it under; empty: all, as they are.
    std::vector<std::pair<std::string, std::string>> columns;
  };
  std::string view;  // whose rows these are
  std::string sql;
  std::vector<Input> tables;   // one an input of the node
  std::vector<Field> output;   // join keys and features, as the view declares them
  std::string event_column;    // of the rows that come out
  std::string created_column;  // empty: none
};

// Entity rows' keys, encoded. No inputs.
struct EncodeKeysNode {
  std::vector<std::string> entity_columns;  // columns of the entity rows, in order of `join_keys`
  std::vector<Field> join_keys;             // names are those of the view; none: an entityless view
};

// A feature column of the answer.
struct FeatureOutput {
  std::string source_column;  // of the rows that come in
  Field field;                // name and type in the answer
  size_t position = 0;        // among the feature columns of the answer
};

// The newest row of each entity row's key, at its time. Inputs: EncodeKeys; rows (Read or SqlTransform).
struct PointInTimeJoinNode {
  std::string view;                      // for messages and printing
  std::vector<std::string> key_columns;  // of the rows, in order of the EncodeKeys' join_keys
  int64_t ttl_us = 0;                    // 0: no lower bound
  bool created_cut = false;              // rows created after the label's time are not seen
  std::vector<FeatureOutput> outputs;
};

// Aggregates over windows of time that end at each entity row's time t: t - window_us < event <= t.
// Inputs: EncodeKeys; rows (Read or SqlTransform). With `at` only rows, and then the windows end with it:
// rows come out, one for each key that has a row since the longest window before at->start_us, with the key
// columns, event time at->end_us, and the outputs by name.
struct AggregateNode {
  struct Column {
    std::string function;   // as Aggregation::function
    int64_t window_us = 0;  // 0: all of the past
    FeatureOutput output;
  };
  std::string view;
  std::vector<std::string> key_columns;  // of the rows
  bool created_cut = false;
  std::vector<Column> columns;
  std::optional<TimeInterval> at;
};

// The entity rows with the feature columns of all inputs after them, in order of position. The answer of a
// historical retrieval. Inputs: PointInTimeJoin and Aggregate nodes.
struct GatherNode {
  std::string time_column;  // of the entity rows
  size_t output_count = 0;
};

// The newest row of each key with an event time in [start_us, end_us]. The answer of a materialization.
// Input: rows.
struct NewestRowsNode {
  std::string view;
  std::vector<Field> join_keys;  // names are columns of the rows
  std::vector<Field> features;   // names are columns of the rows, in order of the view
  int64_t start_us = 0;
  int64_t end_us = 0;
};

struct DAGNode {
  using Payload = std::variant<ReadNode, SqlTransformNode, EncodeKeysNode, PointInTimeJoinNode, AggregateNode,
                               GatherNode, NewestRowsNode>;
  NodeId id = 0;
  std::vector<NodeId> inputs;
  Payload payload;

  template <typename Node>
  const Node* As() const {
    return std::get_if<Node>(&payload);
  }
  template <typename Node>
  Node* As() {
    return std::get_if<Node>(&payload);
  }
};

// "Read", "PointInTimeJoin", ...
const char* KindName(const DAGNode& node);

struct ExecutionPlan {
  std::vector<DAGNode> nodes;  // a node comes after its inputs; the last one is the answer

  // Null when there is none.
  const DAGNode* Find(NodeId id) const;
  DAGNode* Find(NodeId id);
  // In order of the plan.
  std::vector<const DAGNode*> UsersOf(NodeId id) const;
  // Adds a node at the end, and says its id.
  NodeId Add(std::vector<NodeId> inputs, DAGNode::Payload payload);
};

}  // namespace salver
