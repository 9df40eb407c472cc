#include "engine/spilled_rows.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace salver {
namespace {

template <typename T>
void AppendValues(const LargeVector<T>& values, std::span<const uint32_t> chosen, std::string* bytes) {
  for (const uint32_t i : chosen) bytes->append(reinterpret_cast<const char*>(&values[i]), sizeof(T));
}

template <typename T>
std::span<char> Grow(size_t count, LargeVector<T>* values) {
  values->resize(values->size() + count);
  return {reinterpret_cast<char*>(values->data() + values->size() - count), count * sizeof(T)};
}

}  // namespace

Result<std::unique_ptr<SpilledRows>> SpilledRows::Make(Files* files, const std::string& folder,
                                                       int32_t key_count) {
  SALVER_ASSIGN(auto file, files->CreateTemporary(folder));
  return std::unique_ptr<SpilledRows>(new SpilledRows(std::move(file), key_count));
}

int32_t SpilledRows::FirstKey(size_t range) const {
  return static_cast<int32_t>((static_cast<int64_t>(key_count_) * static_cast<int64_t>(range) + kRanges - 1) /
                              static_cast<int64_t>(kRanges));
}

Status SpilledRows::Add(size_t part, const BuildRows& rows) {
  const auto range_of = [this](int32_t key) {
    return static_cast<size_t>(static_cast<int64_t>(key) * static_cast<int64_t>(kRanges) / key_count_);
  };
  std::array<size_t, kRanges + 1> starts{};
  for (const int32_t key : rows.keys) ++starts[range_of(key) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<uint32_t> order(rows.keys.size());
  auto next = starts;
  for (size_t i = 0; i < rows.keys.size(); ++i)
    order[next[range_of(rows.keys[i])]++] = static_cast<uint32_t>(i);

  const bool has_created = !rows.created_us.empty();
  std::string bytes;
  bytes.reserve(rows.keys.size() * (has_created ? 24 : 16));
  std::array<Block, kRanges> blocks;
  for (size_t range = 0; range < kRanges; ++range) {
    const auto chosen = std::span(order).subspan(starts[range], starts[range + 1] - starts[range]);
    blocks[range] = {part, rows.first_position, static_cast<int64_t>(bytes.size()),
                     static_cast<int64_t>(chosen.size()), has_created};
    AppendValues(rows.keys, chosen, &bytes);
    AppendValues(rows.event_us, chosen, &bytes);
    AppendValues(rows.rows, chosen, &bytes);
    if (has_created) AppendValues(rows.created_us, chosen, &bytes);
  }
  const std::lock_guard lock(mutex_);
  const int64_t begin = file_->size();
  SALVER_RETURN_NOT_OK(file_->Append(bytes));
  for (size_t range = 0; range < kRanges; ++range) {
    if (blocks[range].rows == 0) continue;
    blocks[range].offset += begin;
    rows_[range] += blocks[range].rows;
    blocks_[range].push_back(blocks[range]);
  }
  return Status::OK();
}

Result<std::vector<BuildRows>> SpilledRows::Read(size_t begin, size_t end) const {
  // Keys of different ranges differ, so only the order of the parts matters.
  std::map<size_t, BuildRows> parts;
  for (size_t range = begin; range < end; ++range) {
    for (const Block& block : blocks_[range])
      SALVER_RETURN_NOT_OK(ReadBlock(block, FirstKey(begin), &parts[block.part]));
  }
  std::vector<BuildRows> ordered;
  for (auto& [part, rows] : parts) ordered.push_back(std::move(rows));
  return ordered;
}

Status SpilledRows::ReadBlock(const Block& block, int32_t first_key, BuildRows* rows) const {
  rows->first_position = block.first_position;
  const size_t count = static_cast<size_t>(block.rows);
  int64_t offset = block.offset;
  const auto read = [&](std::span<char> to) {
    const Status status = file_->ReadAt(offset, to);
    offset += static_cast<int64_t>(to.size());
    return status;
  };
  SALVER_RETURN_NOT_OK(read(Grow(count, &rows->keys)));
  SALVER_RETURN_NOT_OK(read(Grow(count, &rows->event_us)));
  SALVER_RETURN_NOT_OK(read(Grow(count, &rows->rows)));
  if (block.has_created) SALVER_RETURN_NOT_OK(read(Grow(count, &rows->created_us)));
  for (size_t i = rows->keys.size() - count; i < rows->keys.size(); ++i) rows->keys[i] -= first_key;
  return Status::OK();
}

}  // namespace salver
