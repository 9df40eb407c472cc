// Plans from text, for tests: what ListText writes, read back.
#pragma once

#include <string>
#include <vector>

#include "salver/execution_plan.h"

namespace salver {

// A node a line. Throws std::invalid_argument, quoting the line that is none.
ExecutionPlan ReadPlan(const std::vector<std::string>& lines);

// "a:INT64,b": fields; the type is INVALID unless said.
std::vector<Field> ReadFields(const std::string& text);

// "1d", "90s"; "none" is 0. What DurationText writes.
int64_t ReadDuration(const std::string& text);

// The parts of `text` between `by`; none of an empty text.
std::vector<std::string> SplitText(const std::string& text, char by);

}  // namespace salver
