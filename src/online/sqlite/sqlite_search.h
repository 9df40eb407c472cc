// A search of one view in SQLite: every row's vector, or those rows that hold the words.
#pragma once

#include "online/nearest_rows.h"
#include "online/sqlite/sqlite_connection.h"
#include "salver/deadline.h"

namespace salver {

// Offers rows of the table called `table_name` to `nearest`, within the transaction that is open.
// Errors: NotFound (kViewNotFound); FailedPrecondition where the words of the view are not kept;
// InvalidArgument for a text that is no FTS5 query; DataLoss; DeadlineExceeded.
Status SearchSqlite(SqliteConnection* connection, const std::string& table_name, const OnlineSearch& search,
                    NearestRows* nearest, Deadline deadline);

}  // namespace salver
