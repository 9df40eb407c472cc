#include "source/damaged_page.h"

#include <parquet/exception.h>

#include <algorithm>

#include "source/snappy_decompress.h"

namespace salver {

void Damaged(const std::string& what) {
  throw parquet::ParquetException(what);
}

void DecompressPage(std::span<const uint8_t> bytes, size_t stored, size_t size, LargeVector<uint8_t>* to) {
  if (stored > size || stored > bytes.size() || size / kSnappyRatioMax > bytes.size())
    Damaged("a page says that it is larger than its bytes can be");
  MakeRoom(size, to);
  std::copy_n(bytes.begin(), stored, to->begin());
  const auto rest = bytes.subspan(stored);
  if (rest.empty() && stored == size) return;
  if (!DecompressSnappy(rest, {to->data() + stored, size - stored})) Damaged("a page does not decompress");
}

}  // namespace salver
