#include "online/row_filter.h"

#include <algorithm>
#include <compare>
#include <optional>

#include "base/nearest.h"

namespace salver {
namespace {

constexpr int kDepthMax = 32;
constexpr size_t kNodesMax = 1024;

bool IsGroup(const RowFilter& filter) {
  return filter.kind == RowFilter::Kind::kAnd || filter.kind == RowFilter::Kind::kOr;
}

bool IsList(const RowFilter& filter) {
  return filter.kind == RowFilter::Kind::kIn || filter.kind == RowFilter::Kind::kNotIn;
}

Status CheckValue(const FeatureView& view, const Field& feature, const RowFilter::Value& value) {
  const bool text = std::holds_alternative<std::string>(value);
  if (text ? IsStringLike(feature.type) : IsFixedWidth(feature.type)) return Status::OK();
  return Status::InvalidArgument(
      "a filter compares feature \"" + feature.name + "\" of feature view \"" + view.name + "\", which is " +
      ValueTypeName(feature.type) + ", with " +
      (text ? "the text \"" + std::get<std::string>(value) + "\"" : "a number") +
      ". Text compares with text, numbers with numbers, booleans and times; lists do not.");
}

// How the cell compares with the value; none where they can not be compared.
std::optional<std::partial_ordering> Compare(const OnlineCell& cell, ValueType type,
                                             const RowFilter::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (cell.kind != OnlineCell::Kind::kBytes) return std::nullopt;
    return std::partial_ordering(cell.bytes().compare(*text) <=> 0);
  }
  if (cell.kind != OnlineCell::Kind::kInteger && cell.kind != OnlineCell::Kind::kReal) return std::nullopt;
  const bool whole = !std::holds_alternative<double>(value);
  const int64_t integer = std::holds_alternative<bool>(value)      ? std::get<bool>(value)
                          : std::holds_alternative<int64_t>(value) ? std::get<int64_t>(value)
                                                                   : 0;
  const double real = whole ? static_cast<double>(integer) : std::get<double>(value);
  if (cell.kind == OnlineCell::Kind::kReal) return cell.real <=> real;
  if (type == ValueType::kUnixTimestamp) return static_cast<double>(cell.integer) / 1e6 <=> real;
  if (whole) return std::partial_ordering(cell.integer <=> integer);
  return static_cast<double>(cell.integer) <=> real;
}

bool MatchesComparison(const RowFilter& filter, ValueType type, const OnlineCell& cell) {
  if (cell.null()) return false;
  const auto equals = [&](const RowFilter::Value& value) {
    const auto order = Compare(cell, type, value);
    return order && *order == 0;
  };
  if (IsList(filter)) {
    const bool among = std::any_of(filter.values.begin(), filter.values.end(), equals);
    return among == (filter.kind == RowFilter::Kind::kIn);
  }
  const auto order = Compare(cell, type, filter.values[0]);
  if (!order) return false;
  switch (filter.kind) {
    case RowFilter::Kind::kEqual:
      return *order == 0;
    case RowFilter::Kind::kNotEqual:
      return *order != 0;
    case RowFilter::Kind::kGreater:
      return *order > 0;
    case RowFilter::Kind::kGreaterEqual:
      return *order >= 0;
    case RowFilter::Kind::kLess:
      return *order < 0;
    case RowFilter::Kind::kLessEqual:
      return *order <= 0;
    default:
      return false;
  }
}

}  // namespace

Result<ReadyFilter> ReadyFilter::Make(const FeatureView& view, const RowFilter* filter) {
  ReadyFilter ready;
  if (filter != nullptr) SALVER_RETURN_NOT_OK(ready.Add(view, *filter, 0));
  return ready;
}

Status ReadyFilter::Add(const FeatureView& view, const RowFilter& filter, int depth) {
  if (depth > kDepthMax || nodes_.size() >= kNodesMax) {
    return Status::ResourceExhausted("the filter is deeper than " + std::to_string(kDepthMax) +
                                         " groups or has more than " + std::to_string(kNodesMax) +
                                         " parts. Ask for less at once; \"in\" takes a list of values.",
                                     Reason::kLimit);
  }
  const size_t at = nodes_.size();
  nodes_.push_back({&filter, ValueType::kInvalid, 0, 0});
  if (IsGroup(filter)) {
    for (const RowFilter& part : filter.parts) SALVER_RETURN_NOT_OK(Add(view, part, depth + 1));
    nodes_[at].size = nodes_.size() - at - 1;
    return Status::OK();
  }
  const int found = view.FindFeature(filter.feature);
  if (found < 0) {
    std::vector<std::string> names;
    for (const Field& feature : view.features) names.push_back(feature.name);
    return Status::InvalidArgument("a filter names feature \"" + filter.feature +
                                       "\", which is not in feature view \"" + view.name + "\"." +
                                       NearestNameHint(filter.feature, names),
                                   Reason::kFeatureNotFound);
  }
  if (!IsList(filter) && filter.values.size() != 1)
    return Status::InvalidArgument("the filter of feature \"" + filter.feature + "\" compares with " +
                                   std::to_string(filter.values.size()) + " values. Give one, or use in.");
  const Field& feature = view.features[static_cast<size_t>(found)];
  for (const RowFilter::Value& value : filter.values) SALVER_RETURN_NOT_OK(CheckValue(view, feature, value));
  const auto column = static_cast<ColumnId>(found);
  const auto known = std::find(columns_.begin(), columns_.end(), column);
  nodes_[at].type = feature.type;
  nodes_[at].column = static_cast<size_t>(known - columns_.begin());
  if (known == columns_.end()) columns_.push_back(column);
  return Status::OK();
}

bool ReadyFilter::Matches(std::span<const OnlineCell> cells) const {
  return nodes_.empty() || MatchesNode(0, cells);
}

bool ReadyFilter::MatchesNode(size_t at, std::span<const OnlineCell> cells) const {
  const Node& node = nodes_[at];
  if (!IsGroup(*node.filter)) return MatchesComparison(*node.filter, node.type, cells[node.column]);
  const bool any = node.filter->kind == RowFilter::Kind::kOr;
  if (node.size == 0) return true;
  for (size_t part = at + 1; part <= at + node.size; part += nodes_[part].size + 1) {
    if (MatchesNode(part, cells) == any) return any;
  }
  return !any;
}

}  // namespace salver
