// Amounts of memory as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "salver/status.h"

namespace salver {

// "512MB", "1.5 GiB", "1048576": KB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB of 1024, no unit or B
// is bytes. Errors: InvalidArgument for anything else, for 0 and for what is beyond 2^62.
Result<int64_t> ParseByteSize(std::string_view text);

}  // namespace salver
