// Rows of one source for a range of time, as a stream: Feast's pull_latest_from_table_or_query and
// pull_all_from_table_or_query.
#pragma once

#include <memory>

#include "retrieval/historical.h"
#include "salver/feature_store.h"

namespace arrow {
class RecordBatchReader;
}

namespace salver {

// The newest row of each key. Columns: join keys, features, event time, created time where the source has
// one; in the source's names and the types that ArrowType gives. A batch is what ComputeEngine::Latest gives.
// Errors: NotFound for a source that the project does not have; InvalidArgument (kMissingColumns).
Result<std::shared_ptr<arrow::RecordBatchReader>> PullLatest(const RegistrySnapshot& snapshot,
                                                             const PullRequest& request,
                                                             const RetrievalContext& context);
// Every row, in the order and types of the source, a row group a batch.
Result<std::shared_ptr<arrow::RecordBatchReader>> PullAll(const RegistrySnapshot& snapshot,
                                                          const PullRequest& request,
                                                          const RetrievalContext& context);
// As the above for a source that is not in the registry.
Result<std::shared_ptr<arrow::RecordBatchReader>> PullAllOf(const DataSource& source,
                                                            const PullRequest& request,
                                                            const RetrievalContext& context);

}  // namespace salver
