// The nearest of a list of names, for "Did you mean ...?".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace salver {

// The candidate with the smallest edit distance to `name`, or "" when none is near (a third of the length).
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);

// " Did you mean \"x\"?", or a list of up to 8 candidates (" It has: a, b, c."), or "" when there are none.
std::string NearestNameHint(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace salver
