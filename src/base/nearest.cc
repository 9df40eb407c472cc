#include "base/nearest.h"

#include <algorithm>
#include <numeric>

namespace salver {
namespace {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 256;  // a name from the wire may be long; the distance is quadratic
  if (name.size() > kLongest) return "";
  size_t best = std::max<size_t>(1, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const size_t distance = EditDistance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string NearestNameHint(std::string_view name, const std::vector<std::string>& candidates) {
  if (const std::string nearest = NearestName(name, candidates); !nearest.empty()) {
    return " Did you mean \"" + nearest + "\"?";
  }
  if (candidates.empty()) return "";
  std::string hint = " There is: ";
  const size_t shown = std::min<size_t>(candidates.size(), 8);
  for (size_t i = 0; i < shown; ++i) hint += (i > 0 ? ", " : "") + candidates[i];
  return hint + (candidates.size() > shown ? ", ..." : ".");
}

}  // namespace salver
