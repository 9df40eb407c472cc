// From the source of one view to the store's writer: newest rows, packed, in the order of their keys.
#pragma once

#include <cstdint>
#include <functional>

#include "materialize/store_writer.h"

namespace salver {

struct ViewLoadOptions {
  int threads = 1;
  int64_t memory_bytes = 0;  // what the view may use, about
  std::function<void(const ViewRun&)> on_progress;
};

// Reads the rows of run->report.interval and puts them to `writer`, from where an earlier run with the same
// rows was stopped. Errors: those of the engine, the encoders and the writer.
Status LoadView(const RegistrySnapshot& snapshot, ViewRun* run, const ViewLoadOptions& options,
                const MaterializeContext& context, StoreWriter* writer);

}  // namespace salver
