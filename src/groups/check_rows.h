// CheckRows with other words before the problems: for rows that are computed, not written.
#pragma once

#include <memory>
#include <string>

#include "salver/feature_schema.h"

namespace salver {

// `intro` ends with what became of the rows: "feature group ...: the rows do not fit ...".
Result<std::shared_ptr<arrow::Table>> CheckRowsSaying(const std::string& intro,
                                                      const FeatureGroupSchema& schema,
                                                      const arrow::Table& rows);

}  // namespace salver
