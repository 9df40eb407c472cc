// Arrow's Status and Result in Salver's terms.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <string>

#include "salver/status.h"

namespace salver {

// `what` is the subject: "source \"data/x.parquet\"".
inline Status FromArrow(const arrow::Status& status, const std::string& what) {
  if (status.ok()) return Status::OK();
  const std::string text = what + ": " + status.message();
  if (status.IsOutOfMemory()) return Status::ResourceExhausted(text);
  if (status.IsCancelled()) return Status::Cancelled(text);
  if (status.IsNotImplemented()) return Status::Unimplemented(text);
  if (status.IsIOError()) return Status::Unavailable(text);
  return Status::InvalidArgument(text);
}

template <typename T>
Result<T> FromArrow(arrow::Result<T> result, const std::string& what) {
  if (!result.ok()) return FromArrow(result.status(), what);
  return std::move(result).ValueUnsafe();
}

}  // namespace salver
