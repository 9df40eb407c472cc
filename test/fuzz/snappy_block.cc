#include <arrow/util/compression.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "source/snappy_block.h"
#include "source/snappy_decompress.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kSizeMax = 1 << 16;

// The size that a block says it has: a number of 7 bits a byte, the lowest first.
std::optional<size_t> SizeOf(std::string_view block) {
  uint64_t size = 0;
  for (size_t i = 0; i < block.size() && i < 5; ++i) {
    const auto byte = static_cast<uint8_t>(block[i]);
    size |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) return size;
  }
  return std::nullopt;
}

std::optional<Bytes> ByTheLibrary(const Bytes& block, size_t size) {
  static const auto codec = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
  Bytes bytes(size);
  const auto got = codec->Decompress(static_cast<int64_t>(block.size()), block.data(),
                                     static_cast<int64_t>(size), bytes.data());
  if (!got.ok() || *got != static_cast<int64_t>(size)) return std::nullopt;
  return bytes;
}

}  // namespace

void SnappyBlocks(std::string_view bytes) {
  // Its own memory: what is read or written beyond it is seen.
  const Bytes block(bytes.begin(), bytes.end());
  const auto size = SizeOf(bytes);
  if (!size || *size > kSizeMax) return;
  const auto expected = ByTheLibrary(block, *size);
  Bytes to(*size);
  Check(DecompressSnappy(block, to) == expected.has_value(), "a block is whole for both, or for none");
  if (expected) Check(to == *expected, "a block is the same for both");
  Bytes other_size(*size + 1);
  Check(!DecompressSnappy(block, other_size), "a block has one size");

  SnappyBlock in_place;
  if (!in_place.Open(block)) return;
  Bytes piece;
  for (size_t offset = 0; offset < *size; offset += 1 + offset / 3) {
    for (const size_t wanted : {size_t{1}, size_t{8}, *size / 2}) {
      if (offset + wanted > *size) continue;
      piece.assign(wanted, 0);
      if (!in_place.Read(offset, piece) || !expected) continue;
      Check(std::memcmp(piece.data(), expected->data() + offset, wanted) == 0,
            "bytes that are found in place are those of the whole block");
    }
  }
}

}  // namespace salver::fuzz
