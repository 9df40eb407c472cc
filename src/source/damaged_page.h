// What every reader of Parquet's pages needs of a page that may not be what it says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/large_vector.h"

namespace salver {

// Throws parquet::ParquetException.
[[noreturn]] void Damaged(const std::string& what);

// Bytes of a page that snappy can make of one: a copy of 64 bytes takes three.
inline constexpr int kSnappyRatioMax = 32;

// The `size` bytes of a page compressed by snappy; the first `stored` of `bytes` are as they are. Damaged
// when they do not decompress to that.
void DecompressPage(std::span<const uint8_t> bytes, size_t stored, size_t size, LargeVector<uint8_t>* to);

}  // namespace salver
