// What running a plan will read, as an engine knows before it runs, and what it did. Printed beside the plan
// by Explain.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace salver {

// The moments that entity rows ask for.
struct LabelTimes {
  int64_t rows = -1;                               // -1: not known yet
  int64_t min_us = INT64_MAX, max_us = INT64_MIN;  // of rows that have a time
};

// Of one node. What an engine does not know stays -1 and is not printed.
struct NodeReport {
  // Before the run. Bytes are as compressed in the files.
  int files = -1;
  int row_groups = -1, row_groups_needed = -1;  // the others hold no time or no key that is asked for
  int64_t rows = -1, rows_needed = -1;
  int64_t bytes = -1;  // of a Read: the columns that are not late; of a join: the late ones, at most
  // After the run.
  int64_t rows_in = -1, rows_out = -1;
  int64_t time_us = -1;  // of all threads together
  int64_t peak_bytes = -1;
  int64_t spilled_bytes = -1;  // written to disk because memory had a limit
};

struct PlanReport {
  LabelTimes labels;
  std::vector<NodeReport> nodes;  // one a node of the plan, in its order; empty: nothing is known

  bool ran = false;
  int threads = 0;
  std::vector<std::pair<std::string, int64_t>> steps;  // of the engine, one after another: name, microseconds
  int64_t peak_bytes = 0;     // memory of the process beyond what it had before; 0: the system does not tell
  int64_t spilled_bytes = 0;  // of the whole run
};

}  // namespace salver
