// What a source names in the database, and the SQL that stands for it. Names are quoted and values are
// literals; a source's own query stands in brackets, in a statement that can only read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "offline/postgres/column_type.h"
#include "salver/data_source.h"
#include "salver/status.h"

namespace salver::postgres {

struct Relation {
  std::string subject;     // data source "drivers", for messages
  std::string table;       // quoted, perhaps with its schema; empty for a query
  std::string from;        // what follows FROM, with the alias `source`
  std::string plain_name;  // the table's own name, without quotes; empty for a query
};

// A table is written as in SQL: drivers, public.drivers, "My Table"; without quotes its letters are small, as
// the server has it. Errors: InvalidArgument (kBadSource) for a source with neither table nor query, and for
// a table that is no name.
Result<Relation> RelationOf(const DataSource& source);

// `source."a", source."b"`; "" for no columns.
std::string ColumnList(const std::vector<Column>& columns);

// A condition on the event column that leaves out rows outside [min_us, max_us] and may let some in; "" when
// there is nothing to leave out, or the column is no time.
std::string TimeCondition(const Column& column, int64_t min_us, int64_t max_us);

}  // namespace salver::postgres
