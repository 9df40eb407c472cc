#include "source/parquet_pages.h"

#include <arrow/io/file.h>
#include <arrow/type.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/encoding.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstring>

#include "source/chunk_stream.h"
#include "source/read_scratch.h"
#include "source/snappy_block.h"
#include "source/snappy_decompress.h"

namespace salver {
namespace {

// Values [first_row, first_row + rows) of the chunk.
struct Page {
  std::shared_ptr<parquet::DataPage> page;  // keeps `data`
  int64_t first_row = 0;
  int rows = 0, present = 0;
  const int16_t* levels = nullptr;  // 1 where there is a value; null: everywhere
  const uint8_t* data = nullptr;    // of the values, after the levels
  int size = 0;
  bool block = false;     // all values are there, and only ValueInBlock has them
  bool in_place = false;  // all values are there, and where the reader was told to put those of the chunk
};

[[noreturn]] void Damaged(const std::string& what) {
  throw parquet::ParquetException(what);
}

std::shared_ptr<ChunkStream> OpenChunk(const ColumnChunk& chunk, const parquet::ColumnChunkMetaData& about,
                                       bool deferred, ReadScratch* scratch) {
  int64_t begin = about.data_page_offset();
  if (about.has_dictionary_page() && about.dictionary_page_offset() > 0)
    begin = std::min(begin, about.dictionary_page_offset());
  const int64_t size = about.total_compressed_size();
  PARQUET_ASSIGN_OR_THROW(const int64_t file_size, chunk.file->GetSize());
  if (begin < 0 || size < 0 || begin > file_size || size > file_size - begin)
    Damaged("a column chunk lies outside of the file");
  return std::make_shared<ChunkStream>(chunk.file, begin, size, deferred, &scratch->bytes);
}

template <typename Type>
class ChunkReader {
 public:
  using T = typename Type::c_type;

  // Of all pages, for values that go to `all_values`, one a row: pages that can be are decompressed there.
  ChunkReader(const ColumnChunk& chunk, ReadScratch* scratch, T* all_values)
      : ChunkReader(chunk, scratch, SIZE_MAX, all_values, [](int64_t) { return true; }) {}
  // `wanted(end)`: whether the page before row `end` has a wanted row; other pages are passed over.
  // When few of all values are, pages stay compressed where single values can be read from them.
  ChunkReader(const ColumnChunk& chunk, ReadScratch* scratch, size_t wanted_count,
              std::function<bool(int64_t)> wanted)
      : ChunkReader(chunk, scratch, wanted_count, nullptr, std::move(wanted)) {}

  bool Next(Page* page) {
    while (const auto next = pages_->NextPage()) {
      if (next->type() == parquet::PageType::DICTIONARY_PAGE) {
        SetDictionary(static_cast<const parquet::DictionaryPage&>(*next));
        continue;
      }
      if (next->type() != parquet::PageType::DATA_PAGE && next->type() != parquet::PageType::DATA_PAGE_V2)
        continue;
      Open(std::static_pointer_cast<parquet::DataPage>(next), page);
      return true;
    }
    if (rows_seen_ != group_rows_)
      Damaged("a row group says " + std::to_string(group_rows_) + " rows and holds " +
              std::to_string(rows_seen_));
    return false;
  }

  bool IsPlain(const Page& page) const { return page.page->encoding() == parquet::Encoding::PLAIN; }
  bool IsDictionary(const Page& page) const {
    return page.page->encoding() == parquet::Encoding::RLE_DICTIONARY ||
           page.page->encoding() == parquet::Encoding::PLAIN_DICTIONARY;
  }

  // The values that are present, one after another.
  void Decode(const Page& page, T* to) {
    if (page.present == 0) return;  // `to` may be null
    if (IsPlain(page)) {
      std::memcpy(to, PlainValues(page), static_cast<size_t>(page.present) * sizeof(T));
      return;
    }
    if (IsDictionary(page)) {
      const int32_t* const indices = DictionaryIndices(page);
      return LookUp(Dictionary(), indices, page.present, to);
    }
    const auto decoder = parquet::MakeTypedDecoder<Type>(page.page->encoding(), column_);
    decoder->SetData(page.present, page.data, page.size);
    if (decoder->Decode(to, page.present) != page.present) Damaged("a page holds fewer values than it says");
  }

  // `present` values, perhaps not aligned.
  const uint8_t* PlainValues(const Page& page) const {
    if (static_cast<size_t>(page.size) < static_cast<size_t>(page.present) * sizeof(T))
      Damaged("a page holds fewer values than it says");
    return page.data;
  }

  // Places in the dictionary of the values that are present; a damaged page names some that lie outside of
  // it.
  const int32_t* DictionaryIndices(const Page& page) {
    if (dictionary_values_ < 0) Damaged("a page needs a dictionary, and there is none before it");
    auto& indices = scratch_->indices;
    MakeRoom(static_cast<size_t>(page.present), &indices);
    if (index_decoder_ == nullptr) index_decoder_ = parquet::MakeDictDecoder<Type>(column_);
    index_decoder_->SetData(page.present, page.data, page.size);
    if (index_decoder_->DecodeIndices(page.present, indices.data()) != page.present)
      Damaged("a page holds fewer values than it says");
    return indices.data();
  }

  // A value of the dictionary: read by itself while few are, when the dictionary hardly compresses.
  T DictionaryValue(int32_t index) {
    const auto at = static_cast<size_t>(static_cast<uint32_t>(index));
    if (at >= static_cast<size_t>(dictionary_values_)) DamagedIndex();
    T value;
    if (!dictionary_is_read_ && ++dictionary_reads_ * kBytesARead < dictionary_bytes_ &&
        OpenDictionaryBlock() &&
        dictionary_block_.Read(at * sizeof(T), {reinterpret_cast<uint8_t*>(&value), sizeof(T)}))
      return value;
    return Dictionary()[at];
  }

  // What `map` gives for the values that are present.
  const int32_t* Map(const Page& page, const NumberMap& map) {
    auto &numbers = scratch_->numbers, &mapped = scratch_->mapped;
    MakeRoom(static_cast<size_t>(page.present), &numbers);
    if (!IsDictionary(page)) {
      T* const decoded = DecodedScratch(page.present);
      Decode(page, decoded);
      map.Map(decoded, static_cast<size_t>(page.present), numbers.data());
      return numbers.data();
    }
    const int32_t* const indices = DictionaryIndices(page);
    if (!dictionary_is_mapped_) {
      const auto dictionary = Dictionary();
      MakeRoom(dictionary.size(), &mapped);
      map.Map(dictionary.data(), dictionary.size(), mapped.data());
      dictionary_is_mapped_ = true;
    }
    LookUp(std::span<const int32_t>(mapped).first(static_cast<size_t>(dictionary_values_)), indices,
           page.present, numbers.data());
    return numbers.data();
  }

  // Value `row` of a page that is a block; ascending. False: the block does not give it, Unpack the page.
  bool ValueInBlock(int row, T* value) {
    return block_.Read(block_values_ + static_cast<size_t>(row) * sizeof(T),
                       {reinterpret_cast<uint8_t*>(value), sizeof(T)});
  }
  // Makes a page that is a block one with data.
  void Unpack(Page* page) {
    DecompressPage(page);
    page->data += block_values_;
    page->size -= static_cast<int>(block_values_);
    page->block = false;
  }

  T* DecodedScratch(int count) {
    auto& decoded = scratch_->decoded;
    MakeRoom(static_cast<size_t>(count), &decoded);
    return reinterpret_cast<T*>(decoded.data());  // 8 bytes a value, aligned for all
  }

 private:
  ChunkReader(const ColumnChunk& chunk, ReadScratch* scratch, size_t wanted_count, T* all_values,
              std::function<bool(int64_t)> wanted)
      : column_(chunk.metadata->schema()->Column(chunk.leaf)), scratch_(scratch), all_values_(all_values) {
    const auto group = chunk.metadata->RowGroup(chunk.group);
    const auto about = group->ColumnChunk(chunk.leaf);
    group_rows_ = group->num_rows();
    static const parquet::ReaderProperties properties = parquet::default_reader_properties();
    few_ = wanted_count < static_cast<size_t>(group_rows_) / 4;
    snappy_ = about->compression() == parquet::Compression::SNAPPY;
    const bool deferred = few_ && snappy_;
    piecewise_ = deferred && wanted_count * kBytesARead < static_cast<size_t>(group_rows_) * sizeof(T) &&
                 dynamic_cast<arrow::io::ReadableFile*>(chunk.file) != nullptr;
    stream_ = OpenChunk(chunk, *about, deferred, scratch);
    // A reader that is told of no compression hands out the pages as they are stored.
    pages_ = parquet::PageReader::Open(stream_, about->num_values(),
                                       snappy_ ? parquet::Compression::UNCOMPRESSED : about->compression(),
                                       properties, *column_);
    pages_->set_data_page_filter([this, wanted = std::move(wanted)](const parquet::DataPageStats& page) {
      page_first_ = rows_seen_;
      rows_seen_ += page.num_values;
      if (page.num_values < 0 || rows_seen_ > group_rows_)
        Damaged("a row group holds more rows than it says");
      return !wanted(rows_seen_);
    });
  }

  // Kept as it is stored, or where it is stored: often only pages behind those that use it are wanted.
  void SetDictionary(const parquet::DictionaryPage& page) {
    if (page.encoding() != parquet::Encoding::PLAIN && page.encoding() != parquet::Encoding::PLAIN_DICTIONARY)
      Damaged("a dictionary has an encoding that there is not");
    if (page.num_values() < 0) Damaged("a dictionary says that it has less than no values");
    dictionary_bytes_ = static_cast<size_t>(page.size());
    dictionary_values_ = page.num_values();
    dictionary_is_read_ = dictionary_is_mapped_ = false;
    dictionary_reads_ = 0;
    dictionary_place_ = stream_->waits() ? stream_->page_place() : -1;
    if (stream_->waits()) return;
    MakeRoom(dictionary_bytes_, &scratch_->dictionary);
    std::copy_n(page.data(), page.size(), scratch_->dictionary.begin());
  }

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

  std::span<const T> Dictionary() {
    const auto count = static_cast<size_t>(dictionary_values_);
    auto &stored = scratch_->dictionary, &values = scratch_->dictionary_values;
    if (!dictionary_is_read_) {
      const auto bytes = [&] { return std::span(stored).first(dictionary_bytes_); };
      if (dictionary_place_ >= 0) {
        MakeRoom(dictionary_bytes_, &stored);
        if (!stream_->ReadAt(dictionary_place_, bytes())) Damaged("the file ends inside a dictionary");
      }
      if (snappy_) Decompress(bytes(), 0, count * sizeof(T), &values);
      if (!snappy_ && dictionary_bytes_ < count * sizeof(T))
        Damaged("a dictionary holds fewer values than it says");
      dictionary_is_read_ = true;
    }
    return {reinterpret_cast<const T*>((snappy_ ? values : stored).data()), count};
  }

  bool OpenDictionaryBlock() {
    if (dictionary_reads_ > 1) return dictionary_is_block_;
    const auto read = [this](size_t offset, std::span<uint8_t> to) {
      return stream_->ReadAt(dictionary_place_ + static_cast<int64_t>(offset), to);
    };
    dictionary_is_block_ = piecewise_ && dictionary_place_ >= 0 &&
                           dictionary_block_.OpenPiecewise(dictionary_bytes_, read) &&
                           dictionary_block_.size() == static_cast<size_t>(dictionary_values_) * sizeof(T);
    return dictionary_is_block_;
  }

  void Open(std::shared_ptr<parquet::DataPage> data, Page* page) {
    page->first_row = page_first_;
    page->rows = page->present = data->num_values();
    page->levels = nullptr;
    page->data = data->data();
    page->size = data->size();
    page->block = page->in_place = false;
    page->page = std::move(data);
    if (snappy_ && IsCompressed(*page->page)) {
      if (all_values_ != nullptr ? OpenInPlace(page) : few_ && OpenBlock(page)) return;
      DecompressPage(page);
    } else {
      stream_->Load();
    }
    if (column_->max_definition_level() > 0) ReadLevels(page);
  }

  static bool IsCompressed(const parquet::DataPage& page) {
    return page.type() == parquet::PageType::DATA_PAGE ||
           static_cast<const parquet::DataPageV2&>(page).is_compressed();
  }

  // `size` bytes, the first `stored` of them as they are.
  void Decompress(std::span<const uint8_t> bytes, size_t stored, size_t size, LargeVector<uint8_t>* buffer) {
    if (stored > size || stored > bytes.size() || size / kSnappyRatioMax > bytes.size())
      Damaged("a page says that it is larger than its bytes can be");
    auto& to = *buffer;
    MakeRoom(size, &to);
    std::copy_n(bytes.begin(), stored, to.begin());
    const auto rest = bytes.subspan(stored);
    if (rest.empty() && stored == size) return;
    if (!DecompressSnappy(rest, {to.data() + stored, size - stored})) Damaged("a page does not decompress");
  }

  // Plain values without nulls, of a page of the first version: its levels are in front of them, so that it
  // is decompressed a few bytes before their place, over values of the page before, which are put back.
  bool OpenInPlace(Page* page) {
    constexpr int64_t kLevelsMax = 64;
    const auto& data = *page->page;
    const int64_t values = int64_t{page->rows} * static_cast<int64_t>(sizeof(T)),
                  size = data.uncompressed_size();
    const int64_t levels = size - values;
    if (!IsPlain(*page) || data.type() != parquet::PageType::DATA_PAGE || levels < 0 || levels > kLevelsMax ||
        levels > page->first_row * static_cast<int64_t>(sizeof(T)) || size / kSnappyRatioMax > data.size())
      return false;
    auto* const at = reinterpret_cast<uint8_t*>(all_values_ + page->first_row) - levels;
    uint8_t before[kLevelsMax];
    std::copy_n(at, levels, before);
    page->in_place =
        DecompressSnappy({data.data(), static_cast<size_t>(data.size())}, {at, static_cast<size_t>(size)}) &&
        HasAllValues(*page, {at, static_cast<size_t>(levels)});
    std::copy_n(before, levels, at);
    return page->in_place;  // else it is read from the start, and its faults are found there
  }

  // Whether `levels`, which a page of the first version starts with, are levels and say that no value is
  // null.
  bool HasAllValues(const Page& page, std::span<const uint8_t> levels) {
    if (column_->max_definition_level() == 0) return levels.empty();
    const auto& v1 = static_cast<const parquet::DataPageV1&>(*page.page);
    uint32_t size = 0;
    if (v1.definition_level_encoding() != parquet::Encoding::RLE || levels.size() < sizeof size) return false;
    std::memcpy(&size, levels.data(), sizeof size);
    if (size != levels.size() - sizeof size) return false;
    levels_.SetData(parquet::Encoding::RLE, 1, page.rows, levels.data(), static_cast<int>(levels.size()));
    const auto all = levels_.CountUpTo(1, page.rows);
    return all.processed_count == page.rows && all.matching_count == page.rows;
  }

  // Plain values without nulls, of a page of the first version, whose levels are in the block too.
  bool OpenBlock(Page* page) {
    if (!IsPlain(*page) || page->page->type() != parquet::PageType::DATA_PAGE) return false;
    if (OpenBlockPiecewise(page)) return true;
    stream_->Load();
    const auto bytes = std::span(page->page->data(), static_cast<size_t>(page->page->size()));
    return block_.Open(bytes) && OpenValues(page);
  }

  bool OpenBlockPiecewise(Page* page) {
    if (!piecewise_ || !stream_->waits()) return false;
    const auto read = [this](size_t offset, std::span<uint8_t> to) { return stream_->LoadPart(offset, to); };
    return block_.OpenPiecewise(static_cast<size_t>(page->page->size()), read) && OpenValues(page);
  }

  bool OpenValues(Page* page) {
    if (static_cast<int64_t>(block_.size()) != page->page->uncompressed_size()) return false;
    block_values_ = 0;
    if (column_->max_definition_level() > 0) {
      uint32_t size = 0;
      const auto prefix = std::span(reinterpret_cast<uint8_t*>(&size), sizeof size);
      if (!block_.Read(0, prefix) || size > 1024) return false;
      block_values_ = sizeof size + size;
      block_levels_.resize(block_values_);
      if (!block_.Read(0, block_levels_) || !HasAllValues(*page, block_levels_)) return false;
    }
    page->block = block_.size() - block_values_ >= static_cast<size_t>(page->rows) * sizeof(T);
    return page->block;
  }

  void DecompressPage(Page* page) {
    stream_->Load();
    const auto& data = *page->page;
    int64_t levels = 0;
    if (data.type() == parquet::PageType::DATA_PAGE_V2) {
      const auto& v2 = static_cast<const parquet::DataPageV2&>(data);
      levels = int64_t{v2.definition_levels_byte_length()} + v2.repetition_levels_byte_length();
    }
    if (levels < 0 || data.uncompressed_size() < 0 || data.uncompressed_size() > INT32_MAX)
      Damaged("a page has a size that can not be");
    Decompress({data.data(), static_cast<size_t>(data.size())}, static_cast<size_t>(levels),
               static_cast<size_t>(data.uncompressed_size()), &scratch_->page);
    page->data = scratch_->page.data();
    page->size = static_cast<int>(data.uncompressed_size());
  }

  void ReadLevels(Page* page) {
    const uint8_t* const stored = page->data;
    const int stored_size = page->size;
    const auto begin = [&] {
      if (page->page->type() == parquet::PageType::DATA_PAGE_V2) {
        const auto& v2 = static_cast<const parquet::DataPageV2&>(*page->page);
        const int bytes = v2.definition_levels_byte_length();
        if (bytes < 0 || bytes > stored_size) Damaged("the levels of a page lie outside of it");
        levels_.SetDataV2(bytes, 1, page->rows, stored);
        return bytes;
      }
      const auto& v1 = static_cast<const parquet::DataPageV1&>(*page->page);
      return levels_.SetData(v1.definition_level_encoding(), 1, page->rows, stored, stored_size);
    };
    const int bytes = begin();
    page->data = stored + bytes;
    page->size = stored_size - bytes;
    // Mostly there are no nulls, and one run says so.
    if (const auto all = levels_.CountUpTo(1, page->rows); all.processed_count == page->rows) {
      page->present = all.matching_count;
      if (page->present == page->rows) return;
    }
    begin();
    auto& levels = scratch_->levels;
    MakeRoom(static_cast<size_t>(page->rows), &levels);
    if (levels_.Decode(page->rows, levels.data()) != page->rows)
      Damaged("a page holds fewer levels than it says");
    page->present = static_cast<int>(std::count(levels.begin(), levels.begin() + page->rows, int16_t{1}));
    page->levels = levels.data();
  }

  static constexpr int kSnappyRatioMax = 32;  // a copy of 64 bytes takes three
  // One system call for a value costs about what four kilobytes cost; on another machine it costs far more.
  static constexpr size_t kBytesARead = 4 << 10;

  const parquet::ColumnDescriptor* const column_;
  ReadScratch* const scratch_;
  T* const all_values_;  // null: only some are wanted
  int64_t group_rows_ = 0, rows_seen_ = 0, page_first_ = 0;
  std::shared_ptr<ChunkStream> stream_;
  bool few_ = false;        // of the values are wanted
  bool piecewise_ = false;  // single values are read from the file
  std::unique_ptr<parquet::PageReader> pages_;
  parquet::LevelDecoder levels_;
  bool snappy_ = false;  // decompressed here; else by the page reader
  SnappyBlock block_;    // of the page that is one
  std::vector<uint8_t> block_levels_;
  size_t block_values_ = 0;            // where they begin in it
  int dictionary_values_ = -1;         // -1: there is none
  size_t dictionary_bytes_ = 0;        // as stored
  int64_t dictionary_place_ = -1;      // in the file; -1: it is in the scratch
  bool dictionary_is_read_ = false;    // in the scratch, its values
  bool dictionary_is_mapped_ = false;  // in the scratch
  bool dictionary_is_block_ = false;   // single values can be read
  size_t dictionary_reads_ = 0;        // of single values
  SnappyBlock dictionary_block_;
  std::unique_ptr<parquet::DictDecoder<Type>> index_decoder_;
};

template <typename Type>
bool ReadChunk(const ColumnChunk& chunk, ReadScratch* scratch, void* to, uint8_t* valid) {
  using T = typename Type::c_type;
  ChunkReader<Type> reader(chunk, scratch, static_cast<T*>(to));
  Page page;
  bool nulls = false;
  while (reader.Next(&page)) {
    T* values = static_cast<T*>(to) + page.first_row;
    if (!page.in_place) reader.Decode(page, values);
    if (page.levels == nullptr) {
      if (nulls) std::fill_n(valid + page.first_row, page.rows, uint8_t{1});
      continue;
    }
    if (!nulls) std::fill_n(valid, page.first_row, uint8_t{1});
    nulls = true;
    // Apart, from the back: each value goes to its row.
    for (int row = page.rows - 1, from = page.present - 1; row >= 0; --row) {
      const bool present = page.levels[row] != 0;
      valid[page.first_row + row] = present;
      if (present) values[row] = values[from--];
    }
  }
  return nulls;
}

template <typename Type>
size_t FindChunk(const ColumnChunk& chunk, const NumberMap& map, ReadScratch* scratch, uint32_t* rows,
                 int32_t* numbers) {
  ChunkReader<Type> reader(chunk, scratch, SIZE_MAX, [](int64_t) { return true; });
  size_t found = 0;
  Page page;
  while (reader.Next(&page)) {
    if (page.present == 0) continue;  // there may be no dictionary either
    const int32_t* of_value = reader.Map(page, map);
    for (int row = 0; row < page.rows; ++row) {
      if (page.levels != nullptr && page.levels[row] == 0) continue;
      const int32_t number = *of_value++;
      // Without a branch: which rows are found can not be foretold.
      rows[found] = static_cast<uint32_t>(page.first_row + row);
      numbers[found] = number;
      found += number >= 0;
    }
  }
  return found;
}

// Picks [begin, end) from a page that stayed compressed; false when the block gives not all.
template <typename Type>
bool PlaceFromBlock(ChunkReader<Type>* reader, const Page& page, const PickedRows& picked,
                    std::pair<size_t, size_t> range, typename Type::c_type* values) {
  for (size_t i = range.first; i < range.second; ++i) {
    if (!reader->ValueInBlock(static_cast<int>(picked.rows[i] - page.first_row), &values[picked.targets[i]]))
      return false;
  }
  return true;
}

template <typename Type>
void GatherChunk(const ColumnChunk& chunk, const PickedRows& picked, ReadScratch* scratch, void* to,
                 std::vector<uint32_t>* nulls) {
  using T = typename Type::c_type;
  T* const values = static_cast<T*>(to);
  size_t next = 0;  // of the picked rows
  ChunkReader<Type> reader(chunk, scratch, picked.rows.size(), [&](int64_t end) {
    return next < picked.rows.size() && static_cast<int64_t>(picked.rows[next]) < end;
  });
  Page page;
  // The pages in front of the next picked row were passed over by the filter.
  while (next < picked.rows.size() && reader.Next(&page)) {
    const size_t begin = next;
    const int64_t end_row = page.first_row + page.rows;
    while (next < picked.rows.size() && static_cast<int64_t>(picked.rows[next]) < end_row) ++next;
    const auto place = [&](auto value_at) {
      for (size_t i = begin; i < next; ++i)
        values[picked.targets[i]] = value_at(static_cast<int>(picked.rows[i] - page.first_row));
    };
    if (page.block) {
      if (PlaceFromBlock(&reader, page, picked, {begin, next}, values)) continue;
      reader.Unpack(&page);
    }
    if (page.levels == nullptr && reader.IsPlain(page)) {
      const uint8_t* plain = reader.PlainValues(page);
      place([plain](int row) {
        T value;
        std::memcpy(&value, plain + static_cast<size_t>(row) * sizeof(T), sizeof(T));
        return value;
      });
    } else if (page.levels == nullptr && reader.IsDictionary(page)) {
      const int32_t* indices = reader.DictionaryIndices(page);
      place([&](int row) { return reader.DictionaryValue(indices[row]); });
    } else {
      T* decoded = reader.DecodedScratch(page.present);
      reader.Decode(page, decoded);
      int row = 0, rank = 0;  // values before `row`
      for (size_t i = begin; i < next; ++i) {
        const int wanted = static_cast<int>(picked.rows[i] - page.first_row);
        for (; row < wanted; ++row) rank += page.levels == nullptr || page.levels[row] != 0;
        if (page.levels != nullptr && page.levels[wanted] == 0) {
          nulls->push_back(picked.targets[i]);
        } else {
          values[picked.targets[i]] = decoded[rank];
        }
      }
    }
  }
  if (next < picked.rows.size()) Damaged("a row group holds fewer rows than it says");
}

// Calls use(type) with the physical type of the column.
template <typename Use>
auto WithType(const ColumnChunk& chunk, Use use) {
  switch (chunk.metadata->schema()->Column(chunk.leaf)->physical_type()) {
    case parquet::Type::INT32:
      return use(parquet::Int32Type());
    case parquet::Type::INT64:
      return use(parquet::Int64Type());
    case parquet::Type::FLOAT:
      return use(parquet::FloatType());
    default:
      return use(parquet::DoubleType());
  }
}

int PhysicalWidth(parquet::Type::type type) {
  switch (type) {
    case parquet::Type::INT32:
    case parquet::Type::FLOAT:
      return 4;
    case parquet::Type::INT64:
    case parquet::Type::DOUBLE:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

bool HasFixedPages(const parquet::FileMetaData& metadata, int leaf, const arrow::DataType& type) {
  // Older Java writers gave chunks wrong sizes; Arrow's reader knows how to take that.
  if (metadata.writer_version().VersionLt(parquet::ApplicationVersion::PARQUET_816_FIXED_VERSION()))
    return false;
  if (metadata.is_encryption_algorithm_set()) return false;
  const parquet::ColumnDescriptor& column = *metadata.schema()->Column(leaf);
  const bool flat = column.max_repetition_level() == 0 && column.max_definition_level() <= 1 &&
                    column.schema_node()->parent() == metadata.schema()->group_node();
  const int width = PhysicalWidth(column.physical_type());
  return flat && width > 0 && arrow::is_primitive(type.id()) && type.id() != arrow::Type::BOOL &&
         type.byte_width() == width;
}

bool ReadFixedPages(const ColumnChunk& chunk, ReadScratch* scratch, void* values, uint8_t* valid) {
  return WithType(chunk, [&](auto type) { return ReadChunk<decltype(type)>(chunk, scratch, values, valid); });
}

size_t FindFixedPages(const ColumnChunk& chunk, const NumberMap& map, ReadScratch* scratch, uint32_t* rows,
                      int32_t* numbers) {
  return chunk.metadata->schema()->Column(chunk.leaf)->physical_type() == parquet::Type::INT32
             ? FindChunk<parquet::Int32Type>(chunk, map, scratch, rows, numbers)
             : FindChunk<parquet::Int64Type>(chunk, map, scratch, rows, numbers);
}

void GatherFixedPages(const ColumnChunk& chunk, const PickedRows& picked, ReadScratch* scratch, void* values,
                      std::vector<uint32_t>* nulls) {
  WithType(chunk, [&](auto type) {
    GatherChunk<decltype(type)>(chunk, picked, scratch, values, nulls);
    return true;
  });
}

}  // namespace salver
