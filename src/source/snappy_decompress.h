// A whole snappy block. The library decompresses one element at a time, at a cost that hardly depends on its
// size; in columns of whole numbers elements are of a few bytes, a literal and a copy for each number. Here
// such a pair is one step, which takes half the time, and for numbers that grow or count a fifth: what is
// most of the time of reading such columns. Source: the format description that comes with snappy; held by
// snappy_decompress_test.cc against the library.
#pragma once

#include <cstdint>
#include <span>

namespace salver {

// Fills `to`, which has the size of what was compressed. False when `compressed` is not a block of that size
// or is damaged; `to` may have been written to then, never what lies around it.
bool DecompressSnappy(std::span<const uint8_t> compressed, std::span<uint8_t> to);

}  // namespace salver
