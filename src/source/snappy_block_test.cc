#include "source/snappy_block.h"

#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

namespace salver {
namespace {

std::vector<uint8_t> Compress(const std::vector<uint8_t>& bytes) {
  const auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  std::vector<uint8_t> compressed(
      static_cast<size_t>(codec->MaxCompressedLen(static_cast<int64_t>(bytes.size()), nullptr)));
  const int64_t size = codec
                           ->Compress(static_cast<int64_t>(bytes.size()), bytes.data(),
                                      static_cast<int64_t>(compressed.size()), compressed.data())
                           .ValueOrDie();
  compressed.resize(static_cast<size_t>(size));
  return compressed;
}

std::vector<uint8_t> RandomDoubles(std::mt19937_64* random, size_t count) {
  std::vector<double> values(count);
  for (double& value : values) value = std::uniform_real_distribution<double>()(*random);
  // Runs of equal values here and there: copies that repeat themselves.
  for (size_t i = 0; i + 20 < count; i += 997)
    std::fill_n(values.begin() + static_cast<ptrdiff_t>(i), 1 + i % 19, 0.25);
  std::vector<uint8_t> bytes(count * 8);
  if (count > 0) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

TEST(SnappyBlock, ReadsWhatTheLibraryWouldDecompress) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (const size_t count : {0, 1, 5, 1000, 8192, 50'000}) {
    const auto bytes = RandomDoubles(&random, count);
    const auto compressed = Compress(bytes);
    SnappyBlock block;
    ASSERT_TRUE(block.Open(compressed)) << count;
    ASSERT_EQ(block.size(), bytes.size());
    int answered = 0;
    for (int read = 0; read < 5000; ++read) {
      const size_t offset = random() % (bytes.size() + 1);
      std::vector<uint8_t> got(std::min<size_t>(random() % 200, bytes.size() - offset));
      if (!block.Read(offset, got)) continue;  // deep in a run of equal values
      ++answered;
      ASSERT_TRUE(std::equal(got.begin(), got.end(), bytes.begin() + static_cast<ptrdiff_t>(offset)));
    }
    EXPECT_GT(answered, 4900);
    std::vector<uint8_t> beyond(1);
    EXPECT_FALSE(block.Read(bytes.size(), beyond));
  }
}

TEST(SnappyBlock, ReadsPiecewiseWhatItNeeds) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(1'000'000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  const auto compressed = Compress(bytes);
  size_t read_bytes = 0, fails_after = SIZE_MAX;
  const auto read = [&](size_t offset, std::span<uint8_t> to) {
    EXPECT_LE(offset + to.size(), compressed.size());
    read_bytes += to.size();
    std::copy_n(compressed.begin() + static_cast<ptrdiff_t>(offset), to.size(), to.begin());
    return read_bytes <= fails_after;
  };
  SnappyBlock block;
  ASSERT_TRUE(block.OpenPiecewise(compressed.size(), read));
  for (size_t offset = 0; offset + 8 <= bytes.size(); offset += 1 + random() % 20'000) {
    std::array<uint8_t, 8> got;
    ASSERT_TRUE(block.Read(offset, got));
    ASSERT_TRUE(std::equal(got.begin(), got.end(), bytes.begin() + static_cast<ptrdiff_t>(offset)));
  }
  EXPECT_LT(read_bytes, 10'000u);
  // What can not be read is said, at every place.
  const auto reads_all = [&] {
    read_bytes = 0;
    std::array<uint8_t, 8> got;
    return block.OpenPiecewise(compressed.size(), read) && block.Read(70'000, got);
  };
  ASSERT_TRUE(reads_all());
  const size_t needed = read_bytes;
  for (fails_after = 0; fails_after < needed; ++fails_after) EXPECT_FALSE(reads_all()) << fails_after;
  // Many elements are many reads.
  EXPECT_FALSE(block.OpenPiecewise(Compress(RandomDoubles(&random, 50'000)).size(), read));
}

TEST(SnappyBlock, LeavesWellCompressedBytesToTheLibrary) {
  SnappyBlock block;
  EXPECT_FALSE(block.Open(Compress(std::vector<uint8_t>(1 << 20, 7))));
}

// Any bytes give a value or a refusal; the address sanitizer watches.
TEST(SnappyBlock, AnyBytesAreReadOrRefused) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto whole = Compress(RandomDoubles(&random, 600));
  int opened = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = whole;
    for (uint64_t flips = 1 + random() % 3; flips > 0; --flips)
      bytes[random() % std::min<size_t>(bytes.size(), 64)] ^= 1 << random() % 8;
    if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
    SnappyBlock block;
    if (!block.Open(bytes)) continue;
    ++opened;
    for (size_t offset = 0; offset < block.size(); offset += 8) {
      std::vector<uint8_t> got(std::min<size_t>(8, block.size() - offset));
      block.Read(offset, got);
    }
  }
  EXPECT_GT(opened, 100);
}

}  // namespace
}  // namespace salver
