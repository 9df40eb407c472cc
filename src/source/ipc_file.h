// Arrow IPC, the file format and the stream format.
#pragma once

#include <memory>
#include <string>

#include "salver/status.h"

namespace arrow {
class Schema;
class Table;
namespace io {
class RandomAccessFile;
}
}  // namespace arrow

namespace salver {

// Columns of a memory-mapped file stay where they are. Errors: DataLoss (kBadSource); `what` is the subject.
Result<std::shared_ptr<arrow::Table>> ReadIpc(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                              const std::string& what);
Result<std::shared_ptr<arrow::Schema>> ReadIpcSchema(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                     const std::string& what);

}  // namespace salver
