// Columns of fixed-width values straight from Parquet's pages into memory of the caller: no Arrow array
// between, pages without a wanted row are not even decompressed, and nothing is allocated a second time. All
// throw what the Parquet library throws, and parquet::ParquetException for a chunk that is not what its
// metadata says.
#pragma once

#include <cstdint>
#include <vector>

#include "salver/source_reader.h"

namespace arrow {
class DataType;
namespace io {
class RandomAccessFile;
}
}  // namespace arrow

namespace parquet {
class FileMetaData;
}

namespace salver {

// One column of one row group.
struct ColumnChunk {
  arrow::io::RandomAccessFile* file;
  const parquet::FileMetaData* metadata;
  int group, leaf;
};

// True when the functions below take the column `leaf`, which Arrow reads as `type`: a flat column whose
// values have 4 or 8 bytes in the file and in Arrow alike.
bool HasFixedPages(const parquet::FileMetaData& metadata, int leaf, const arrow::DataType& type);

// As SourceReader::ReadFixed and GatherFixed.
bool ReadFixedPages(const ColumnChunk& chunk, ReadScratch* scratch, void* values, uint8_t* valid);
void GatherFixedPages(const ColumnChunk& chunk, const PickedRows& picked, ReadScratch* scratch, void* values,
                      std::vector<uint32_t>* nulls);
// As SourceReader::FindFixed, of a column of whole numbers.
size_t FindFixedPages(const ColumnChunk& chunk, const NumberMap& map, ReadScratch* scratch, uint32_t* rows,
                      int32_t* numbers);

}  // namespace salver
