#include "online/lmdb/lmdb_search.h"

#include <algorithm>

#include "online/batch_rows.h"
#include "online/lmdb/lmdb_load.h"

namespace salver {
namespace {

// Where fewer pass, walking the graph visits most of it to find them, in no order that memory likes.
constexpr double kFewPass = 0.1;

}  // namespace

LmdbSearch::LmdbSearch(LmdbEnvironment* environment, LmdbTables* tables, VectorIndexes* indexes, MDB_txn* txn,
                       LmdbTables::TablePtr table, const OnlineSearch* search, NearestRows* nearest,
                       Deadline deadline)
    : environment_(environment),
      indexes_(indexes),
      txn_(txn),
      table_(std::move(table)),
      search_(search),
      nearest_(nearest),
      deadline_(deadline),
      read_{search->view, {}, nearest->columns()},
      rows_(tables, txn, &read_, table_, &filler_),
      row_(OnlineRows::Absent(1, nearest->columns().size(), std::make_shared<ByteArena>())) {}

Result<bool> LmdbSearch::Run() {
  uint64_t last_change = 0;
  if (table_->changes) {
    if (const int error = table_->changes.Last(txn_, &last_change); error != 0)
      return environment_->Error("can not read", error);
  }
  const auto index = indexes_->Find(*search_, *table_, last_change);
  if (index != nullptr) {
    const VectorIndex::Shared shared(index.get());
    if (shared.seen() > last_change) return false;
    if (shared.seen() < last_change) indexes_->Wake();
    SALVER_ASSIGN(const bool done, RunIndexed(shared, last_change));
    if (done) return true;
  }
  SALVER_RETURN_NOT_OK(ScanAll());
  return true;
}

// False: it is better to look at every row.
Result<bool> LmdbSearch::RunIndexed(const VectorIndex::Shared& index, uint64_t last_change) {
  if (last_change - index.seen() > index.count()) return false;
  std::function<bool(std::string_view, int64_t)> passes;
  if (nearest_->is_filtered()) {
    passes = [this](std::string_view key, int64_t event_us) { return Passes(key, event_us); };
    const double rate = index.PassRate(passes);
    SALVER_RETURN_NOT_OK(failed_);
    if (rate < kFewPass) return false;
  }
  std::vector<std::string> changed, found;
  SALVER_RETURN_NOT_OK(ScanChanges(index.seen(), &changed));
  SALVER_RETURN_NOT_OK(index.Search(search_->query, search_->top_k, changed, passes, &found));
  SALVER_RETURN_NOT_OK(failed_);
  // A graph may not lead to all that there is; when few are found it may have missed some.
  if (found.size() < std::min(search_->top_k, index.count())) {
    (void)nearest_->Take();
    return false;
  }
  for (const std::string& key : found) SALVER_RETURN_NOT_OK(OfferKey(key));
  return true;
}

Status LmdbSearch::ScanAll() {
  MDB_cursor* cursor;
  if (const int error = mdb_cursor_open(txn_, table_->rows, &cursor); error != 0)
    return environment_->Error("can not read", error);
  MDB_val key, value;
  Status status;
  int error = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; error == 0 && status.ok(); error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    std::string_view entity_key = ToView(key);
    // Without a log of changes nobody knows what was hashed.
    if (IsHashedRowKey(entity_key) &&
        (!table_->changes || table_->changes.EntityKey(txn_, ToView(key), &entity_key) != 0))
      continue;
    status = Offer(entity_key, ToView(value));
  }
  mdb_cursor_close(cursor);
  if (!status.ok() || error == MDB_NOTFOUND) return status;
  return environment_->Error("can not read", error);
}

Status LmdbSearch::ScanChanges(uint64_t after, std::vector<std::string>* keys) {
  LmdbChanges changes(txn_, table_->changes, after);
  for (;;) {
    uint64_t number;
    std::string_view key;
    const int error = changes.Next(&number, &key);
    if (error == MDB_NOTFOUND) return Status::OK();
    if (error != 0) return environment_->Error("can not read", error);
    keys->emplace_back(key);
    SALVER_RETURN_NOT_OK(OfferKey(key));
  }
}

Status LmdbSearch::Take(std::string_view stored) {
  std::fill(row_.cells.begin(), row_.cells.end(), OnlineCell());
  return rows_.Fill(stored, 0, &row_);
}

Status LmdbSearch::Offer(std::string_view key, std::string_view stored) {
  SALVER_RETURN_NOT_OK(CheckDeadline());
  SALVER_RETURN_NOT_OK(Take(stored));
  nearest_->Offer(key, row_.event_us[0], row_.cells);
  return Status::OK();
}

Status LmdbSearch::OfferKey(std::string_view key) {
  std::string_view stored;
  const int error = rows_.Get(key, &stored);
  if (error == MDB_NOTFOUND) return Status::OK();
  return error == 0 ? Offer(key, stored) : environment_->Error("can not read", error);
}

// What the index knows of a row may be told from it alone; what its features are, the row has to say.
bool LmdbSearch::Passes(std::string_view key, int64_t event_us) {
  if (event_us < search_->oldest_event_us || !failed_.ok()) return false;
  if (search_->filter == nullptr) return true;
  std::string_view stored;
  const int error = rows_.Get(key, &stored);
  if (error != 0 && error != MDB_NOTFOUND) failed_ = environment_->Error("can not read", error);
  if (error == 0) failed_ = Take(stored);
  if (error == 0 && failed_.ok()) failed_ = CheckDeadline();
  return error == 0 && failed_.ok() && nearest_->Passes(row_.event_us[0], row_.cells);
}

Status LmdbSearch::CheckDeadline() {
  return deadline_.Passed() ? DeadlinePassed(*search_->view, "searching") : Status::OK();
}

}  // namespace salver
