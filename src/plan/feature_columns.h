// A view's columns as its source has them: field_mapping (source column -> name in the view) turned around.
#pragma once

#include <string>

#include "salver/feature_view.h"

namespace salver {

// The source column that `name` of the view is read from.
std::string SourceColumn(const DataSource& source, const std::string& name);

// The field with its name replaced by that of the source column.
Field SourceField(const DataSource& source, Field field);

}  // namespace salver
