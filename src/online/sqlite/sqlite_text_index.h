// The words of a view's text features, in an FTS5 table beside Feast's: {project}_{view}:text, with a column
// a feature and the entity key. Triggers on Feast's table keep it in step, so it follows whoever writes the
// file, Feast too. Its rows have the rowid of the entity's first text feature.
#pragma once

#include <string>

#include "online/sqlite/sqlite_connection.h"
#include "salver/feature_view.h"

namespace salver {

// The FTS5 table of a view's table, as SQL.
std::string SqliteTextTable(const std::string& table_name);

// In a write transaction: makes it and fills it with the rows that are there, unless it is there for the same
// features; without `wanted`, and for a view without text features, removes it.
Status FitSqliteTextIndex(SqliteConnection* connection, const std::string& table_name,
                          const FeatureView& view, bool wanted);

}  // namespace salver
