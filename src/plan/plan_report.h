// What running a plan will read, as an engine knows before it runs, and what it did read. Printed beside the
// plan by ExecutionPlan::ToString.
#pragma once

#include <cstdint>
#include <vector>

namespace salver {

// The moments that entity rows ask for.
struct LabelTimes {
  int64_t rows = -1;                               // -1: not known yet
  int64_t min_us = INT64_MAX, max_us = INT64_MIN;  // of rows that have a time
};

struct PlanReport {
  // Bytes are as compressed in the files.
  struct Scan {
    int files = 0;
    int row_groups = 0, row_groups_needed = 0;  // the others hold no time that is asked for
    int64_t rows = 0, rows_needed = 0;
    int64_t bytes = 0;      // of keys and times in the row groups that are needed
    int64_t rows_kept = 0;  // after the run: rows of a key and a time that are asked for
  };
  struct Join {
    int row_groups = 0;   // that feature columns are read of: at most, before the run
    int64_t bytes = 0;    // of the feature columns in them
    int64_t matched = 0;  // after the run: entity rows with a match
  };
  struct Keys {
    int64_t distinct = 0;  // after the run
  };
  LabelTimes labels;
  std::vector<Scan> scans;  // as in the plan
  std::vector<Keys> keys;
  std::vector<Join> joins;

  bool ran = false;
  int threads = 0;
  int64_t open_us = 0, scan_us = 0, index_us = 0, join_us = 0, gather_us = 0;
  int64_t peak_bytes =
      0;  // memory of the process beyond what it had before; 0 where the system does not tell
};

}  // namespace salver
