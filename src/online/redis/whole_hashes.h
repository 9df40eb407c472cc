// Whether a read asks for its fields of a hash, or for the whole hash.
//
// Redis keeps a hash of few and short values as one list of bytes ("listpack") and looks for each field from
// its front, so HMGET costs the server fields x their places in the list; HGETALL goes through the list once,
// but sends all of it. Neither is right for every request: 11 fields of 275 cost HMGET 16 us where HGETALL
// takes 26, all 275 cost it 415. A read of many fields therefore looks at one hash as a sample, and what it
// found holds for reads of the same fields for a while.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace salver::redis {

// What a sample said: a hash of `entries` fields, those that the read wants at `places` (their sum, each
// counted from 0; a field that is not there counts `entries`).
struct HashSample {
  bool listpack = false;
  uint64_t fields = 0, places = 0, entries = 0;

  bool WholeIsCheaper() const;
};

// What samples said, by the fields of the read. Thread safety: all from any thread, without locks.
class WholeHashes {
 public:
  enum class Way { kUnknown, kFields, kWhole };

  // Reads of fewer fields ask for them, whatever the hash is.
  static constexpr size_t kFieldsMin = 12;
  // Hashes grow as views are added: a sample is taken again after so long.
  static constexpr uint32_t kHoldsSeconds = 60;

  // `fields`: of the command, as they are sent.
  static uint64_t IdOf(std::string_view fields);
  // `now_s`: seconds of a steady clock.
  Way Of(uint64_t id, uint32_t now_s) const;
  void Learn(uint64_t id, bool whole, uint32_t now_s);

 private:
  // One word each: 31 bits of the id, 32 of the second it was learned, 1 of the way. Two reads that fall on
  // the same slot take turns in being unknown.
  std::array<std::atomic<uint64_t>, 256> slots_{};
};

}  // namespace salver::redis
