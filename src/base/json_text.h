// Text as JSON.
#pragma once

#include <string>
#include <string_view>

namespace salver {

// `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace salver
