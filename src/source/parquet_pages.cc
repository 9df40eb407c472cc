#include "source/parquet_pages.h"

#include <arrow/type.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cstring>

#include "source/chunk_reader.h"
#include "source/damaged_page.h"
#include "source/read_scratch.h"

namespace salver {
namespace {

template <typename Type>
bool ReadChunk(const ColumnChunk& chunk, ReadScratch* scratch, void* to, uint8_t* valid) {
  using T = typename Type::c_type;
  ChunkReader<Type> reader(chunk, scratch, static_cast<T*>(to));
  ChunkPage page;
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
  ChunkPage page;
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
bool PlaceFromBlock(ChunkReader<Type>* reader, const ChunkPage& page, const PickedRows& picked,
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
  ChunkPage page;
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
