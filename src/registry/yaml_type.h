// Types and durations as YAML definitions write them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "salver/status.h"
#include "salver/value_type.h"

namespace salver {

struct WrittenType {
  ValueType type = ValueType::kInvalid;
  std::string
      struct_schema;  // of a Struct: JSON of field name -> type name, for the tag "feast:struct_schema"
};

// "Float32", "Array(Int64)", "Set(String)", "Struct({name: String, age: Int32})", "Array(Array(Int64))".
// Errors: InvalidArgument (kBadDefinition), quoting the part that is no type, with the nearest name.
Result<WrittenType> ParseWrittenType(const std::string& text);

// Seconds of "1d", "2h", "30m", "45s" or "90" (seconds).
// Errors: InvalidArgument (kBadDefinition), also for more than 10,000 years.
Result<int64_t> ParseWrittenDuration(const std::string& text);

}  // namespace salver
