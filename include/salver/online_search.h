// A search on an OnlineStore: the rows of one view that are nearest to a vector, or that hold words, or both,
// among those that a filter lets through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "salver/feature_view.h"
#include "salver/online_rows.h"
#include "salver/status.h"

namespace salver {

// How far two vectors are from each other. Smaller is nearer for all of them:
//   kL2             the Euclidean distance (its root is taken)
//   kCosine         1 - the cosine of the angle between them; 1 when either has no length
//   kInnerProduct   the inner product, negated
enum class DistanceMetric { kL2, kCosine, kInnerProduct };

// "l2", "cosine", "inner_product".
const char* DistanceMetricName(DistanceMetric metric);
// In any case, and with the names that are in use beside these: euclidean, ip, dot, dot_product.
// Errors: InvalidArgument with the nearest name.
Result<DistanceMetric> DistanceMetricNamed(std::string_view name);

// Which rows of a view may be found. A comparison with a feature that is null is false, whichever it is.
struct RowFilter {
  enum class Kind {
    kAnd,  // all of `parts`; true when there are none
    kOr,   // one of `parts`; true when there are none
    kEqual,
    kNotEqual,
    kGreater,
    kGreaterEqual,
    kLess,
    kLessEqual,
    kIn,     // one of `values`
    kNotIn,  // none of `values`
  };
  // Numbers and booleans (0 and 1) compare with features that are numbers, booleans or times (seconds since
  // 1970); text with features that are text, by bytes.
  using Value = std::variant<bool, int64_t, double, std::string>;

  Kind kind = Kind::kAnd;
  std::string feature;        // of a comparison
  std::vector<Value> values;  // of a comparison: one, but for kIn and kNotIn
  std::vector<RowFilter> parts;
};

struct OnlineSearch {
  const FeatureView* view = nullptr;
  // Nearest first. Empty: no vector is asked for. Features are looked at whose vector has as many elements,
  // all of them finite; other rows are not found.
  std::span<const float> query;
  ColumnId vector_column = 0;  // a FLOAT_LIST or DOUBLE_LIST feature of `view`
  DistanceMetric metric = DistanceMetric::kL2;
  // Words that a row's text features must hold, in the query language of SQLite's FTS5; "": any row. Without
  // a vector the best match comes first.
  std::string_view text;
  size_t top_k = 0;                     // at most so many rows
  const RowFilter* filter = nullptr;    // null: every row
  int64_t oldest_event_us = INT64_MIN;  // rows before it are not found
  std::span<const ColumnId> columns;    // to answer; empty means none
};

// What was found: H <= top_k rows, the best first; of equal ones the smaller key first.
struct OnlineHits {
  std::vector<std::string> keys;   // encoded entity keys
  std::vector<double> distances;   // by the metric; empty without a vector
  std::vector<double> text_ranks;  // BM25 as SQLite has it, smaller is better; empty without text
  OnlineRows rows;                 // H rows of the columns asked for
};

}  // namespace salver
