// The protobuf wire format by hand: enough of it to write and read feast.types.Value without a message per
// value. Readers are total: any bytes give a value or false, never a read past the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace salver::wire {

enum Type : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

inline void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}
inline void AppendTag(uint32_t field, Type type, std::string* out) {
  AppendVarint(field << 3 | type, out);
}
template <typename T>
void AppendFixed(T value, std::string* out) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}
inline void AppendBytes(uint32_t field, std::string_view bytes, std::string* out) {
  AppendTag(field, kBytes, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}

// Walks the fields of one message. After Next() is true, take the payload with the call that fits type(), or
// Skip().
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool done() const { return at_ == end_; }
  const char* at() const { return at_; }
  uint32_t field() const { return field_; }
  Type type() const { return type_; }

  // False when the tag is malformed; call only when not done().
  bool Next() {
    uint64_t tag;
    if (!Varint(&tag) || tag > UINT32_MAX) return false;
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<Type>(tag & 7);
    return field_ != 0 && (type_ == kVarint || type_ == kFixed64 || type_ == kBytes || type_ == kFixed32);
  }
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && at_ < end_; shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(*at_++);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  template <typename T>
  bool Fixed(T* value) {
    if (end_ - at_ < static_cast<ptrdiff_t>(sizeof(T))) return false;
    std::memcpy(value, at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }
  bool Bytes(std::string_view* bytes) {
    uint64_t size;
    if (!Varint(&size) || size > static_cast<uint64_t>(end_ - at_)) return false;
    *bytes = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }
  bool Skip() {
    uint64_t u64;
    uint32_t u32;
    std::string_view bytes;
    switch (type_) {
      case kVarint:
        return Varint(&u64);
      case kFixed64:
        return Fixed(&u64);
      case kFixed32:
        return Fixed(&u32);
      case kBytes:
        return Bytes(&bytes);
    }
    return false;
  }

 private:
  const char* at_;
  const char* end_;
  uint32_t field_ = 0;
  Type type_ = kVarint;
};

}  // namespace salver::wire
