// Decimal digits of numbers whose size is known, two at a time. Each writes at `to`, where there is room, and
// gives the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace salver {

inline constexpr auto kDigitPairs = [] {
  std::array<char, 200> digits{};
  for (size_t i = 0; i < 100; ++i) {
    digits[2 * i] = static_cast<char>('0' + i / 10);
    digits[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return digits;
}();

// 7 is "07".
inline char* WriteTwoDigits(uint32_t below_100, char* to) {
  std::memcpy(to, kDigitPairs.data() + 2 * below_100, 2);
  return to + 2;
}

// 7 is "0007".
inline char* WriteFourDigits(uint32_t below_10000, char* to) {
  return WriteTwoDigits(below_10000 % 100, WriteTwoDigits(below_10000 / 100, to));
}

}  // namespace salver
