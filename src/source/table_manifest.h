// A table of Parquet files that changes: the files that a manifest in their folder names, and no others. A
// commit is the replacement of the manifest, so a reader sees the table before a write or after, and a killed
// write leaves files that nobody reads.
//
// _manifest.json is the JSON of salver.proto.TableManifest, a line, and the XXH3-64 of that line in
// hexadecimal.
#pragma once

#include <string>

#include "base/files.h"
#include "salver/TableManifest.pb.h"
#include "salver/status.h"

namespace salver {

inline constexpr char kTableManifest[] = "_manifest.json";

// Errors: NotFound when the folder has none; DataLoss for a damaged one.
Result<proto::TableManifest> ReadTableManifest(Files* files, const std::string& folder);
// Survives power loss when it returns OK; after an error the folder has the manifest of before (ReplaceFile).
Status WriteTableManifest(Files* files, const std::string& folder, const proto::TableManifest& manifest);

}  // namespace salver
