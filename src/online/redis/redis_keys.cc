#include "online/redis/redis_keys.h"

#include <array>
#include <bit>
#include <cstring>

#include "model/wire.h"

namespace salver::redis {
namespace {

uint32_t LoadWord(const char* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

uint32_t Mix(uint32_t word) {
  return std::rotl(word * 0xcc9e2d51u, 15) * 0x1b873593u;
}

// CRC16 of XMODEM, a byte at a time.
constexpr std::array<uint16_t, 256> kCrcTable = [] {
  std::array<uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
    table[byte] = static_cast<uint16_t>(crc);
  }
  return table;
}();

}  // namespace

uint32_t Murmur3(std::string_view bytes) {
  uint32_t hash = 0;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4)
    hash = std::rotl(hash ^ Mix(LoadWord(bytes.data() + at)), 13) * 5 + 0xe6546b64u;
  uint32_t rest = 0;
  for (size_t i = bytes.size(); i > at; --i) rest = rest << 8 | static_cast<uint8_t>(bytes[i - 1]);
  if (at < bytes.size()) hash ^= Mix(rest);
  hash ^= static_cast<uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
  return hash ^ hash >> 16;
}

std::string_view FeatureField(std::string_view view, std::string_view feature, std::string* scratch) {
  scratch->assign(view);
  *scratch += ':';
  scratch->append(feature);
  const uint32_t hash = Murmur3(*scratch);
  scratch->clear();
  wire::AppendFixed(hash, scratch);
  return *scratch;
}

std::string TimeField(std::string_view view) {
  return "_ts:" + std::string(view);
}

std::string EncodeTimestamp(int64_t micros) {
  int64_t seconds = micros / 1'000'000, rest = micros % 1'000'000;
  if (rest < 0) {  // nanos are never negative in a Timestamp
    rest += 1'000'000;
    --seconds;
  }
  std::string bytes;
  if (seconds != 0) {
    wire::AppendTag(1, wire::kVarint, &bytes);
    wire::AppendVarint(static_cast<uint64_t>(seconds), &bytes);
  }
  if (rest != 0) {
    wire::AppendTag(2, wire::kVarint, &bytes);
    wire::AppendVarint(static_cast<uint64_t>(rest) * 1000, &bytes);
  }
  return bytes;
}

bool DecodeTimestamp(std::string_view bytes, int64_t* micros) {
  uint64_t seconds = 0, nanos = 0;
  wire::Reader reader(bytes);
  while (!reader.done()) {
    if (!reader.Next()) return false;
    const bool known = reader.type() == wire::kVarint && (reader.field() == 1 || reader.field() == 2);
    if (known ? !reader.Varint(reader.field() == 1 ? &seconds : &nanos) : !reader.Skip()) return false;
  }
  // Further away than microseconds reach is damage.
  int64_t whole;
  if (nanos >= 1'000'000'000 ||
      __builtin_mul_overflow(static_cast<int64_t>(seconds), int64_t{1'000'000}, &whole))
    return false;
  return !__builtin_add_overflow(whole, static_cast<int64_t>(nanos / 1000), micros);
}

std::string ScanPattern(std::string_view start, std::string_view end) {
  std::string pattern;
  const auto append = [&](std::string_view text) {
    for (const char c : text) {
      if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) pattern += '\\';
      pattern += c;
    }
  };
  append(start);
  pattern += '*';
  append(end);
  return pattern;
}

bool IsEntityKey(std::string_view key, std::string_view prefix, size_t values, std::string_view project) {
  if (!key.starts_with(prefix)) return false;
  key.remove_prefix(prefix.size());
  for (size_t i = 0; i < values; ++i) {
    if (key.size() < 8) return false;
    const uint64_t size = LoadWord(key.data() + 4);
    if (key.size() - 8 < size) return false;
    key.remove_prefix(8 + size);
  }
  return key == project;
}

uint16_t SlotOf(std::string_view key) {
  // What stands between the first { and the } after it decides alone, where there is something.
  if (const size_t open = key.find('{'); open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  uint16_t crc = 0;
  for (const char c : key)
    crc = static_cast<uint16_t>(crc << 8 ^ kCrcTable[(crc >> 8 ^ static_cast<uint8_t>(c)) & 0xff]);
  return crc & 16383;
}

}  // namespace salver::redis
