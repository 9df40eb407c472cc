// An Aggregation makes one value of a key's rows in a window of time: those with  t - window < event <= t for
// the moment t that is asked about. What each function means, to the last null, is in docs/aggregations.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "salver/status.h"
#include "salver/value_type.h"

namespace salver {

enum class AggregateFunction : uint8_t {
  kSum,
  kCount,
  kMean,
  kMin,
  kMax,
  kStd,  // of a sample, as kVar
  kVar,
  kFirst,
  kLast,
  kCountDistinct,
  kApproxQuantile,
};

struct AggregateKind {
  AggregateFunction function = AggregateFunction::kCount;
  int32_t quantile_ppm = 0;  // of kApproxQuantile, in millionths: 500000 is the median
};

// The kind that `function` names: sum, count, mean (avg), min, max, std (stddev, stddev_samp), var (variance,
// var_samp), first, last, count_distinct (nunique), approx_p50, approx_p99.9 and so on.
// Errors: InvalidArgument with the nearest name.
Result<AggregateKind> AggregateKindNamed(std::string_view function);

struct Aggregation {
  std::string column;     // as the feature view names the source's columns
  std::string function;   // as the definition has it
  int64_t window_us = 0;  // 0: all rows up to the moment
  int64_t slide_us = 0;   // as registered; answers are exact at every moment and do not depend on it
  std::string name;       // "": FeatureName derives it

  // The feature it fills: `name`, else as Feast names it, "sum_trips" and "sum_trips_86400s" with a window.
  std::string FeatureName() const;

  friend bool operator==(const Aggregation&, const Aggregation&) = default;
};

// The type of the values that a column of type `column` gives.
// Errors: InvalidArgument  the function is not for such columns; the message names both.
Result<ValueType> AggregateType(AggregateKind kind, ValueType column);

}  // namespace salver
