// A feature store whose operations are log lines (salver/log.h): what is written, applied, kept and pulled. A
// retrieval logs itself when it runs; what serves online requests has the server's line.
#pragma once

#include <memory>

#include "salver/feature_store.h"

namespace salver {

std::unique_ptr<FeatureStore> NewLoggedFeatureStore(std::unique_ptr<FeatureStore> store);

}  // namespace salver
