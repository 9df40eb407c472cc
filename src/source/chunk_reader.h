// The pages of one Parquet column chunk, one after another: those that are passed over are not decompressed,
// others where their values are wanted, and of some that stay compressed single values are read. Throws what
// parquet_pages.h says.
#pragma once

#include <arrow/io/file.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/encoding.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "source/chunk_dictionary.h"
#include "source/chunk_stream.h"
#include "source/damaged_page.h"
#include "source/parquet_pages.h"
#include "source/read_scratch.h"
#include "source/snappy_block.h"
#include "source/snappy_decompress.h"

namespace salver {

// Values [first_row, first_row + rows) of the chunk.
struct ChunkPage {
  std::shared_ptr<parquet::DataPage> page;  // keeps `data`
  int64_t first_row = 0;
  int rows = 0, present = 0;
  const int16_t* levels = nullptr;  // 1 where there is a value; null: everywhere
  const uint8_t* data = nullptr;    // of the values, after the levels
  int size = 0;
  bool block = false;     // all values are there, and only ValueInBlock has them
  bool in_place = false;  // all values are there, and where the reader was told to put those of the chunk
};

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

  bool Next(ChunkPage* page) {
    while (const auto next = pages_->NextPage()) {
      if (next->type() == parquet::PageType::DICTIONARY_PAGE) {
        dictionary_.Set(static_cast<const parquet::DictionaryPage&>(*next), stream_.get(), snappy_,
                        piecewise_);
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

  bool IsPlain(const ChunkPage& page) const { return page.page->encoding() == parquet::Encoding::PLAIN; }
  bool IsDictionary(const ChunkPage& page) const {
    return page.page->encoding() == parquet::Encoding::RLE_DICTIONARY ||
           page.page->encoding() == parquet::Encoding::PLAIN_DICTIONARY;
  }

  // The values that are present, one after another.
  void Decode(const ChunkPage& page, T* to) {
    if (page.present == 0) return;  // `to` may be null
    if (IsPlain(page)) {
      std::memcpy(to, PlainValues(page), static_cast<size_t>(page.present) * sizeof(T));
      return;
    }
    if (IsDictionary(page)) {
      return dictionary_.LookUp(DictionaryIndices(page), page.present, to);
    }
    const auto decoder = parquet::MakeTypedDecoder<Type>(page.page->encoding(), column_);
    decoder->SetData(page.present, page.data, page.size);
    if (decoder->Decode(to, page.present) != page.present) Damaged("a page holds fewer values than it says");
  }

  // `present` values, perhaps not aligned.
  const uint8_t* PlainValues(const ChunkPage& page) const {
    if (static_cast<size_t>(page.size) < static_cast<size_t>(page.present) * sizeof(T))
      Damaged("a page holds fewer values than it says");
    return page.data;
  }

  // Places in the dictionary of the values that are present; a damaged page names some that lie outside of
  // it.
  const int32_t* DictionaryIndices(const ChunkPage& page) {
    if (!dictionary_.is_set()) Damaged("a page needs a dictionary, and there is none before it");
    auto& indices = scratch_->indices;
    MakeRoom(static_cast<size_t>(page.present), &indices);
    if (index_decoder_ == nullptr) index_decoder_ = parquet::MakeDictDecoder<Type>(column_);
    index_decoder_->SetData(page.present, page.data, page.size);
    if (index_decoder_->DecodeIndices(page.present, indices.data()) != page.present)
      Damaged("a page holds fewer values than it says");
    return indices.data();
  }

  T DictionaryValue(int32_t index) { return dictionary_.Value(index); }

  // What `map` gives for the values that are present.
  const int32_t* Map(const ChunkPage& page, const NumberMap& map) {
    auto& numbers = scratch_->numbers;
    MakeRoom(static_cast<size_t>(page.present), &numbers);
    if (IsDictionary(page)) {
      dictionary_.Map(map, DictionaryIndices(page), page.present, numbers.data());
    } else {
      T* const decoded = DecodedScratch(page.present);
      Decode(page, decoded);
      map.Map(decoded, static_cast<size_t>(page.present), numbers.data());
    }
    return numbers.data();
  }

  // Value `row` of a page that is a block; ascending. False: the block does not give it, Unpack the page.
  bool ValueInBlock(int row, T* value) {
    return block_.Read(block_values_ + static_cast<size_t>(row) * sizeof(T),
                       {reinterpret_cast<uint8_t*>(value), sizeof(T)});
  }
  // Makes a page that is a block one with data.
  void Unpack(ChunkPage* page) {
    UnpackAll(page);
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
      : column_(chunk.metadata->schema()->Column(chunk.leaf)),
        scratch_(scratch),
        all_values_(all_values),
        dictionary_(scratch) {
    const auto group = chunk.metadata->RowGroup(chunk.group);
    const auto about = group->ColumnChunk(chunk.leaf);
    group_rows_ = group->num_rows();
    static const parquet::ReaderProperties properties = parquet::default_reader_properties();
    few_ = wanted_count < static_cast<size_t>(group_rows_) / 4;
    snappy_ = about->compression() == parquet::Compression::SNAPPY;
    const bool deferred = few_ && snappy_;
    piecewise_ = deferred && wanted_count * kBytesARead < static_cast<size_t>(group_rows_) * sizeof(T) &&
                 dynamic_cast<arrow::io::ReadableFile*>(chunk.file) != nullptr;
    stream_ = OpenStream(chunk, *about, deferred, scratch);
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

  static std::shared_ptr<ChunkStream> OpenStream(const ColumnChunk& chunk,
                                                 const parquet::ColumnChunkMetaData& about, bool deferred,
                                                 ReadScratch* scratch) {
    int64_t begin = about.data_page_offset();
    if (about.has_dictionary_page() && about.dictionary_page_offset() > 0)
      begin = std::min(begin, about.dictionary_page_offset());
    const int64_t size = about.total_compressed_size();
    PARQUET_ASSIGN_OR_THROW(const int64_t file_size, chunk.file->GetSize());
    if (begin < 0 || size < 0 || begin > file_size || size > file_size - begin)
      Damaged("a column chunk lies outside of the file");
    return std::make_shared<ChunkStream>(chunk.file, begin, size, deferred, &scratch->bytes);
  }

  void Open(std::shared_ptr<parquet::DataPage> data, ChunkPage* page) {
    page->first_row = page_first_;
    page->rows = page->present = data->num_values();
    page->levels = nullptr;
    page->data = data->data();
    page->size = data->size();
    page->block = page->in_place = false;
    page->page = std::move(data);
    if (snappy_ && IsCompressed(*page->page)) {
      if (all_values_ != nullptr ? OpenInPlace(page) : few_ && OpenBlock(page)) return;
      UnpackAll(page);
    } else {
      stream_->Load();
    }
    if (column_->max_definition_level() > 0) ReadLevels(page);
  }

  static bool IsCompressed(const parquet::DataPage& page) {
    return page.type() == parquet::PageType::DATA_PAGE ||
           static_cast<const parquet::DataPageV2&>(page).is_compressed();
  }

  // Plain values without nulls, of a page of the first version: its levels are in front of them, so that it
  // is decompressed a few bytes before their place, over values of the page before, which are put back.
  bool OpenInPlace(ChunkPage* page) {
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
  bool HasAllValues(const ChunkPage& page, std::span<const uint8_t> levels) {
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
  bool OpenBlock(ChunkPage* page) {
    if (!IsPlain(*page) || page->page->type() != parquet::PageType::DATA_PAGE) return false;
    if (OpenBlockPiecewise(page)) return true;
    stream_->Load();
    const auto bytes = std::span(page->page->data(), static_cast<size_t>(page->page->size()));
    return block_.Open(bytes) && OpenValues(page);
  }

  bool OpenBlockPiecewise(ChunkPage* page) {
    if (!piecewise_ || !stream_->waits()) return false;
    const auto read = [this](size_t offset, std::span<uint8_t> to) { return stream_->LoadPart(offset, to); };
    return block_.OpenPiecewise(static_cast<size_t>(page->page->size()), read) && OpenValues(page);
  }

  bool OpenValues(ChunkPage* page) {
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

  void UnpackAll(ChunkPage* page) {
    stream_->Load();
    const auto& data = *page->page;
    int64_t levels = 0;
    if (data.type() == parquet::PageType::DATA_PAGE_V2) {
      const auto& v2 = static_cast<const parquet::DataPageV2&>(data);
      levels = int64_t{v2.definition_levels_byte_length()} + v2.repetition_levels_byte_length();
    }
    if (levels < 0 || data.uncompressed_size() < 0 || data.uncompressed_size() > INT32_MAX)
      Damaged("a page has a size that can not be");
    DecompressPage({data.data(), static_cast<size_t>(data.size())}, static_cast<size_t>(levels),
                   static_cast<size_t>(data.uncompressed_size()), &scratch_->page);
    page->data = scratch_->page.data();
    page->size = static_cast<int>(data.uncompressed_size());
  }

  void ReadLevels(ChunkPage* page) {
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
  size_t block_values_ = 0;  // where they begin in it
  ChunkDictionary<T> dictionary_;
  std::unique_ptr<parquet::DictDecoder<Type>> index_decoder_;
};

}  // namespace salver
