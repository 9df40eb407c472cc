// Which files a feature group's table consists of, and how that changes: a manifest of Salver's own, or the
// log of a Delta Lake table.
//
// Thread safety: all methods from any thread; a commit while the table's lock is held.
#pragma once

#include <arrow/type_fwd.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "salver/TableManifest.pb.h"
#include "salver/status.h"

namespace salver {

using Manifest = proto::TableManifest;
using ManifestPtr = std::shared_ptr<const Manifest>;

class TableLog {
 public:
  virtual ~TableLog() = default;
  // What the table consists of now; without files when it was never written. Costs a look at one file when
  // nothing was committed since the last time, unless `again` asks to trust nothing that was kept.
  virtual Result<ManifestPtr> Read(bool again) = 0;
  // For a file that `next` will name. No commit named it before.
  virtual std::string NewFileName(Manifest* next) = 0;
  // Makes `next` (files and next_file are set; this sets the rest) what the table consists of. Survives power
  // loss once it returned OK; `before` stays after an error.
  //   schema  of the table's rows from here on
  // Errors: AlreadyExists when another program committed since `before` was read.
  virtual Status Commit(const Manifest& before, const arrow::Schema& schema, Manifest* next) = 0;
};

// format "parquet": _manifest.json in `folder` (source/table_manifest.h); files that a commit drops are
// removed. format "delta": folder/_delta_log; files stay for those who read older versions, until a VACUUM of
// Delta's tools.
//   time_column  whose range each file has in the log
std::unique_ptr<TableLog> NewTableLog(const std::string& format, std::string folder, std::string time_column,
                                      Files* files, Clock* clock);

// Of one format each.
std::unique_ptr<TableLog> NewManifestLog(std::string folder, Files* files, Clock* clock);
std::unique_ptr<TableLog> NewDeltaTableLog(std::string folder, std::string time_column, Files* files,
                                           Clock* clock);

}  // namespace salver
