// Reports as JSON, the same for the command and for Python.
#pragma once

#include <string>

#include "salver/feature_store.h"

namespace salver {

// {"views": [{"name", "start", "end", "rows_read", "rows_written", "rows_older"}...]}
std::string ToJson(const MaterializeReport& report);

}  // namespace salver
