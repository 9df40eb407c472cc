#include "online/lmdb/lmdb_point_reads.h"

#include <array>
#include <optional>

#include "online/batch_rows.h"
#include "online/lmdb/lmdb_load.h"
#include "online/lmdb/lmdb_row_reader.h"
#include "online/row_deadline.h"

namespace salver {
namespace {

struct Point {
  size_t read, row;
  uint64_t hash;
};

// The keys of the reads one after the other, as many at a time as a processor can wait for at once: their
// rows lie all over the map.
class Points {
 public:
  Points(std::span<const OnlineRead> reads, std::span<const LmdbTables::TablePtr> tables,
         const LmdbRowPlaces& places)
      : reads_(reads), tables_(tables), places_(places) {}

  std::span<const Point> Next() {
    size_t count = 0;
    while (read_ < reads_.size() && count < points_.size()) {
      if (row_ == reads_[read_].keys.size()) {
        ++read_;
        row_ = 0;
        continue;
      }
      const std::string_view key = reads_[read_].keys[row_];
      if (!key.empty()) {
        const uint64_t hash = LmdbRowPlaces::Hash(tables_[read_]->rows, LmdbRowKey(key, &scratch_));
        places_.Prefetch(hash);
        points_[count++] = {read_, row_, hash};
      }
      ++row_;
    }
    for (size_t i = 0; i < count; ++i) places_.PrefetchRow(points_[i].hash);
    return {points_.data(), count};
  }

 private:
  const std::span<const OnlineRead> reads_;
  const std::span<const LmdbTables::TablePtr> tables_;
  const LmdbRowPlaces& places_;
  std::array<Point, 16> points_;
  size_t read_ = 0, row_ = 0;
  std::string scratch_;
};

}  // namespace

Status ReadPoints(std::span<const OnlineRead> reads, std::span<const LmdbTables::TablePtr> of_reads,
                  const LmdbEnvironment& environment, const LmdbEnvironment::Reader& reader,
                  LmdbTables* tables, Deadline deadline, std::span<OnlineRows> answers) {
  Points points(reads, of_reads, reader.places());
  RowDeadline row_deadline(deadline);
  RowFiller filler(nullptr);
  std::optional<LmdbRowReader> rows;  // of the read before
  size_t rows_of = reads.size();
  std::string scratch;
  for (;;) {
    const std::span<const Point> next = points.Next();
    if (next.empty()) return Status::OK();
    for (const Point& point : next) {
      const OnlineRead& read = reads[point.read];
      if (row_deadline.Passed()) return DeadlinePassed(*read.view, "reading");
      if (rows_of != point.read)
        rows.emplace(tables, reader.get(), &read, of_reads[rows_of = point.read], &filler);
      std::string_view stored;
      const int error = reader.Get(of_reads[point.read]->rows, LmdbRowKey(read.keys[point.row], &scratch),
                                   point.hash, &stored);
      if (error == MDB_NOTFOUND) continue;
      if (error != 0) return environment.Error("can not read", error);
      OnlineRows& answer = answers[point.read];
      SALVER_RETURN_NOT_OK(rows->Fill(answer.arena->Copy(stored), point.row, &answer));
    }
  }
}

}  // namespace salver
