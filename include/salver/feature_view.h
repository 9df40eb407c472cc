// A FeatureView is a named group of features over a source, entities and a ttl. Immutable after validation:
// RegistrySnapshot makes it, everything else reads it through shared_ptr<const FeatureView>.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "salver/aggregation.h"
#include "salver/data_source.h"
#include "salver/value_type.h"

namespace salver {

// A typed column: a feature or a join key.
struct Field {
  std::string name;
  ValueType type = ValueType::kInvalid;
  std::string description;
  std::map<std::string, std::string> tags;  // "feast:struct_schema" holds a STRUCT's fields
  bool vector_index = false;                // rows are searched by this vector
  int vector_length = 0;                    // elements of each; 0: not said
  std::string vector_search_metric;         // online_search.h has the names; "": the caller's

  // The tag "feast:struct_schema", or "" when there is none.
  std::string_view struct_schema() const;
};

// Half-open in meaning, closed in Feast's messages: [start_us, end_us], UTC microseconds.
struct TimeInterval {
  int64_t start_us = 0;
  int64_t end_us = 0;
  friend bool operator==(const TimeInterval&, const TimeInterval&) = default;
};

enum class FeatureViewKind { kFeature, kStream, kLabel, kOnDemand };

// Numbers of feast.core.FeatureViewState.
enum class FeatureViewState {
  kUnspecified = 0,
  kCreated = 1,
  kGenerated = 2,
  kMaterializing = 3,
  kAvailableOnline = 4
};
const char* FeatureViewStateName(FeatureViewState state);

struct FeatureView {
  std::string name;
  std::string project;
  FeatureViewKind kind = FeatureViewKind::kFeature;
  std::vector<std::string> entities;  // names; empty for an entityless view
  std::vector<Field> join_keys;       // in order of the entities; empty for an entityless view
  std::vector<Field> features;        // position is the ColumnId
  int64_t ttl_us = 0;                 // 0: no lower bound
  bool online = true;
  bool enabled = true;
  FeatureViewState state = FeatureViewState::kUnspecified;
  std::optional<DataSource> batch_source;   // where history is read; the push source's batch source too
  std::optional<DataSource> stream_source;  // push or stream source
  std::vector<TimeInterval> materialized;   // sorted, disjoint
  int version_number = 0;
  bool has_transformation = false;        // other than SQL, on top of the source: not run by this release
  std::vector<std::string> source_views;  // views whose rows this one is made of; empty: of batch_source
  std::string sql;                        // makes this view's rows of its sources' rows; empty: none
  std::vector<Aggregation> aggregations;  // a feature each; empty: features are columns
  std::map<std::string, std::string> tags;
  std::string description;
  std::string owner;
  int64_t created_us = 0;
  int64_t last_updated_us = 0;

  bool entityless() const { return join_keys.empty(); }
  // Position of the feature with a vector index, of which there is one at most; or -1.
  int FindVector() const;
  // Position of `feature` in features, or -1.
  int FindFeature(std::string_view feature) const;
};

// Feast's stand-in for "no entity": entity "__dummy" with STRING join key "__dummy_id" and value "".
inline constexpr std::string_view kDummyEntityName = "__dummy";
inline constexpr std::string_view kDummyJoinKey = "__dummy_id";

using ColumnId = uint32_t;

}  // namespace salver
