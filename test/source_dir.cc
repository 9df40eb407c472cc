#include "test/source_dir.h"

namespace salver {

const char* const kSourceDir = SALVER_SOURCE_DIR;

}  // namespace salver
