#include "source/snappy_decompress.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace salver {
namespace {

static_assert(std::endian::native == std::endian::little);

// The lowest two bits of a tag.
enum Kind : uint32_t { kLiteral = 0, kNearCopy = 1, kCopy = 2, kFarCopy = 3 };

// What a step of the fast loop may read behind its first byte, and write: a literal of 60 bytes in whole
// words, or a short one and a copy of 64 bytes.
constexpr ptrdiff_t kReadMargin = 80, kWriteMargin = 96;
constexpr uint32_t kPairedLiteralMax = 4;  // with both tags and an offset it lies in one word

uint64_t LoadWord(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

void CopyWord(const uint8_t* from, uint8_t* to) {
  const uint64_t word = LoadWord(from);
  std::memcpy(to, &word, sizeof word);
}

// `length` bytes that lie `offset` before `to`, in whole words: up to 15 bytes more are written. A copy
// that is longer than its offset repeats itself.
void CopyBack(uint8_t* to, size_t offset, size_t length) {
  if (offset < 8) {
    for (size_t i = 0; i < 8; ++i) to[i] = *(to + i - offset);
    if (length <= 8) return;
    // The same bytes lie at a multiple of the offset, of which a word does not overlap itself.
    const size_t far = offset * ((8 + offset - 1) / offset);
    for (size_t i = 8; i < length; i += 8) CopyWord(to + i - far, to + i);
    return;
  }
  const uint8_t* const from = to - offset;
  CopyWord(from, to);
  CopyWord(from + 8, to + 8);
  for (size_t i = 16; i < length; i += 8) CopyWord(from + i, to + i);
}

class Decompressor {
 public:
  Decompressor(std::span<const uint8_t> compressed, std::span<uint8_t> to)
      : in_(compressed.data()),
        in_end_(in_ + compressed.size()),
        begin_(to.data()),
        out_(begin_),
        end_(begin_ + to.size()) {}

  bool Run() {
    if (!ReadSize()) return false;
    while (in_ < in_end_) {
      if (!ManySteps() || (in_ < in_end_ && !OneElement())) return false;
    }
    return out_ == end_;
  }

 private:
  // Seven bits a byte, lowest first.
  bool ReadSize() {
    uint64_t size = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      if (in_ == in_end_) return false;
      const uint8_t byte = *in_++;
      size |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return size == static_cast<uint64_t>(end_ - begin_);
    }
    return false;
  }

  // While neither end is near, and up to an element that it does not take. False: damaged.
  bool ManySteps() {
    const uint8_t* in = in_;
    uint8_t* out = out_;
    bool sound = true;
    while (in_end_ - in > kReadMargin && end_ - out > kWriteMargin) {
      const uint64_t word = LoadWord(in);
      const auto tag = static_cast<uint32_t>(word & 0xff);
      const uint32_t literal = (tag & 3) == kLiteral ? (tag >> 2) + 1 : 0;
      if (literal > kPairedLiteralMax) {
        if (literal > 60) break;
        for (uint32_t i = 0; i < literal; i += 16) {
          CopyWord(in + 1 + i, out + i);
          CopyWord(in + 9 + i, out + i + 8);
        }
        in += 1 + literal;
        out += literal;
        continue;
      }
      // A short literal, or none, and the copy behind it; without a branch on which of them it is, as that is
      // what can not be foretold.
      const uint64_t bytes = word >> 8;
      std::memcpy(out, &bytes, sizeof bytes);
      const uint32_t taken = literal + (literal > 0);
      const uint64_t rest = word >> (8 * taken);
      const auto copy = static_cast<uint32_t>(rest & 0xff),
                 number = static_cast<uint32_t>(rest >> 8) & 0xffff;
      const uint32_t kind = copy & 3;
      if (kind == kLiteral || kind == kFarCopy) {
        in += taken;
        out += literal;
        if (kind == kFarCopy) break;
        continue;
      }
      const bool near = kind == kNearCopy;
      const uint32_t length = near ? ((copy >> 2) & 7) + 4 : (copy >> 2) + 1;
      const uint32_t offset = near ? (copy >> 5 << 8) | (number & 0xff) : number;
      out += literal;
      in += taken + (near ? 2 : 3);
      if (offset == 0 || offset > out - begin_) {
        sound = false;
        break;
      }
      CopyBack(out, offset, length);
      out += length;
      if (offset == 8 && literal + length == 8) NumberSteps(&in, &out);
    }
    in_ = in;
    out_ = out;
    return sound;
  }

  // Whole numbers of 8 bytes, each a literal of its low bytes and a copy of the others from the number
  // before. That one is kept in a register: read back from where it was just written, in two parts, it would
  // be waited for. Which step comes next is left to be foretold, since mostly it is the same.
  void NumberSteps(const uint8_t** from, uint8_t** to) const {
    const uint8_t* in = *from;
    uint8_t* out = *to;
    uint64_t number = LoadWord(out - 8), tags = 1, tags_at = 0, low_bytes = 0;
    size_t step = 0;
    for (; in_end_ - in > kReadMargin && end_ - out > kWriteMargin; in += step, out += 8) {
      const uint64_t word = LoadWord(in);
      if ((word & tags_at) != tags) {
        const uint64_t literal = ((word & 0xff) >> 2) + 1;
        if ((word & 3) != kLiteral || literal > kPairedLiteralMax) break;
        const int copy_at = static_cast<int>(8 * (literal + 1));
        const uint64_t copy = kNearCopy | (4 - literal) << 2 | 8 << 8;  // of 8 - literal bytes
        tags = (word & 0xff) | copy << copy_at;
        tags_at = 0xff | uint64_t{0xffff} << copy_at;
        if ((word & tags_at) != tags) break;
        low_bytes = (uint64_t{1} << 8 * literal) - 1;
        step = literal + 3;
      }
      number = (number & ~low_bytes) | (word >> 8 & low_bytes);
      std::memcpy(out, &number, sizeof number);
    }
    *from = in;
    *to = out;
  }

  // Any element, byte for byte.
  bool OneElement() {
    const uint32_t tag = *in_++, kind = tag & 3, upper = tag >> 2;
    if (kind == kLiteral) {
      size_t length = upper + 1;
      if (upper >= 60) {
        uint32_t number;
        if (!ReadNumber(upper - 59, &number)) return false;
        length = size_t{number} + 1;
      }
      if (length > static_cast<size_t>(in_end_ - in_) || length > static_cast<size_t>(end_ - out_))
        return false;
      out_ = std::copy_n(in_, length, out_);
      in_ += length;
      return true;
    }
    uint32_t number;
    if (!ReadNumber(kind == kNearCopy ? 1 : kind == kCopy ? 2 : 4, &number)) return false;
    const size_t length = kind == kNearCopy ? (upper & 7) + 4 : upper + 1;
    const size_t offset = kind == kNearCopy ? (tag >> 5 << 8) | number : number;
    if (offset == 0 || offset > static_cast<size_t>(out_ - begin_) ||
        length > static_cast<size_t>(end_ - out_))
      return false;
    for (size_t i = 0; i < length; ++i, ++out_) *out_ = *(out_ - offset);
    return true;
  }

  bool ReadNumber(size_t bytes, uint32_t* number) {
    if (static_cast<size_t>(in_end_ - in_) < bytes) return false;
    *number = 0;
    for (size_t i = 0; i < bytes; ++i) *number |= uint32_t{*in_++} << (8 * i);
    return true;
  }

  const uint8_t* in_;
  const uint8_t* const in_end_;
  uint8_t* const begin_;
  uint8_t* out_;
  uint8_t* const end_;
};

}  // namespace

bool DecompressSnappy(std::span<const uint8_t> compressed, std::span<uint8_t> to) {
  return Decompressor(compressed, to).Run();
}

}  // namespace salver
