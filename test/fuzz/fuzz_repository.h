// What requests of the fuzzers ask: a repository in a folder of its own, its rows in memory, and the context
// that handlers get. No sources are there, so what would read or write history ends with an error.
#pragma once

#include <memory>

#include "salver/feature_store.h"
#include "server/http/route.h"
#include "test/test_folder.h"

namespace salver::fuzz {

class FuzzRepository {
 public:
  // One for the program.
  static FuzzRepository& Shared();

  const HttpContext& context() const { return context_; }

 private:
  FuzzRepository();

  const TestFolder folder_;
  std::unique_ptr<FeatureStore> store_;
  const HttpServerOptions options_;
  Metrics metrics_;
  RunningViews materializing_;
  HttpContext context_;
};

}  // namespace salver::fuzz
