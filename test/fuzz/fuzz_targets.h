// The ways by which bytes from outside come in, one function each: whatever `bytes` are, it returns, having
// read nothing beyond them and kept nothing. What the code under it promises besides is checked there.
// docs/testing.md says how they are run.
//
// Thread safety: one call at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace salver::fuzz {

// All that a client sends on one connection, as the server reads it; the first byte says in how large pieces.
void Http(std::string_view bytes);
// What a client sends behind HTTP/2's preface.
void Http2(std::string_view bytes);
// The first byte says which gRPC method, the rest is the message of its call.
void GrpcMessage(std::string_view bytes);
// The first byte says which route, the rest is the body of its request.
void RequestJson(std::string_view bytes);
// Join keys, their types and values, as requests, tables and stores bring them.
void EntityKey(std::string_view bytes);
// A schema of packed rows, and a row.
void PackedRow(std::string_view bytes);
// The first byte is the type of the column, the rest a serialized feast.types.Value of it.
void StoredValue(std::string_view bytes);
// What a Redis server sends in answer to one read; the first byte says in which layout.
void RedisReplies(std::string_view bytes);
// The file of a registry.
void RegistryFile(std::string_view bytes);
// A snappy block, of a Parquet file's page.
void SnappyBlocks(std::string_view bytes);

// Throws when `holds` is false; nobody catches it.
inline void Check(bool holds, const char* what) {
  if (!holds) throw std::logic_error(std::string("does not hold: ") + what);
}

// Takes an input apart from its start. What is asked of an empty one is 0 or "".
class Input {
 public:
  explicit Input(std::string_view bytes) : left_(bytes) {}
  bool empty() const { return left_.empty(); }
  uint8_t Byte() { return left_.empty() ? 0 : static_cast<uint8_t>(Take(1)[0]); }
  int64_t Integer() {  // 8 bytes
    int64_t value = 0;
    const std::string_view bytes = Take(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  std::string_view Text() { return Take(Byte()); }  // its length, then its bytes
  std::string_view Rest() { return Take(left_.size()); }

 private:
  std::string_view Take(size_t size) {
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view left_;
};

}  // namespace salver::fuzz
