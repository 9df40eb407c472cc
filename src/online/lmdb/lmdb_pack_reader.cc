#include "online/lmdb/lmdb_pack_reader.h"

#include <algorithm>

#include "online/lmdb/lmdb_points.h"
#include "online/lmdb/lmdb_row_reader.h"

namespace salver {

bool LmdbPackReader::FindViews() {
  found_.reserve(reads_.size());
  if (!tables_->FindOpen(reads_, &found_)) return false;
  places_.resize(reads_.size());
  const auto& views = pack_->views;
  for (size_t i = 0; i < reads_.size(); ++i) {
    const auto is_view = [&](const LmdbPack::View& view) { return view.table == found_[i]->id; };
    size_t place = i;  // the usual case: in the same order
    if (place >= views.size() || !is_view(views[place]))
      place = static_cast<size_t>(std::find_if(views.begin(), views.end(), is_view) - views.begin());
    if (place == views.size()) return false;
    places_[i] = place;
  }
  return true;
}

Status LmdbPackReader::CopyRows(Deadline deadline, ByteArena* arena, std::span<std::string_view> rows) const {
  const size_t keys = reads_[0].keys.size();
  LmdbPoints points(*environment_, *reader_, reads_.first(1), {&pack_->rows, 1}, deadline);
  std::vector<std::string_view> of_key;
  for (;;) {
    SALVER_ASSIGN(const auto found, points.Next());
    if (found.empty()) return Status::OK();
    for (const LmdbPoints::Row& point : found) {
      if (!SplitPackRow(arena->Copy(point.stored), pack_->views.size(), &of_key)) {
        return Status::DataLoss("feature service \"" + pack_->name +
                                "\": a precomputed row can not be decoded. Apply the service without "
                                "precompute_online, then with it.");
      }
      for (size_t i = 0; i < reads_.size(); ++i) rows[i * keys + point.row] = of_key[places_[i]];
    }
  }
}

Result<std::vector<OnlineRows>> LmdbPackReader::Read(Deadline deadline) {
  const auto arena = std::make_shared<ByteArena>();
  const size_t keys = reads_[0].keys.size();
  std::vector<std::string_view> stored(keys * reads_.size());
  SALVER_RETURN_NOT_OK(CopyRows(deadline, arena.get(), stored));
  std::vector<OnlineRows> answers;
  answers.reserve(reads_.size());
  RowFiller filler(nullptr);
  for (size_t i = 0; i < reads_.size(); ++i) {
    OnlineRows& rows = answers.emplace_back(OnlineRows::Absent(keys, reads_[i].columns.size(), arena));
    LmdbRowReader reader(tables_, reader_->get(), &reads_[i], std::move(found_[i]), &filler);
    for (size_t row = 0; row < keys; ++row) {
      const std::string_view bytes = stored[i * keys + row];
      if (!bytes.empty()) SALVER_RETURN_NOT_OK(reader.Fill(bytes, row, &rows));
    }
  }
  return answers;
}

}  // namespace salver
