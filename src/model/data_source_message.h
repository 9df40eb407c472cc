// A feast.core.DataSource as the value that the rest of the code reads.
#pragma once

#include "salver/data_source.h"

namespace feast::core {
class DataSource;
}

namespace salver {

DataSource DataSourceOf(const feast::core::DataSource& message);

}  // namespace salver
