// The numbers that entity rows have in one of their key columns: which row groups have none of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "salver/source_reader.h"

namespace arrow {
class Array;
}

namespace salver {

class WantedNumbers {
 public:
  // Whether a key column of that array can be looked at as numbers: integers and times.
  static bool Takes(const arrow::Array& column);
  explicit WantedNumbers(std::shared_ptr<arrow::Array> column);

  // False: none of them is in the range. True for a wide range without a look.
  bool MayBeIn(NumberRange range);

 private:
  std::shared_ptr<arrow::Array> column_;
  NumberRange all_;              // empty, min above max, when every row is null
  std::vector<int64_t> sorted_;  // from the first narrow range on
};

}  // namespace salver
