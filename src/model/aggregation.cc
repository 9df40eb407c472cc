#include "salver/aggregation.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/nearest.h"

namespace salver {
namespace {

using Function = AggregateFunction;

constexpr std::array<std::pair<std::string_view, Function>, 17> kNames = {{
    {"sum", Function::kSum},
    {"count", Function::kCount},
    {"mean", Function::kMean},
    {"avg", Function::kMean},
    {"min", Function::kMin},
    {"max", Function::kMax},
    {"std", Function::kStd},
    {"stddev", Function::kStd},
    {"stddev_samp", Function::kStd},
    {"var", Function::kVar},
    {"variance", Function::kVar},
    {"var_samp", Function::kVar},
    {"first", Function::kFirst},
    {"last", Function::kLast},
    {"count_distinct", Function::kCountDistinct},
    {"nunique", Function::kCountDistinct},
    {"approx_p50", Function::kApproxQuantile},
}};

// "99.9" -> 999000; nothing for what is no percentage from 0 to 100 with at most four decimals.
std::optional<int32_t> Millionths(std::string_view percent) {
  const size_t point = percent.find('.');
  const std::string_view whole = percent.substr(0, point);
  const std::string_view part = point == std::string_view::npos ? "" : percent.substr(point + 1);
  if (whole.empty() || whole.size() > 3 || part.size() > 4 ||
      (point != std::string_view::npos && part.empty()))
    return std::nullopt;
  int32_t value = 0;
  for (const char digit : std::string(whole) + std::string(part)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + (digit - '0');
  }
  for (size_t i = part.size(); i < 4; ++i) value *= 10;
  return value <= 1'000'000 ? std::optional(value) : std::nullopt;
}

bool IsNumber(ValueType type) {
  return type == ValueType::kInt32 || type == ValueType::kInt64 || type == ValueType::kFloat ||
         type == ValueType::kDouble;
}

bool IsOrdered(ValueType type) {
  return IsNumber(type) || type == ValueType::kUnixTimestamp || type == ValueType::kZonedTimestamp ||
         type == ValueType::kBool || IsStringLike(type);
}

}  // namespace

Result<AggregateKind> AggregateKindNamed(std::string_view function) {
  constexpr std::string_view kQuantile = "approx_p";
  if (function.starts_with(kQuantile)) {
    const auto millionths = Millionths(function.substr(kQuantile.size()));
    if (millionths) return AggregateKind{Function::kApproxQuantile, *millionths};
    return Status::InvalidArgument(
        "aggregation function \"" + std::string(function) +
        "\" names no percentage from 0 to 100. Write approx_p50 or approx_p99.9, say.");
  }
  std::vector<std::string> names;
  for (const auto& [name, kind] : kNames) {
    if (name == function) return AggregateKind{kind};
    names.emplace_back(name);
  }
  return Status::InvalidArgument("aggregation function \"" + std::string(function) + "\" is not known." +
                                 NearestNameHint(std::string(function), names));
}

std::string Aggregation::FeatureName() const {
  if (!name.empty()) return name;
  const std::string base = function + "_" + column;
  return window_us > 0 ? base + "_" + std::to_string(window_us / 1'000'000) + "s" : base;
}

Result<ValueType> AggregateType(AggregateKind kind, ValueType column) {
  const auto only_for = [&](bool fits, ValueType type, const char* which) -> Result<ValueType> {
    if (fits) return type;
    return Status::InvalidArgument(std::string("it is for ") + which + ", and the column is " +
                                   ValueTypeName(column) + ".");
  };
  switch (kind.function) {
    case Function::kSum:
      return only_for(
          IsNumber(column),
          column == ValueType::kInt32 || column == ValueType::kInt64 ? ValueType::kInt64 : ValueType::kDouble,
          "numbers");
    case Function::kMean:
    case Function::kStd:
    case Function::kVar:
      return only_for(IsNumber(column), ValueType::kDouble, "numbers");
    case Function::kMin:
    case Function::kMax:
      return only_for(IsOrdered(column), column, "numbers, times, text and BOOL");
    case Function::kApproxQuantile:
      return only_for(IsOrdered(column) && !IsStringLike(column), column, "numbers, times and BOOL");
    case Function::kCountDistinct:
      return only_for(IsOrdered(column), ValueType::kInt64, "numbers, times, text and BOOL");
    case Function::kCount:
      return ValueType::kInt64;
    case Function::kFirst:
    case Function::kLast:
      return column;
  }
  return Status::Internal("an aggregation function without a type.");
}

}  // namespace salver
