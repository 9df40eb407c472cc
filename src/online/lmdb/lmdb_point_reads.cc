#include "online/lmdb/lmdb_point_reads.h"

#include <array>
#include <cstddef>
#include <memory_resource>
#include <optional>
#include <vector>

#include "online/lmdb/lmdb_points.h"
#include "online/lmdb/lmdb_row_reader.h"

namespace salver {

Status ReadPoints(std::span<const OnlineRead> reads, std::span<const LmdbTables::TablePtr> of_reads,
                  const LmdbEnvironment& environment, const LmdbEnvironment::Reader& reader,
                  LmdbTables* tables, Deadline deadline, std::span<OnlineRows> answers) {
  std::array<std::byte, 256> few;  // requests for few views need no more
  std::pmr::monotonic_buffer_resource memory(few.data(), few.size());
  std::pmr::vector<MDB_dbi> of_rows(&memory);
  of_rows.reserve(of_reads.size());
  for (const LmdbTables::TablePtr& table : of_reads) of_rows.push_back(table->rows);
  LmdbPoints points(environment, reader, reads, of_rows, deadline);
  RowFiller filler(nullptr);
  std::optional<LmdbRowReader> rows;  // of the read before
  size_t rows_of = reads.size();
  for (;;) {
    SALVER_ASSIGN(const auto found, points.Next());
    if (found.empty()) return Status::OK();
    for (const LmdbPoints::Row& point : found) {
      if (rows_of != point.read) {
        rows_of = point.read;
        rows.emplace(tables, reader.get(), &reads[rows_of], of_reads[rows_of], &filler);
      }
      OnlineRows& answer = answers[point.read];
      SALVER_RETURN_NOT_OK(rows->Fill(answer.arena->Copy(point.stored), point.row, &answer));
    }
  }
}

}  // namespace salver
