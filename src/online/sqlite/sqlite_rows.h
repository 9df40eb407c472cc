// Reads rows of one view in Feast's layout: for each key the features that are stored of it, matched by name.
#pragma once

#include <string>

#include "online/row_deadline.h"
#include "online/sqlite/sqlite_connection.h"
#include "online/sqlite/sqlite_row_cache.h"
#include "salver/online_store.h"

namespace salver {

// Fills the absent `rows`, within the transaction that is open, from its share of the cache where they are
// there. No statement is left running, so the transaction can end, whatever is returned. Errors: NotFound
// (kViewNotFound); DataLoss; Unavailable; DeadlineExceeded.
Status ReadSqliteRows(SqliteConnection* connection, const std::string& project, const OnlineRead& read,
                      RowDeadline* deadline, SqliteRowCache::Share* share, OnlineRows* rows);

}  // namespace salver
