// The rows of keys, of several views, within one read transaction.
#pragma once

#include <span>

#include "online/lmdb/lmdb_environment.h"
#include "online/lmdb/lmdb_tables.h"
#include "salver/deadline.h"
#include "salver/online_store.h"

namespace salver {

// `answers`, one a read and all of it absent, become what is stored; their bytes are copied into their
// arenas. `of_reads` are the tables of the reads as the transaction knows them. Errors: DataLoss,
// DeadlineExceeded, those of LMDB.
Status ReadPoints(std::span<const OnlineRead> reads, std::span<const LmdbTables::TablePtr> of_reads,
                  const LmdbEnvironment& environment, const LmdbEnvironment::Reader& reader,
                  LmdbTables* tables, Deadline deadline, std::span<OnlineRows> answers);

}  // namespace salver
