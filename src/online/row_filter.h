// RowFilter (online_search.h) made ready for the rows of one view.
#pragma once

#include <span>
#include <vector>

#include "salver/online_rows.h"
#include "salver/online_search.h"

namespace salver {

// Thread safety: const methods from any thread.
class ReadyFilter {
 public:
  // `filter` must outlive it; null lets every row through.
  // Errors: InvalidArgument for a feature that `view` lacks, with the nearest name, and for a value that can
  // not be compared with it.
  static Result<ReadyFilter> Make(const FeatureView& view, const RowFilter* filter);

  // The features that are looked at, each once.
  const std::vector<ColumnId>& columns() const { return columns_; }
  // `cells`: of columns(), in that order.
  bool Matches(std::span<const OnlineCell> cells) const;

 private:
  // A comparison, with where its feature is among columns(), or a group of the `size` nodes behind it.
  struct Node {
    const RowFilter* filter;
    ValueType type;
    size_t column;
    size_t size;
  };
  Status Add(const FeatureView& view, const RowFilter& filter, int depth);
  bool MatchesNode(size_t at, std::span<const OnlineCell> cells) const;

  std::vector<ColumnId> columns_;
  std::vector<Node> nodes_;  // the tree, each group before its parts
};

}  // namespace salver
