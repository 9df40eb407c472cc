#include "base/byte_size.h"

#include <charconv>
#include <string>

namespace salver {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};

constexpr Unit kUnits[] = {{"", 1},      {"B", 1},      {"KB", 1e3},      {"MB", 1e6},     {"GB", 1e9},
                           {"TB", 1e12}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};

}  // namespace

Result<int64_t> ParseByteSize(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : kUnits) {
    if (error != std::errc() || unit != known.name) continue;
    const double bytes = number * known.bytes;
    if (bytes >= 1 && bytes <= 0x1p62) return static_cast<int64_t>(bytes);
  }
  return Status::InvalidArgument(
      "\"" + std::string(text) + "\" is no amount of memory. Write it as 512MB, 1GB or 2GiB.",
      Reason::kBadConfig);
}

}  // namespace salver
