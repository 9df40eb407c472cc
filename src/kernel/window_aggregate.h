// Aggregates over windows of time: for every label (key, t), every column and every function asked of it, one
// value of the rows of that key with
//   t - window < event <= t.
// Windows end with their label, to the microsecond; a window of 0 has no lower bound. Nulls are skipped; a
// window without a value counts 0 and is otherwise null. What each function answers is in
// docs/aggregations.md, and held by a brute-force oracle and test/cases/windows/*.test. The answer depends on
// the rows alone, not on threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernel/key_runs.h"
#include "salver/aggregation.h"
#include "salver/status.h"

namespace arrow {
class Array;
}

namespace salver {

struct WindowFunction {
  AggregateKind kind;
  int64_t window_us = 0;
};

struct WindowColumn {
  std::string what;                      // "data source \"trips\", column \"fare\"", for messages
  std::shared_ptr<arrow::Array> values;  // one for each row of the KeyRuns, in its order
  std::vector<WindowFunction> functions;
};

// N labels: ids of KeyDictionary (-1 matches nothing) and UTC microseconds (kNoTime matches nothing), in any
// order.
struct WindowLabels {
  std::span<const int32_t> keys;
  std::span<const int64_t> times;
  std::span<const int64_t> rows = {};  // what messages call them; empty: their place here
};

struct WindowOptions {
  bool created_cut =
      false;  // rows created after `t` are not seen; nothing to do with a source without created times
  int threads = 0;
  const std::atomic<bool>* cancelled = nullptr;  // may be null
};

// Answers by column and function, N values each: sum and mean, std, var as AggregateType says, the others of
// the column's type. Per key O((rows + labels) log rows) for a function, and O(rows in the window) for a
// label that the created cut hides a row from. Memory beside the arguments: 9 bytes a label and answer, 16 a
// label, and a few times the rows of the largest key a thread. Errors: InvalidArgument (kBadFeatureValue)  a
// column of a type that a function is not for, or a sum of integers
//         beyond INT64; the message names the column. Cancelled.
Result<std::vector<std::vector<std::shared_ptr<arrow::Array>>>> AggregateWindows(
    const KeyRuns& rows, std::span<const WindowColumn> columns, const WindowLabels& labels,
    const WindowOptions& options);

}  // namespace salver
