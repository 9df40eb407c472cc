// The log of a Delta Lake table, as far as Salver writes and asks it itself; DuckDB's extension does the
// rest. Format: the Delta transaction protocol. A table is a folder of Parquet files and _delta_log/, where
// each commit is a file of JSON lines named by its version, 20 digits.
#pragma once

#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"
#include "salver/status.h"

namespace salver {

// What a `schemaString` holds. Errors: InvalidArgument for a type that Delta Lake has not (unsigned, time of
// day), naming the column. A timestamp without a zone is written as UTC.
Result<std::string> DeltaSchema(const arrow::Schema& schema);

// Makes an empty table at `path`: commit 0, durable once this returned OK.
// Errors: AlreadyExists when there is one; InvalidArgument as DeltaSchema.
Status CreateDeltaLog(Files* files, const std::string& path, const arrow::Schema& schema, int64_t now_us);

// A file of a table, as the log tells it.
struct DeltaFile {
  std::string name;  // within the table's folder
  std::string path;  // how the log writes the name; empty: as it is
  int64_t bytes = 0;
  int64_t rows = -1;  // -1: the log does not say
  int64_t min_event_us = INT64_MIN,
          max_event_us = INT64_MAX;  // of the rows' event times, where Salver wrote it
};

// What the commits up to one of them leave of a table.
struct DeltaVersion {
  int64_t number = -1;  // -1: no commit yet
  std::string table_id;
  std::string schema;     // its schemaString
  std::string meta_data;  // JSON of its metaData action
  int64_t writer_version = 2;
  bool append_only = false;
  int64_t committed_us = 0;
  size_t last_commit = 0;        // a hash of the text of commit `number`
  std::vector<DeltaFile> files;  // in the order of the commits that added them
};

// Applies the commits that follow `version` to it; OK when there are none. After an error it is as it was.
// Errors: Unimplemented for a table that asks more of its readers (partitions, deletion vectors, renamed
// columns); DataLoss for a commit that can not be read.
Status ReplayDeltaLog(Files* files, const std::string& path, DeltaVersion* version);

// Whether the log still has the commit that `version` ends with: a folder may have been removed and written
// anew.
bool HasDeltaVersion(Files* files, const std::string& path, const DeltaVersion& version);

struct DeltaCommit {
  std::string schema;  // schemaString; "", or one of the same columns: it stays
  std::vector<DeltaFile> removed;
  std::vector<DeltaFile> added;   // their bytes survive power loss
  std::string event_time_column;  // that min_event_us and max_event_us are of
};

// Commits on top of `before`. Survives power loss once this returned OK.
// Errors: AlreadyExists when somebody else committed since; Unimplemented for a table that asks more of its
// writers than Salver knows (change feeds, constraints), or that only takes more rows while some are to go.
// Nothing is changed then.
Status CommitToDelta(Files* files, const std::string& path, const DeltaVersion& before,
                     const DeltaCommit& commit, int64_t now_us);

// Errors: NotFound when there is no folder, FailedPrecondition when it is no table; `source` says who asks.
Status CheckDeltaTable(const std::string& path, const std::string& source);

// Everything written below `path` survives power loss once this returned OK.
Status SyncDeltaTable(const std::string& path);

}  // namespace salver
