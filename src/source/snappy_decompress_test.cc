#include "source/snappy_decompress.h"

#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace salver {
namespace {

using Bytes = std::vector<uint8_t>;

arrow::util::Codec& Library() {
  static const auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  return *codec;
}

Bytes Compress(const Bytes& bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  Bytes compressed(static_cast<size_t>(Library().MaxCompressedLen(size, nullptr)));
  const auto got =
      Library().Compress(size, bytes.data(), static_cast<int64_t>(compressed.size()), compressed.data());
  compressed.resize(static_cast<size_t>(got.ValueOrDie()));
  return compressed;
}

// Between bytes that must stay as they are.
bool Decompress(const Bytes& compressed, size_t size, Bytes* to) {
  constexpr size_t kAround = 128;
  constexpr uint8_t kMark = 0xa5;
  Bytes guarded(size + 2 * kAround, kMark);
  const bool done = DecompressSnappy(compressed, std::span(guarded).subspan(kAround, size));
  const auto marked = [](uint8_t byte) { return byte == kMark; };
  const auto begin = guarded.begin() + kAround, end = guarded.end() - kAround;
  EXPECT_TRUE(std::all_of(guarded.begin(), begin, marked));
  EXPECT_TRUE(std::all_of(end, guarded.end(), marked));
  to->assign(begin, end);
  return done;
}

// Numbers below a bound, numbers that grow, words, runs, and bytes that do not compress, in stretches of any
// length.
Bytes Mixed(std::mt19937_64* random, size_t size) {
  Bytes bytes;
  while (bytes.size() < size) {
    const size_t count = (*random)() % 3000;
    const uint64_t bound = uint64_t{1} << (1 + (*random)() % 63);
    switch ((*random)() % 6) {
      case 0:
      case 1:
        for (size_t i = 0; i < count; ++i) {
          const uint64_t number = (*random)() % bound;
          const auto* at = reinterpret_cast<const uint8_t*>(&number);
          bytes.insert(bytes.end(), at, at + sizeof number);
        }
        break;
      case 2:
        for (uint64_t i = 0, number = (*random)(); i < count; ++i) {
          number += (*random)() % std::min(bound, uint64_t{1} << 26);
          const auto* at = reinterpret_cast<const uint8_t*>(&number);
          bytes.insert(bytes.end(), at, at + sizeof number);
        }
        break;
      case 3:  // repeats a few bytes
        for (size_t i = 0, period = 1 + (*random)() % 20; i < count; ++i)
          bytes.push_back(i < period ? static_cast<uint8_t>((*random)()) : bytes[bytes.size() - period]);
        break;
      case 4:  // of what was before, as words in a text
        for (size_t i = 0; i < count && !bytes.empty(); ++i) {
          const size_t from = (*random)() % bytes.size(),
                       length = std::min((*random)() % 80, bytes.size() - from);
          for (size_t k = 0; k < length; ++k) bytes.push_back(bytes[from + k]);
          bytes.push_back(static_cast<uint8_t>((*random)()));
        }
        break;
      default:
        for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>((*random)()));
    }
  }
  bytes.resize(size);
  return bytes;
}

TEST(SnappyDecompress, GivesBackWhatTheLibraryCompressed) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    const size_t size = round < 100 ? static_cast<size_t>(round) * 2 : random() % 200'000;
    const Bytes bytes = Mixed(&random, size);
    Bytes got;
    ASSERT_TRUE(Decompress(Compress(bytes), size, &got)) << size;
    ASSERT_TRUE(got == bytes) << size;
  }
}

TEST(SnappyDecompress, RefusesDamagedBlocksAsTheLibraryDoes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const size_t size = 1 + random() % 3000;
    Bytes compressed = Compress(Mixed(&random, size));
    for (size_t changes = random() % 3; changes > 0; --changes)
      compressed[random() % compressed.size()] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) compressed.resize(random() % compressed.size());
    Bytes expected(size), got;
    const auto library = Library().Decompress(static_cast<int64_t>(compressed.size()), compressed.data(),
                                              static_cast<int64_t>(size), expected.data());
    const bool sound = library.ok() && *library == static_cast<int64_t>(size);
    ASSERT_EQ(Decompress(compressed, size, &got), sound) << "round " << round;
    ASSERT_TRUE(!sound || got == expected) << "round " << round;
    refused += !sound;
  }
  EXPECT_GT(refused, 500);
}

// Elements that the library's compressor does not write.
TEST(SnappyDecompress, TakesEveryKindOfElement) {
  Bytes block = {0, 0, 0xf4, 11,
                 0};  // the size, which is set below; a literal of 12 whose size has two bytes
  for (uint8_t i = 0; i < 12; ++i) block.push_back(i);
  for (const uint8_t byte : {0xff, 3, 0, 0, 0})
    block.push_back(byte);  // 64 bytes from 3 before, offset of four bytes
  for (const uint8_t byte : {0xfe, 12, 0}) block.push_back(byte);  // 64 bytes from 12 before
  for (const uint8_t byte : {0x08, 40, 41, 42, 0x04, 43, 44}) block.push_back(byte);  // two literals
  for (const uint8_t byte : {0x1d, 1, 0x60}) block.push_back(byte);  // 11 bytes, all 44; a literal of 25
  for (uint8_t i = 0; i < 25; ++i) block.push_back(static_cast<uint8_t>(100 + i));
  Bytes expected;
  for (uint8_t i = 0; i < 12; ++i) expected.push_back(i);
  for (int i = 0; i < 64; ++i) expected.push_back(expected[expected.size() - 3]);
  for (int i = 0; i < 64; ++i) expected.push_back(expected[expected.size() - 12]);
  for (const uint8_t byte : {40, 41, 42, 43, 44}) expected.push_back(byte);
  for (int i = 0; i < 11; ++i) expected.push_back(44);
  for (uint8_t i = 0; i < 25; ++i) expected.push_back(static_cast<uint8_t>(100 + i));
  block[0] = static_cast<uint8_t>(0x80 | (expected.size() & 0x7f));
  block[1] = static_cast<uint8_t>(expected.size() >> 7);
  Bytes got;
  ASSERT_TRUE(Decompress(block, expected.size(), &got));
  EXPECT_EQ(got, expected);
  // Followed by enough that none of it is near an end.
  Bytes longer = block;
  longer.insert(longer.end(), {0xfc, 0xff, 0x03, 0, 0});
  longer.insert(longer.end(), 1024, 7);
  expected.insert(expected.end(), 1024, 7);
  longer[0] = static_cast<uint8_t>(0x80 | (expected.size() & 0x7f));
  longer[1] = static_cast<uint8_t>(expected.size() >> 7);
  ASSERT_TRUE(Decompress(longer, expected.size(), &got));
  EXPECT_EQ(got, expected);
}

TEST(SnappyDecompress, RefusesABlockOfAnotherSize) {
  const Bytes compressed = Compress(Bytes(1000, 1));
  Bytes got;
  EXPECT_TRUE(Decompress(compressed, 1000, &got));
  EXPECT_FALSE(Decompress(compressed, 999, &got));
  EXPECT_FALSE(Decompress(compressed, 1001, &got));
  EXPECT_FALSE(Decompress({}, 0, &got));
  EXPECT_TRUE(Decompress({0}, 0, &got));
}

}  // namespace
}  // namespace salver
