// Messages of others, which come in several lines, as one.
#pragma once

#include <string>
#include <string_view>

namespace salver {

// Stretches of spaces, tabs and ends of lines become one space; none is left at the ends.
std::string OnOneLine(std::string_view text);

}  // namespace salver
