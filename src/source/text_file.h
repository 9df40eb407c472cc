// CSV and newline JSON as tables. Such files write no types: a column has the type that is declared for it,
// else the one that its first block (1 MiB) suggests; a later value that does not fit is an error, never
// another type. Times are ISO 8601, without a zone UTC. In CSV an empty cell is null, a quoted empty one is
// the empty text; in JSON a name that an object lacks is null.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class ChunkedArray;
class DataType;
class Schema;
class Table;
namespace io {
class RandomAccessFile;
}
}  // namespace arrow

namespace salver {

// The type that text of this column is read as: declared ones that are not nested, microseconds UTC for the
// source's time columns; null where nothing is declared.
std::shared_ptr<arrow::DataType> DeclaredTextType(const DataSource& source, const std::string& column);

// Errors of all four: InvalidArgument (kBadSource; kBadTimestamp) with the row where the library tells it.
//   what     the subject of messages: data source and file
//   columns  those to read, empty for all; ones that the file lacks are passed over
Result<std::shared_ptr<arrow::Schema>> ReadCsvSchema(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                     const DataSource& source, const std::string& what);
Result<std::shared_ptr<arrow::Table>> ReadCsv(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                              const DataSource& source,
                                              const std::vector<std::string>& columns,
                                              const std::string& what);
Result<std::shared_ptr<arrow::Schema>> ReadJsonSchema(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                                      const DataSource& source, const std::string& what);
Result<std::shared_ptr<arrow::Table>> ReadJson(std::shared_ptr<arrow::io::RandomAccessFile> file,
                                               const DataSource& source,
                                               const std::vector<std::string>& columns,
                                               const std::string& what);

// The table with the text of time columns read as times. What both formats end with.
Result<std::shared_ptr<arrow::Table>> WithTimes(std::shared_ptr<arrow::Table> table, const DataSource& source,
                                                const std::string& what);
// Text instead of times: what a time column is first read as.
std::shared_ptr<arrow::DataType> WrittenType(std::shared_ptr<arrow::DataType> type);

}  // namespace salver
