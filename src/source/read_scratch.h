// Memory that reads of a SourceReader use again. One a thread.
#pragma once

#include <cstdint>

#include "base/large_vector.h"
#include "salver/source_reader.h"

namespace salver {

struct ReadScratch {
  LargeVector<uint8_t> bytes, page, dictionary, dictionary_values;
  LargeVector<int16_t> levels;
  LargeVector<int32_t> indices, mapped, numbers;
  LargeVector<int64_t> decoded;
};

}  // namespace salver
