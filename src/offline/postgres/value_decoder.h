// One column of PostgreSQL's binary format into an Arrow array. Total: any bytes give a value or a fault.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "offline/postgres/column_type.h"

namespace arrow {
class Array;
template <typename T>
class Result;
}  // namespace arrow

namespace salver::postgres {

using Bytes = std::span<const uint8_t>;

// What is wrong with a value: a text that lives for ever and follows the column's name; null when nothing is.
using Fault = const char*;

// Big-endian, as everything in this format. The caller has checked the size.
template <typename T>
T LoadBigEndian(const uint8_t* bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(static_cast<T>(value << 8) | bytes[i]);
  return value;
}

class ColumnDecoder {
 public:
  virtual ~ColumnDecoder() = default;
  // After a fault the column has its rows so far, or those and half a list: it is of no more use.
  virtual Fault Append(Bytes value) = 0;
  virtual Fault AppendNull() = 0;
  // The rows since the last Finish.
  virtual arrow::Result<std::shared_ptr<arrow::Array>> Finish() = 0;
};

std::unique_ptr<ColumnDecoder> NewColumnDecoder(const Column& column);

}  // namespace salver::postgres
