#include "plan/feature_columns.h"

namespace salver {

std::string SourceColumn(const DataSource& source, const std::string& name) {
  for (const auto& [column, mapped] : source.field_mapping) {
    if (mapped == name) return column;
  }
  return name;
}

Field SourceField(const DataSource& source, Field field) {
  field.name = SourceColumn(source, field.name);
  return field;
}

}  // namespace salver
