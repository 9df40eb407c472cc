// What the registry records of materialization: intervals and states of views.
#pragma once

#include <cstdint>
#include <string>

#include "salver/feature_view.h"
#include "salver/status.h"

namespace feast::core {
class Registry;
}

namespace salver {

// Records that the rows of [start, end] of a view are in the online store: joined with its interval set,
// state AVAILABLE_ONLINE. `rows_written` is added to the count of the interval that it becomes part of.
// Errors: NotFound (kViewNotFound) when the view has gone meanwhile; nothing is recorded then.
Status RecordInterval(const std::string& project, const std::string& view, TimeInterval interval,
                      int64_t rows_written, int64_t now_us, feast::core::Registry* registry);

}  // namespace salver
