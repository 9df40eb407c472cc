// The log of a Delta Lake table, as far as Salver writes and asks it itself; DuckDB's extension does the
// rest. Format: the Delta transaction protocol. A table is a folder of Parquet files and _delta_log/, where
// each commit is a file of JSON lines named by its version, 20 digits.
#pragma once

#include <arrow/type_fwd.h>

#include <string>

#include "base/files.h"
#include "salver/status.h"

namespace salver {

// What a `schemaString` holds. Errors: InvalidArgument for a type that Delta Lake has not (unsigned, time of
// day), naming the column. A timestamp without a zone is written as UTC.
Result<std::string> DeltaSchema(const arrow::Schema& schema);

// Makes an empty table at `path`: commit 0, durable once this returned OK.
// Errors: AlreadyExists when there is one; InvalidArgument as DeltaSchema.
Status CreateDeltaLog(Files* files, const std::string& path, const arrow::Schema& schema, int64_t now_us);

// Errors: NotFound when there is no folder, FailedPrecondition when it is no table; `source` says who asks.
Status CheckDeltaTable(const std::string& path, const std::string& source);

// Everything written below `path` survives power loss once this returned OK.
Status SyncDeltaTable(const std::string& path);

}  // namespace salver
