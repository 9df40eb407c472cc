// What CSV and JSON have in common: declared types, and times out of text.
#include "source/text_file.h"

#include <arrow/chunked_array.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/arrow_status.h"
#include "kernel/columns.h"

namespace salver {

std::shared_ptr<arrow::DataType> DeclaredTextType(const DataSource& source, const std::string& column) {
  if (column == source.timestamp_field || column == source.created_timestamp_column)
    return ArrowType(ValueType::kUnixTimestamp, "");
  const auto declared = source.column_types.find(column);
  if (declared == source.column_types.end()) return nullptr;
  auto type = ArrowType(declared->second, "");
  return type->num_fields() > 0 ? nullptr : type;
}

std::shared_ptr<arrow::DataType> WrittenType(std::shared_ptr<arrow::DataType> type) {
  return type->id() == arrow::Type::TIMESTAMP ? arrow::utf8() : type;
}

Result<std::shared_ptr<arrow::Table>> WithTimes(std::shared_ptr<arrow::Table> table, const DataSource& source,
                                                const std::string& what) {
  for (int i = 0; i < table->num_columns(); ++i) {
    const std::string name = table->schema()->field(i)->name();
    const auto type = DeclaredTextType(source, name);
    if (type == nullptr || type->id() != arrow::Type::TIMESTAMP) continue;
    SALVER_ASSIGN(const auto times, CastTimeColumn(*table->column(i), what + ", column \"" + name + "\""));
    SALVER_ASSIGN(table, FromArrow(table->SetColumn(i, arrow::field(name, times->type()),
                                                    std::make_shared<arrow::ChunkedArray>(times)),
                                   what));
  }
  return table;
}

}  // namespace salver
