// The best rows of a search, gathered while a store goes through its rows: what may be found, how far each
// is, and which of them stay. Every store's exact search is this; an index only decides which rows are
// offered.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "online/row_filter.h"
#include "online/vector_distance.h"
#include "salver/online_search.h"

namespace salver {

inline constexpr size_t kTopKMax = 10'000;

class NearestRows {
 public:
  // What `search` points at must outlive it.
  // Errors: InvalidArgument for a search that asks for nothing or does not fit its view.
  static Result<NearestRows> Make(const OnlineSearch& search);

  // What is looked at of each row: the vector first, when one is asked for, then what the filter names.
  std::span<const ColumnId> columns() const { return columns_; }

  // A row; `cells` are of columns(). Each key once.
  void Offer(std::string_view key, int64_t event_us, std::span<const OnlineCell> cells, double text_rank = 0);
  // True when the row may be found, whatever its vector.
  bool Passes(int64_t event_us, std::span<const OnlineCell> cells) const {
    return event_us >= search_->oldest_event_us && filter_.Matches(cells.subspan(has_vector() ? 1 : 0));
  }
  // True when rows are left out by anything but their vector.
  bool is_filtered() const { return !filter_.columns().empty() || search_->oldest_event_us != INT64_MIN; }
  bool has_vector() const { return !search_->query.empty(); }
  size_t count() const { return best_.size(); }

  // What stayed, the best first, without rows. Empties it.
  OnlineHits Take();

 private:
  struct Hit {
    double score = 0;  // by which hits are in order
    double text_rank = 0;
    std::string key;
    bool operator<(const Hit& other) const {
      return score != other.score ? score < other.score : key < other.key;
    }
  };
  NearestRows(const OnlineSearch* search, ReadyFilter filter);

  const OnlineSearch* search_;
  ReadyFilter filter_;
  DistanceTo distance_;
  std::vector<ColumnId> columns_;
  std::vector<float> vector_;  // scratch
  std::vector<Hit> best_;      // a heap, the worst first
};

}  // namespace salver
