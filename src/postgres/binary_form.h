// Values as PostgreSQL sends and takes them in binary: big-endian, times in microseconds since 2000.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace salver::postgres {

inline constexpr uint32_t kByteaOid = 17, kInt8Oid = 20, kTextOid = 25, kTimestampTzOid = 1184,
                          kByteaArrayOid = 1001, kTextArrayOid = 1009, kInt8ArrayOid = 1016,
                          kTimestampTzArrayOid = 1185;

// 2000-01-01 in microseconds since 1970.
inline constexpr int64_t kPostgresEpochMicros = 946'684'800'000'000;

template <typename T>
void AppendBigEndian(T value, std::string* out) {
  for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8)
    out->push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
}

// An int8 or timestamptz; null for bytes of another size.
inline std::optional<int64_t> Int8Of(std::string_view bytes) {
  if (bytes.size() != 8) return std::nullopt;
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(value);
}

// An array of one dimension, element by element.
class ArrayForm {
 public:
  explicit ArrayForm(uint32_t element_oid) {
    AppendBigEndian<int32_t>(1, &bytes_);  // dimensions
    AppendBigEndian<int32_t>(1, &bytes_);  // it may have nulls
    AppendBigEndian(element_oid, &bytes_);
    AppendBigEndian<int32_t>(0, &bytes_);  // elements, set at the end
    AppendBigEndian<int32_t>(1, &bytes_);  // the first one's number
  }
  void Append(std::string_view bytes) {
    AppendBigEndian(static_cast<int32_t>(bytes.size()), &bytes_);
    bytes_ += bytes;
    ++count_;
  }
  void AppendNull() {
    AppendBigEndian<int32_t>(-1, &bytes_);
    ++count_;
  }
  void AppendInt8(int64_t value) {
    AppendBigEndian<int32_t>(8, &bytes_);
    AppendBigEndian(value, &bytes_);
    ++count_;
  }
  // The whole; nothing may be appended after it.
  std::string Finish() {
    if (count_ == 0) bytes_.replace(0, 4, 4, '\0');  // an empty array has no dimensions
    std::string count;
    AppendBigEndian(count_, &count);
    bytes_.replace(12, 4, count);
    if (count_ == 0) bytes_.resize(12);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
  int32_t count_ = 0;
};

}  // namespace salver::postgres
