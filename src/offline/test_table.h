// Rows of a test as a table of its PostgreSQL server.
#pragma once

#include <string>

#include "postgres/test_postgres.h"

namespace arrow {
class Table;
}

namespace salver {

// Creates the table and fills it: column types as DeclaredType says. What goes wrong ends the program.
void LoadTestTable(TestPostgres* server, const std::string& schema, const std::string& table,
                   const arrow::Table& rows);

}  // namespace salver
