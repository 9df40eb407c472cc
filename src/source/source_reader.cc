// What a SourceReader without fixed-width columns leaves as it is.
#include "salver/source_reader.h"

namespace salver {

Result<int64_t> SourceReader::ColumnBytes(int, const std::string&) const {
  return int64_t{0};
}

std::optional<NumberRange> SourceReader::RangeOf(int, const std::string&) const {
  return std::nullopt;
}

bool SourceReader::IsFixedWidth(const std::string&) const {
  return false;
}

Result<bool> SourceReader::ReadFixed(int, const std::string& column, ReadScratch*, void*, uint8_t*) {
  return Status::Internal("column \"" + column + "\" is read by its fixed width and has none.");
}

Status SourceReader::GatherFixed(int, const std::string& column, const PickedRows&, ReadScratch*, void*,
                                 std::vector<uint32_t>*) {
  return Status::Internal("column \"" + column + "\" is gathered by its fixed width and has none.");
}

bool SourceReader::FindsFixed(const std::string&) const {
  return false;
}

Result<size_t> SourceReader::FindFixed(int, const std::string& column, const NumberMap&, ReadScratch*,
                                       uint32_t*, int32_t*) {
  return Status::Internal("column \"" + column + "\" is searched by its fixed width and has none.");
}

}  // namespace salver
