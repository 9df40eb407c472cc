#include "online/lmdb/vector_indexes.h"

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "online/lmdb/lmdb_row_reader.h"
#include "online/vector_distance.h"
#include "salver/log.h"

namespace salver {
namespace {

constexpr size_t kChangesAtOnce = 256;

std::string FilePrefix(uint32_t table) {
  char name[32];
  std::snprintf(name, sizeof name, "vectors-%08x-", table);
  return name;
}

}  // namespace

std::shared_ptr<VectorIndex> VectorIndexes::Find(const OnlineSearch& search, const LmdbTable& table,
                                                 uint64_t last_change) {
  const Field& feature = search.view->features[search.vector_column];
  const bool declared = search.view->FindVector() == static_cast<int>(search.vector_column);
  if (!declared || feature.vector_length <= 0 || !table.changes || last_change < options_.vector_index_from)
    return nullptr;
  std::lock_guard lock(mutex_);
  std::shared_ptr<Kept>& kept =
      kept_[{table.id, table.changes.incarnation, feature.name, feature.vector_length, search.metric}];
  if (kept == nullptr) {
    kept = std::make_shared<Kept>();
    kept->view = *search.view;
    kept->view.features = {feature};
    kept->metric = search.metric;
    kept->table = table.id;
    kept->incarnation = table.changes.incarnation;
    const auto file = Files::System()->Identify(options_.path + "/data.mdb");
    const VectorIndexIdentity identity{kept->incarnation, file.ok() ? file->inode : 0,
                                       static_cast<uint32_t>(feature.vector_length)};
    kept->index = std::make_shared<VectorIndex>(identity, search.metric);
  }
  return kept->index;
}

void VectorIndexes::Wake() {
  std::lock_guard lock(mutex_);
  ++woken_;
  if (!thread_.joinable()) {
    stop_ = false;
    thread_ = std::thread([this] { Run(); });
  }
  changed_.notify_all();
}

void VectorIndexes::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void VectorIndexes::Forget(const std::vector<uint32_t>& tables) {
  std::lock_guard lock(mutex_);
  for (const uint32_t table : tables) {
    std::erase_if(kept_, [&](const auto& one) { return one.second->table == table; });
    std::error_code ignored;  // a file that stays is of another incarnation, and never read
    for (const auto& file : std::filesystem::directory_iterator(options_.path, ignored)) {
      if (file.path().filename().string().starts_with(FilePrefix(table)))
        (void)Files::System()->Remove(file.path().string());
    }
  }
}

void VectorIndexes::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const uint64_t woken = woken_;
    std::vector<std::shared_ptr<Kept>> kept;
    for (const auto& [key, one] : kept_) kept.push_back(one);
    lock.unlock();
    for (const auto& one : kept) {
      const Status status = CatchUp(one.get());
      one->gone |= status.reason() == Reason::kViewNotFound;
      if (!status.ok() && !one->gone) {
        LogLine line(LogRoom::kOnline, "vector_index", LogLevel::kWarn);
        line.Add("view", one->view.name);
        line.End(status);
      }
    }
    lock.lock();
    std::erase_if(kept_, [](const auto& one) { return one.second->gone; });
    changed_.wait(lock, [&] { return stop_ || woken_ != woken; });
  }
}

Status VectorIndexes::CatchUp(Kept* kept) {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (stop_) return Status::OK();
    }
    uint64_t last_change = 0;
    if (!kept->loaded) {
      SALVER_RETURN_NOT_OK(ReadChanges(kept, &last_change).status());
      SALVER_RETURN_NOT_OK(LoadFiles(kept, last_change));
    }
    SALVER_ASSIGN(const auto changes, ReadChanges(kept, &last_change));
    if (changes.empty()) break;
    SALVER_RETURN_NOT_OK(kept->index->Measure(changes));
    SALVER_RETURN_NOT_OK(kept->index->Apply(changes));
  }
  const uint64_t enough = std::max<uint64_t>(options_.vector_index_from, kept->index->count() / 8);
  return kept->index->changed_since_save() >= enough ? SaveFiles(kept) : Status::OK();
}

Result<std::vector<VectorChange>> VectorIndexes::ReadChanges(Kept* kept, uint64_t* last_change) {
  LmdbEnvironment::Reader reader(environment_);
  SALVER_RETURN_NOT_OK(reader.Begin());
  SALVER_ASSIGN(auto table, tables_->Find(reader.get(), kept->view));
  while (table == nullptr) {  // a table that no search of this process opened yet
    reader.End();
    SALVER_RETURN_NOT_OK(tables_->Open(kept->view));
    SALVER_RETURN_NOT_OK(reader.Begin());
    SALVER_ASSIGN(table, tables_->Find(reader.get(), kept->view));
  }
  std::vector<VectorChange> changes;
  kept->gone = table->changes.incarnation != kept->incarnation;
  if (kept->gone) return changes;
  int error = table->changes.Last(reader.get(), last_change);
  const ColumnId columns[] = {0};
  const OnlineRead read{&kept->view, {}, columns};
  RowFiller filler(nullptr);
  OnlineRows row = OnlineRows::Absent(1, 1, std::make_shared<ByteArena>());
  LmdbRowReader rows(tables_, reader.get(), &read, table, &filler);
  LmdbChanges log(reader.get(), table->changes, kept->index->seen());
  while (error == 0 && changes.size() < kChangesAtOnce) {
    VectorChange change;
    std::string_view key, stored;
    if ((error = log.Next(&change.number, &key)) != 0) break;
    if ((error = rows.Get(key, &stored)) != 0) break;
    row.at(0, 0) = OnlineCell();
    SALVER_RETURN_NOT_OK(rows.Fill(stored, 0, &row));
    change.key = key;
    change.event_us = row.event_us[0];
    if (!VectorOf(row.cells[0], &change.vector) || !AllFinite(change.vector)) change.vector.clear();
    changes.push_back(std::move(change));
  }
  if (error != 0 && error != MDB_NOTFOUND) return environment_->Error("can not read", error);
  return changes;
}

std::string VectorIndexes::FileName(const Kept& kept) const {
  return options_.path + "/" + FilePrefix(kept.table) + DistanceMetricName(kept.metric);
}

Status VectorIndexes::LoadFiles(Kept* kept, uint64_t last_change) {
  kept->loaded = true;
  const Status status = kept->index->Load(FileName(*kept), last_change);
  if (status.code() == StatusCode::kNotFound) return Status::OK();
  LogLine line(LogRoom::kOnline, status.ok() ? "vector_index_loaded" : "vector_index_made_anew",
               status.ok() ? LogLevel::kInfo : LogLevel::kWarn);
  line.Add("view", kept->view.name);
  line.Add("file", FileName(*kept));
  line.Add("vectors", static_cast<int64_t>(kept->index->count()));
  if (!status.ok()) line.Add("reason", status.message());
  line.End();
  return Status::OK();
}

Status VectorIndexes::SaveFiles(Kept* kept) {
  // The files must never be ahead of the rows, whatever happens.
  if (!options_.sync) {
    const auto map = environment_->HoldMap();
    if (!environment_->is_open()) return Status::OK();
    if (const int error = mdb_env_sync(environment_->get(), 1); error != 0)
      return environment_->Error("can not sync", error);
  }
  // Another process that saves the same now does it as well.
  const auto lock =
      Files::System()->Lock(FileName(*kept) + ".lock", Deadline::After(std::chrono::microseconds(0)));
  return lock.ok() ? kept->index->Save(FileName(*kept)) : Status::OK();
}

}  // namespace salver
