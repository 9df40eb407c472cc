// What the files of the compiled module share: errors and tables on their way to Python and back.
#pragma once

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <nanobind/nanobind.h>

#include <memory>

#include "salver/status.h"

namespace salver::python {

namespace nb = nanobind;

// A Status on its way to Python, where it becomes salver._core.Error(code, reason, message).
class Raised : public std::exception {
 public:
  explicit Raised(Status status) : status(std::move(status)) {}
  const Status status;
};

inline void Check(const Status& status) {
  if (!status.ok()) throw Raised(status);
}
template <typename T>
T Take(Result<T> result) {
  if (!result.ok()) throw Raised(result.status());
  return std::move(result).value();
}
template <typename T>
T TakeArrow(arrow::Result<T> result) {
  if (!result.ok()) throw Raised(Status::InvalidArgument(result.status().ToString()));
  return std::move(result).ValueUnsafe();
}

// Anything with __arrow_c_stream__: pyarrow and polars tables, pandas frames of the newer kind.
inline std::shared_ptr<arrow::Table> ToTable(nb::object object) {
  nb::object capsule = object.attr("__arrow_c_stream__")();
  auto* stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  auto reader = TakeArrow(arrow::ImportRecordBatchReader(stream));
  return TakeArrow(reader->ToTable());
}

// A table for Python to import.
class TableStream {
 public:
  explicit TableStream(std::shared_ptr<arrow::Table> table) : table_(std::move(table)) {}
  // Read as Python reads it, once.
  explicit TableStream(std::shared_ptr<arrow::RecordBatchReader> reader) : reader_(std::move(reader)) {}
  nb::object ArrowCStream(nb::object) const {
    auto stream = std::make_unique<ArrowArrayStream>();
    const auto reader = reader_ != nullptr ? reader_ : std::make_shared<arrow::TableBatchReader>(table_);
    const auto status = arrow::ExportRecordBatchReader(reader, stream.get());
    if (!status.ok()) throw Raised(Status::Internal(status.ToString()));
    PyObject* capsule = PyCapsule_New(stream.get(), "arrow_array_stream", [](PyObject* self) {
      auto* left = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(self, "arrow_array_stream"));
      if (left->release != nullptr) left->release(left);
      delete left;
    });
    if (capsule == nullptr) throw nb::python_error();
    stream.release();
    return nb::steal(capsule);
  }

 private:
  std::shared_ptr<arrow::Table> table_;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
};

// feature_groups.cc: schemas, stores, metadata and pipelines of feature groups.
void RegisterFeatureGroups(nb::module_& m);

}  // namespace salver::python
