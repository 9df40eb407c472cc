// Features that are aggregates over time windows: reads the rows that the windows hold, and asks the kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/lowered_plan.h"
#include "kernel/key_dictionary.h"
#include "kernel/window_aggregate.h"
#include "salver/compute_engine.h"
#include "salver/source_reader.h"
#include "salver/status.h"

namespace salver {

// The rows that windows are taken of.
struct WindowSource {
  SourceReader* reader = nullptr;
  const ScanNode* scan = nullptr;
  std::vector<Field> keys;         // names are columns of the source
  int64_t min_us = 0, max_us = 0;  // event times that any window holds, both included
};

struct WindowWork {
  int64_t rows_kept = 0;  // of a key and a time that are asked for
  int row_groups = 0;     // that values are read of
  int64_t bytes = 0;      // of values in them, as compressed
  int64_t index_us = 0, read_us = 0, aggregate_us = 0;
};

// One array for each of `columns`, of its field's type, a value a label.
//   dictionary, labels  the keys that are asked for, and of whom when; created_cut as in WindowOptions.
// Holds the rows of the windows in memory: 32 bytes each at most (48 with created times) and 9 a value
// column. What would pass half of the memory limit is done a share of the keys at a time, each of which reads
// the source again. Errors: as AggregateWindows and the source; Cancelled.
Result<std::vector<std::shared_ptr<arrow::Array>>> AggregateFeatures(
    const WindowSource& source, const KeyDictionary& dictionary, const WindowLabels& labels, bool created_cut,
    std::span<const AggregateNode::Column> columns, const ExecutionContext& context, WindowWork* work);

// The longest window of `columns`, microseconds; 0 when one of them has no lower bound.
int64_t LongestWindow(std::span<const AggregateNode::Column> columns);

// The earliest event time in a window that ends at `at_us` and is `window_us` long (0: without bound).
int64_t WindowStart(int64_t at_us, int64_t window_us);

}  // namespace salver
