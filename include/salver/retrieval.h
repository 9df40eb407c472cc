// Historical retrieval: the features of entity rows as they were at each row's moment.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "salver/data_source.h"
#include "salver/status.h"

namespace arrow {
class Table;
}

namespace salver {

struct HistoricalRequest {
  // Columns: the join keys, one event time column ("event_timestamp", else the only timestamp column), and
  // any others, which come back untouched. Text times are ISO 8601. All rows come back, in order, duplicates
  // too. Null: a row for every key with a source row in the look-back of a view, its newest row at end_us, as
  // Feast does: the look-back is the view's ttl; without a ttl it reaches to start_us, without that 30 days.
  // All views that have join keys must have the same ones.
  std::shared_ptr<arrow::Table> entities;
  // Instead of a table: a file, folder or URI of any format that a source may have, or a SQL text (it begins
  // with SELECT, WITH, FROM, VALUES or a parenthesis) for the offline store. Relative paths start at the
  // working folder.
  std::string entity_source;
  std::vector<std::string> features;  // "view:feature"; exclusive with feature_service
  std::string feature_service;
  bool full_feature_names = false;           // "view__feature" instead of "feature"
  std::optional<int64_t> start_us;           // only without entities
  std::optional<int64_t> end_us;             // only without entities; default: now
  bool filter_by_created_timestamp = false;  // rows created after the label's moment are not seen
};

// What a training set is made of.
struct RetrievalMetadata {
  std::vector<std::string> features;   // "view:feature", in the order of the answer
  std::vector<std::string> join_keys;  // columns of the entity rows, each once
  bool full_feature_names = false;
  int64_t min_event_us = 0, max_event_us = 0;  // of the entity rows; 0 where there are none
};

// A training set that is known but not yet computed. Run may be called more than once.
class RetrievalJob {
 public:
  virtual ~RetrievalJob() = default;
  // The plan as a tree of text, a node a line, with the rows, bytes, files and row groups that each node will
  // read. `analyze` runs it, forgets the answer, and says what it did read and how long each step took.
  // Errors: those of Run.
  virtual Result<std::string> Explain(bool analyze) = 0;
  // The same for programs: a JSON object with "nodes", each with its inputs and numbers.
  virtual Result<std::string> ExplainJson(bool analyze) = 0;
  // Entity columns in order, then features in request (or service) order.
  // Errors: Unavailable or NotFound when a source can not be read, Cancelled after Cancel().
  virtual Result<std::shared_ptr<arrow::Table>> Run() = 0;
  // Runs, and keeps the answer in `storage`: whole, and durable when it returns. Errors: those of Run;
  // AlreadyExists when something is there and `allow_overwrite` is not set; nothing is left behind.
  virtual Status Persist(const DataSource& storage, bool allow_overwrite) = 0;
  virtual const RetrievalMetadata& metadata() const = 0;
  // From any thread; Run returns Cancelled soon after.
  virtual void Cancel() = 0;
};

}  // namespace salver
