// The dictionary of one Parquet column chunk: kept as it is stored, or left where it is stored, until a value
// is asked for, since often only pages behind those that use it are wanted. Throws what parquet_pages.h says.
#pragma once

#include <parquet/column_page.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "source/chunk_stream.h"
#include "source/damaged_page.h"
#include "source/read_scratch.h"
#include "source/snappy_block.h"

namespace salver {

template <typename T>
class ChunkDictionary {
 public:
  explicit ChunkDictionary(ReadScratch* scratch) : scratch_(scratch) {}

  // `page` is the last that `stream` has read, which must outlive the dictionary. `snappy`: it is compressed.
  // `piecewise`: single values may be read from the file.
  void Set(const parquet::DictionaryPage& page, ChunkStream* stream, bool snappy, bool piecewise) {
    if (page.encoding() != parquet::Encoding::PLAIN && page.encoding() != parquet::Encoding::PLAIN_DICTIONARY)
      Damaged("a dictionary has an encoding that there is not");
    if (page.num_values() < 0) Damaged("a dictionary says that it has less than no values");
    stream_ = stream;
    snappy_ = snappy;
    piecewise_ = piecewise;
    bytes_ = static_cast<size_t>(page.size());
    count_ = page.num_values();
    is_read_ = is_mapped_ = false;
    reads_ = 0;
    place_ = stream->waits() ? stream->page_place() : -1;
    if (stream->waits()) return;
    MakeRoom(bytes_, &scratch_->dictionary);
    std::copy_n(page.data(), page.size(), scratch_->dictionary.begin());
  }

  bool is_set() const { return count_ >= 0; }

  std::span<const T> Values() {
    const auto count = static_cast<size_t>(count_);
    auto &stored = scratch_->dictionary, &values = scratch_->dictionary_values;
    if (!is_read_) {
      const auto bytes = [&] { return std::span(stored).first(bytes_); };
      if (place_ >= 0) {
        MakeRoom(bytes_, &stored);
        if (!stream_->ReadAt(place_, bytes())) Damaged("the file ends inside a dictionary");
      }
      if (snappy_) DecompressPage(bytes(), 0, count * sizeof(T), &values);
      if (!snappy_ && bytes_ < count * sizeof(T)) Damaged("a dictionary holds fewer values than it says");
      is_read_ = true;
    }
    return {reinterpret_cast<const T*>((snappy_ ? values : stored).data()), count};
  }

  // Read by itself while few are, when the dictionary hardly compresses.
  T Value(int32_t index) {
    const auto at = static_cast<size_t>(static_cast<uint32_t>(index));
    if (at >= static_cast<size_t>(count_)) DamagedIndex();
    T value;
    if (!is_read_ && ++reads_ * kBytesARead < bytes_ && OpenBlock() &&
        block_.Read(at * sizeof(T), {reinterpret_cast<uint8_t*>(&value), sizeof(T)}))
      return value;
    return Values()[at];
  }

  // to[i] = value indices[i].
  void LookUp(const int32_t* indices, int count, T* to) { LookUp(Values(), indices, count, to); }
  // to[i] = what `map` gives for value indices[i].
  void Map(const NumberMap& map, const int32_t* indices, int count, int32_t* to) {
    auto& mapped = scratch_->mapped;
    if (!is_mapped_) {
      const auto values = Values();
      MakeRoom(values.size(), &mapped);
      map.Map(values.data(), values.size(), mapped.data());
      is_mapped_ = true;
    }
    LookUp(std::span<const int32_t>(mapped).first(static_cast<size_t>(count_)), indices, count, to);
  }

 private:
  [[noreturn]] static void DamagedIndex() {
    Damaged("a page names a value that its dictionary does not have");
  }

  template <typename Value>
  static void LookUp(std::span<const Value> values, const int32_t* indices, int count, Value* to) {
    bool damaged = false;
    for (int i = 0; i < count; ++i) {
      const auto index = static_cast<size_t>(static_cast<uint32_t>(indices[i]));
      if (index < values.size()) {
        to[i] = values[index];
      } else {
        damaged = true;
      }
    }
    if (damaged) DamagedIndex();
  }

  bool OpenBlock() {
    if (reads_ > 1) return is_block_;
    const auto read = [this](size_t offset, std::span<uint8_t> to) {
      return stream_->ReadAt(place_ + static_cast<int64_t>(offset), to);
    };
    is_block_ = piecewise_ && place_ >= 0 && block_.OpenPiecewise(bytes_, read) &&
                block_.size() == static_cast<size_t>(count_) * sizeof(T);
    return is_block_;
  }

  ReadScratch* const scratch_;
  ChunkStream* stream_ = nullptr;
  bool snappy_ = false, piecewise_ = false;
  int count_ = -1;                            // of values; -1: there is no dictionary
  size_t bytes_ = 0;                          // as stored
  int64_t place_ = -1;                        // in the file; -1: it is in the scratch
  bool is_read_ = false, is_mapped_ = false;  // its values, and what they map to, are in the scratch
  bool is_block_ = false;                     // single values can be read
  size_t reads_ = 0;                          // of single values
  SnappyBlock block_;
};

}  // namespace salver
