// Views that are made of other rows, looked at when they are applied: their SQL is parsed and bound against
// the sources' columns, circles and missing columns are found before anything is registered.
#pragma once

#include <string>

#include "registry/definitions.h"
#include "salver/offline_store.h"

namespace salver {

// Adds a problem to `definitions` for each view by SQL or over other views that can not be computed. A source
// that is not there yet is none of this check's business.
void CheckSqlViews(const std::string& project, OfflineStore* offline, Definitions* definitions);

}  // namespace salver
