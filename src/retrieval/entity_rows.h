// Entity rows that are named instead of given: a file, or SQL.
#pragma once

#include <memory>
#include <string>

#include "salver/offline_store.h"
#include "salver/registry_snapshot.h"
#include "salver/status.h"

namespace salver {

// As HistoricalRequest::entity_source says. Join keys of the snapshot's views have their declared types in
// files that write none. Errors: those of OfflineStore::Open and Query.
Result<std::shared_ptr<arrow::Table>> ReadEntityRows(const std::string& file_or_sql,
                                                     const RegistrySnapshot& snapshot, OfflineStore* offline);

}  // namespace salver
