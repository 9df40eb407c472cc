// Rows of keys, found as many at a time as a processor can wait for at once: they lie all over the map.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "online/lmdb/lmdb_environment.h"
#include "online/row_deadline.h"
#include "salver/online_store.h"

namespace salver {

class LmdbPoints {
 public:
  struct Row {
    size_t read, row;         // whose key it has
    std::string_view stored;  // lives as long as the transaction
  };
  // The keys of `reads`, those of each in the table of `tables` with its number. All of it must outlive this.
  LmdbPoints(const LmdbEnvironment& environment, const LmdbEnvironment::Reader& reader,
             std::span<const OnlineRead> reads, std::span<const MDB_dbi> tables, Deadline deadline)
      : environment_(environment), reader_(reader), reads_(reads), tables_(tables), deadline_(deadline) {}

  // Some more of the rows that are there, in the order of the keys; none at the end. They are gone with the
  // next call. Errors: DeadlineExceeded, those of LMDB.
  Result<std::span<const Row>> Next();

 private:
  static constexpr size_t kAtOnce = 16;

  const LmdbEnvironment& environment_;
  const LmdbEnvironment::Reader& reader_;
  const std::span<const OnlineRead> reads_;
  const std::span<const MDB_dbi> tables_;
  RowDeadline deadline_;
  size_t read_ = 0, row_ = 0;  // of the next key
  std::array<Row, kAtOnce> rows_;
  std::string scratch_;
};

}  // namespace salver
