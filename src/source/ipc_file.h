// Arrow IPC, the file format and the stream format.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "salver/status.h"

namespace arrow {
class Schema;
class Table;
namespace io {
class RandomAccessFile;
}
}  // namespace arrow

namespace salver {

// Errors of both: DataLoss (kBadSource). A file of this machine must not be mapped into memory: cut short by
// somebody, reading it would end the process.
//   what     the subject of messages
//   columns  those to read, empty for all; ones that the file lacks are passed over
Result<std::shared_ptr<arrow::Table>> ReadIpc(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                              const std::vector<std::string>& columns,
                                              const std::string& what);
Result<std::shared_ptr<arrow::Schema>> ReadIpcSchema(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                     const std::string& what);

}  // namespace salver
