// One hash table per feature view under one shared lock. Reads copy out, so no row outlives the lock.
// The reference for the conformance suite: plain code rather than fast code in this file.
#include <arrow/record_batch.h>

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "model/value_codec.h"
#include "online/batch_rows.h"
#include "online/nearest_rows.h"
#include "online/online_stores.h"
#include "salver/write_rule.h"

namespace salver {
namespace {

struct StoredRow {
  int64_t event_us = 0, created_us = kNoCreatedTime;
  std::map<std::string, std::pair<ValueType, std::string>> values;  // feature -> Value-like bytes: see Encode
};

// Cells owned by the row: numbers in 8 bytes, the rest as they are. A null is not stored.
std::string Encode(const OnlineCell& cell) {
  if (cell.kind == OnlineCell::Kind::kBytes) return std::string(cell.bytes());
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &cell.integer, 8);
  return bytes;
}

OnlineCell Decode(ValueType type, std::string_view bytes, ByteArena* arena) {
  if (!IsFixedWidth(type)) return OnlineCell::Bytes(arena->Copy(bytes));
  OnlineCell cell;
  const bool real = type == ValueType::kFloat || type == ValueType::kDouble;
  cell.kind = real ? OnlineCell::Kind::kReal : OnlineCell::Kind::kInteger;
  std::memcpy(&cell.integer, bytes.data(), 8);
  return cell;
}

class MemoryOnlineStore final : public OnlineStore {
 public:
  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline) override {
    std::shared_lock lock(mutex_);
    return ReadLocked(reads);
  }

  Result<OnlineHits> Search(const OnlineSearch& search, Deadline deadline) override {
    if (!search.text.empty()) return OnlineStore::Search(search, deadline);
    SALVER_ASSIGN(NearestRows nearest, NearestRows::Make(search));
    std::shared_lock lock(mutex_);
    const auto table = tables_.find(search.view->name);
    if (table == tables_.end()) return UnknownView(*search.view, type());
    const OnlineRead looked_at{search.view, {}, nearest.columns()};
    for (const auto& [key, stored] : table->second) {
      if (deadline.Passed()) return DeadlinePassed(*search.view, "searching");
      OnlineRows row = OnlineRows::Absent(1, nearest.columns().size(), std::make_shared<ByteArena>());
      Fill(stored, looked_at, 0, &row);
      nearest.Offer(key, stored.event_us, row.cells);
    }
    OnlineHits hits = nearest.Take();
    const std::vector<std::string_view> keys(hits.keys.begin(), hits.keys.end());
    const OnlineRead read{search.view, keys, search.columns};
    SALVER_ASSIGN(auto rows, ReadLocked(std::span(&read, 1)));
    hits.rows = std::move(rows[0]);
    return hits;
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    WriteCounts counts{.older = newest.older};
    std::unique_lock lock(mutex_);
    const auto table = tables_.find(view.name);
    if (table == tables_.end()) return UnknownView(view, type());
    for (const uint32_t row : newest.rows) {
      SALVER_ASSIGN(StoredRow stored, MakeRow(view, batch, row));
      const auto [at, is_new] = table->second.try_emplace(std::string(batch.keys[row]));
      if (!is_new &&
          !IsNewer(stored.event_us, stored.created_us, at->second.event_us, at->second.created_us)) {
        ++counts.older;
        continue;
      }
      at->second = std::move(stored);
      ++counts.written;
    }
    return counts;
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    std::unique_lock lock(mutex_);
    for (const auto& view : drop) tables_.erase(view->name);
    for (const auto& view : keep) tables_.try_emplace(view->name);
    return Status::OK();
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    return Apply({}, views);
  }

  OnlineCapabilities capabilities() const override {
    return {.views = true, .created_times = true, .atomic_rows = true, .drop = true, .vectors = true};
  }
  std::string_view durability() const override { return "an acknowledged row lives as long as this process"; }
  std::string_view type() const override { return "memory"; }

 private:
  Result<std::vector<OnlineRows>> ReadLocked(std::span<const OnlineRead> reads) const {
    std::vector<OnlineRows> answers;
    const auto arena = std::make_shared<ByteArena>();
    for (const OnlineRead& read : reads) {
      const auto table = tables_.find(read.view->name);
      if (table == tables_.end()) return UnknownView(*read.view, type());
      OnlineRows& rows =
          answers.emplace_back(OnlineRows::Absent(read.keys.size(), read.columns.size(), arena));
      for (size_t row = 0; row < read.keys.size(); ++row) {
        const auto found = table->second.find(std::string(read.keys[row]));
        if (found != table->second.end()) Fill(found->second, read, row, &rows);
      }
    }
    return answers;
  }

  static void Fill(const StoredRow& stored, const OnlineRead& read, size_t row, OnlineRows* rows) {
    rows->present[row] = 1;
    rows->event_us[row] = stored.event_us;
    rows->created_us[row] = stored.created_us;
    for (size_t column = 0; column < read.columns.size(); ++column) {
      const Field& feature = read.view->features[read.columns[column]];
      const auto value = stored.values.find(feature.name);
      if (value == stored.values.end() || value->second.first != feature.type)
        continue;  // added or retyped since
      rows->at(row, column) = Decode(feature.type, value->second.second, rows->arena.get());
    }
  }

  static Result<StoredRow> MakeRow(const FeatureView& view, const OnlineBatch& batch, uint32_t row) {
    StoredRow stored{batch.event_us[row], CreatedOf(batch, row), {}};
    ByteArena arena;
    for (size_t i = 0; i < view.features.size(); ++i) {
      const Field& feature = view.features[i];
      OnlineCell cell;
      SALVER_RETURN_NOT_OK(
          CellOf(*batch.features->column(static_cast<int>(i)), row, feature.type, &arena, &cell));
      if (!cell.null()) stored.values[feature.name] = {feature.type, Encode(cell)};
    }
    return stored;
  }

  std::shared_mutex mutex_;
  std::map<std::string, std::unordered_map<std::string, StoredRow>> tables_;
};

}  // namespace

std::unique_ptr<OnlineStore> NewMemoryOnlineStore() {
  return std::make_unique<MemoryOnlineStore>();
}

}  // namespace salver
