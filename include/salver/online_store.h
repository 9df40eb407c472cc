// An OnlineStore keeps the newest row of every entity key of a feature view. Materialization and push write
// it, serving reads it. Which of two rows is newer is decided by IsNewer (write_rule.h), inside the store's
// own transaction, never by reading first and writing after.
//
// Thread safety: Read and Write may be called from any thread. Apply, ApplyPacks and Teardown must not
// overlap with either.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "salver/deadline.h"
#include "salver/feature_view.h"
#include "salver/online_rows.h"
#include "salver/online_search.h"
#include "salver/status.h"

namespace arrow {
class RecordBatch;
}

namespace salver {

// "No created time": older than every real one.
inline constexpr int64_t kNoCreatedTime = INT64_MIN;

// Rows to write, columns in. All spans have N entries, or are empty where said.
struct OnlineBatch {
  std::span<const std::string_view> keys;  // encoded entity keys (entity_key.h); the same key may come twice
  std::span<const int64_t> event_us;       // UTC microseconds
  std::span<const int64_t> created_us;     // empty: kNoCreatedTime for all
  // One column per feature of the view, in the view's order, of ArrowType(feature type); nulls allowed.
  const arrow::RecordBatch* features = nullptr;
};

struct WriteCounts {
  int64_t written = 0;  // rows that are now the newest of their key
  int64_t older = 0;    // rows that lost to a newer one, stored or in the same batch; the store kept that one
};

// One view's part of a read.
struct OnlineRead {
  const FeatureView* view = nullptr;
  std::span<const std::string_view>
      keys;  // N encoded keys; order is kept, duplicates are allowed; "" is never found
  std::span<const ColumnId> columns;  // K columns of `view`; empty means none, not all
  // HashRowSchema of the view's features: with it names are not compared again for each read. 0: not known.
  uint64_t schema_hash = 0;
};

// Rows of one view in bulk. Ascending keys are fast, any order is right; the same key may come twice.
struct PackedRows {
  std::span<const std::string_view> keys;  // encoded entity keys, none empty
  std::span<const std::string_view> rows;  // packed_row.h, with the view's features in the view's order
};

// One transaction that takes rows of many keys: what materialization writes through. A row that is there and
// newer stays, as with Write. Used and destroyed by the thread that began it; other writers of the store wait
// meanwhile, so hold it for moments.
class OnlineLoad {
 public:
  virtual ~OnlineLoad() = default;  // gives up what was not committed
  virtual Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) = 0;
  // Keeps `mark` beside the view's rows until it is replaced, or removed with "". A mark and the rows of its
  // transaction share their fate, and dropping the view drops both. Stores without marks ignore it.
  virtual Status SetMark(const FeatureView& view, std::string_view mark) = 0;
  // About what the transaction holds in memory.
  virtual int64_t bytes_held() const = 0;
  // Acknowledged means what durability() says. Nothing else may be called after it.
  virtual Status Commit() = 0;
};

// Views whose rows a store keeps together, one value a key, beside the rows themselves: what a feature
// service with precompute_online reads at once. Every write of a row writes it there too, in the same
// transaction.
struct RowPack {
  std::string name;                                       // of the feature service
  std::vector<std::shared_ptr<const FeatureView>> views;  // each once; all with the same join keys
};

// What a store can, for callers to ask before they plan. The conformance suite asserts what is claimed, and
// docs/online-stores.md has the table.
struct OnlineCapabilities {
  bool persistent = false;     // rows outlive this process
  bool views = false;          // says which view was never applied; else its rows are absent
  bool created_times = false;  // kept: they decide between rows of the same event time
  bool transactions = false;   // a load is there with its mark, or not at all
  bool atomic_rows = false;    // a reader sees all features of a write, or none
  bool drop = false;           // rows of a dropped view are gone
  bool time_to_live = false;   // can remove rows by itself once they are old
  bool vectors = false;        // nearest rows by an embedding
  bool text_search = false;    // rows by words
  bool scan = false;           // every row of a view in turn
  bool packs = false;          // keeps rows of several views together (RowPack)
};

class OnlineStore {
 public:
  virtual ~OnlineStore() = default;

  // Answers all of `reads`, one OnlineRows each, in one round trip where the backend allows it, and from one
  // moment of the store where it can. A key never written is an absent row, not an error; expiry (ttl) is
  // judged by serving, not here. Errors: NotFound (kViewNotFound)  a view was never applied here, where the
  // store knows
  //         DataLoss                  a stored row can not be decoded; the message names view and key.
  //         Unavailable, DeadlineExceeded  nothing changed, retry is safe.
  virtual Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) = 0;

  // The rows nearest to a vector or with words in them, as online_search.h has it: exact, or with an index
  // that misses few. Finds every row that was acknowledged before it began, and answers only rows that are
  // there, from one moment of the store. Errors: Unimplemented where capabilities() lack it; InvalidArgument
  // for a search that does not fit the view; those of Read.
  virtual Result<OnlineHits> Search(const OnlineSearch& search, Deadline deadline);

  // Answers as Read does, in one place where the store keeps a pack of this name that has the views of all
  // `reads`. For reads of the same keys only. Without an override, it is Read.
  virtual Result<std::vector<OnlineRows>> ReadPack(std::string_view pack, std::span<const OnlineRead> reads,
                                                   Deadline deadline);

  // Atomic per key, not per batch: after an error some keys hold their new row; writing again is safe.
  // Acknowledged (OK) means what durability() says.
  virtual Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) = 0;

  // A load of any of `views`, which must stay alive and applied until it is done. Without an override, rows
  // are handed to Write. Errors: as Write.
  virtual Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>> views);
  // The mark that was last committed for `view`; "" when there is none.
  virtual Result<std::string> ReadMark(const FeatureView& view);

  // Makes the backend's tables fit: creates those of `keep`, drops those of `drop`. Idempotent. Rows of a
  // view whose features changed stay readable: columns it had keep their values, new ones are null.
  virtual Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
                       std::span<const std::shared_ptr<const FeatureView>> drop) = 0;
  // Keeps these packs of the project and no others; new ones are filled from the rows that are there, in one
  // transaction, for which writers wait. Dropping a view drops the packs that have it. Idempotent. Stores
  // without packs ignore it.
  virtual Status ApplyPacks(std::span<const RowPack> packs);
  // Drops every table of these views, and the store's files when nothing else is in them. Idempotent.
  virtual Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) = 0;

  virtual OnlineCapabilities capabilities() const = 0;
  // One sentence: what an OK from Write promises. The conformance suite asserts it.
  virtual std::string_view durability() const = 0;
  // "lmdb", "redis": as in feature_store.yaml.
  virtual std::string_view type() const = 0;
};

}  // namespace salver
