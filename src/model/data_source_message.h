// A feast.core.DataSource as the value that the rest of the code reads.
#pragma once

#include <string>

#include "salver/data_source.h"

namespace feast::core {
class DataSource;
class DataSource_FileOptions;
}  // namespace feast::core

namespace salver {

DataSource DataSourceOf(const feast::core::DataSource& message);

// Makes `message` Feast's PostgreSQLSource of a table or a query: a custom source, whose options are JSON.
void SetPostgresSource(const std::string& table, const std::string& query, feast::core::DataSource* message);

// Path, format and options of a file source as its message.
feast::core::DataSource_FileOptions FileOptionsOf(const DataSource& source);

}  // namespace salver
