// Packed rows in LMDB: what lies where is in lmdb_tables.h, transactions and the map in lmdb_environment.h,
// writing in lmdb_load.h.
//
// A read transaction sees one moment of all tables; a write is one transaction, so newest-wins is decided
// under LMDB's single-writer lock.
#include <algorithm>

#include "base/files.h"
#include "online/batch_rows.h"
#include "online/lmdb/lmdb_environment.h"
#include "online/lmdb/lmdb_load.h"
#include "online/lmdb/lmdb_pack_reader.h"
#include "online/lmdb/lmdb_packs.h"
#include "online/lmdb/lmdb_point_reads.h"
#include "online/lmdb/lmdb_search.h"
#include "online/lmdb/lmdb_tables.h"
#include "online/lmdb/vector_indexes.h"
#include "online/online_stores.h"
#include "online/row_packer.h"
#include "salver/packed_row.h"

namespace salver {
namespace {

// A load commits long before it has written so much; the map is address space, not memory.
constexpr size_t kLoadReserve = size_t{4} << 30;

class LmdbOnlineStore final : public OnlineStore {
 public:
  explicit LmdbOnlineStore(LmdbOptions options) : options_(std::move(options)) {}

  Status Open() {
    SALVER_ASSIGN(environment_, LmdbEnvironment::OpenShared(options_));
    indexes_.reset();
    tables_ = std::make_unique<LmdbTables>(environment_.get(), options_.project);
    indexes_ = std::make_unique<VectorIndexes>(environment_.get(), tables_.get(), options_);
    packs_ = std::make_unique<LmdbPacks>(environment_.get(), options_.project);
    return Status::OK();
  }

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    std::vector<OnlineRows> answers;
    const auto arena = std::make_shared<ByteArena>();
    if (!environment_->is_open())
      return reads.empty() ? Result(answers) : UnknownView(*reads[0].view, type());
    LmdbEnvironment::Reader reader(environment_.get());
    std::vector<LmdbTables::TablePtr> tables;
    SALVER_RETURN_NOT_OK(BeginRead(reads, &reader, &tables));
    answers.reserve(reads.size());
    for (const OnlineRead& read : reads)
      answers.push_back(OnlineRows::Absent(read.keys.size(), read.columns.size(), arena));
    SALVER_RETURN_NOT_OK(ReadPoints(reads, tables, *environment_, reader, tables_.get(), deadline, answers));
    return answers;
  }

  Result<std::vector<OnlineRows>> ReadPack(std::string_view name, std::span<const OnlineRead> reads,
                                           Deadline deadline) override {
    if (!environment_->is_open() || reads.empty()) return Read(reads, deadline);
    for (;;) {
      LmdbEnvironment::Reader reader(environment_.get());
      SALVER_RETURN_NOT_OK(reader.Begin());
      bool found;
      SALVER_ASSIGN(const auto pack, packs_->FindToRead(reader.get(), name, &found));
      if (pack != nullptr) {
        LmdbPackReader rows(environment_.get(), &reader, tables_.get(), pack.get(), reads);
        if (rows.FindViews()) return rows.Read(deadline);
      }
      reader.End();
      if (pack != nullptr || !found) return Read(reads, deadline);
      SALVER_RETURN_NOT_OK(packs_->Open(name));
    }
  }

  Result<OnlineHits> Search(const OnlineSearch& search, Deadline deadline) override {
    if (!search.text.empty()) return OnlineStore::Search(search, deadline);
    SALVER_ASSIGN(NearestRows nearest, NearestRows::Make(search));
    if (!environment_->is_open()) return UnknownView(*search.view, type());
    OnlineRead read{search.view, {}, search.columns};
    LmdbEnvironment::Reader reader(environment_.get());
    for (;;) {
      if (deadline.Passed()) return DeadlinePassed(*search.view, "searching");
      std::vector<LmdbTables::TablePtr> tables;
      SALVER_RETURN_NOT_OK(BeginRead(std::span(&read, 1), &reader, &tables));
      LmdbSearch run(environment_.get(), tables_.get(), indexes_.get(), reader.get(), tables[0], &search,
                     &nearest, deadline);
      SALVER_ASSIGN(const bool done, run.Run());
      if (!done) {
        reader.End();
        continue;
      }
      OnlineHits hits = nearest.Take();
      const std::vector<std::string_view> keys(hits.keys.begin(), hits.keys.end());
      read.keys = keys;
      hits.rows = OnlineRows::Absent(keys.size(), read.columns.size(), std::make_shared<ByteArena>());
      SALVER_RETURN_NOT_OK(
          ReadPoints({&read, 1}, tables, *environment_, reader, tables_.get(), deadline, {&hits.rows, 1}));
      return hits;
    }
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(const BatchRows newest, NewestRows(view, batch));
    SALVER_ASSIGN(const PackedBatch packed, PackRows(view, batch, newest.rows));
    if (!environment_->is_open()) return UnknownView(view, type());
    const std::shared_ptr<const FeatureView> views[] = {{std::shared_ptr<void>(), &view}};
    for (;;) {
      LmdbLoad load(environment_.get(), tables_.get(), packs_.get());
      SALVER_RETURN_NOT_OK(load.Begin(views, 0));
      auto counts = load.Write(view, packed.view());
      const Status status = counts.ok() ? load.Commit() : counts.status();
      if (status.ok()) {
        counts->older += newest.older;
        return counts;
      }
      if (!load.map_was_full()) return status;
      if (deadline.Passed()) return DeadlinePassed(view, "writing");
      load.GiveUp();
      SALVER_RETURN_NOT_OK(environment_->Grow());
    }
  }

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>> views) override {
    if (!environment_->is_open() && !views.empty()) return UnknownView(*views[0], type());
    auto load = std::make_unique<LmdbLoad>(environment_.get(), tables_.get(), packs_.get());
    SALVER_RETURN_NOT_OK(load->Begin(views, kLoadReserve));
    return std::unique_ptr<OnlineLoad>(std::move(load));
  }

  Result<std::string> ReadMark(const FeatureView& view) override {
    if (!environment_->is_open()) return UnknownView(view, type());
    const OnlineRead read{&view, {}, {}};
    LmdbEnvironment::Reader reader(environment_.get());
    std::vector<LmdbTables::TablePtr> tables;
    SALVER_RETURN_NOT_OK(BeginRead(std::span(&read, 1), &reader, &tables));
    const std::string key_bytes = tables_->MarkKey(*tables[0]);
    MDB_val key = ToVal(key_bytes), value;
    const int error = mdb_get(reader.get(), environment_->main(), &key, &value);
    if (error == MDB_NOTFOUND) return std::string();
    if (error != 0) return environment_->Error("can not read", error);
    return std::string(ToView(value));
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    if (!environment_->is_open()) SALVER_RETURN_NOT_OK(Open());
    indexes_->Stop();  // it reads tables, which may go now
    std::vector<uint32_t> dropped;
    const Status status = environment_->InWrite([&](MDB_txn* txn) {
      dropped.clear();
      for (const auto& view : drop) {
        if (const int error = packs_->DropThoseOf(txn, view->name); error != 0) return error;
        if (const int error = tables_->Drop(txn, view->name, &dropped); error != 0) return error;
      }
      for (const auto& view : keep) {
        if (const int error = tables_->Add(txn, *view); error != 0) return error;
      }
      return 0;
    });
    tables_->Forget();
    packs_->Forget();
    if (status.ok()) indexes_->Forget(dropped);
    return status;
  }

  Status ApplyPacks(std::span<const RowPack> packs) override {
    if (!environment_->is_open()) return Status::OK();
    const Status status =
        environment_->InWrite([&](MDB_txn* txn) { return packs_->Apply(txn, packs, tables_.get()); });
    packs_->Forget();
    return status;
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    if (!environment_->is_open()) return Status::OK();
    SALVER_RETURN_NOT_OK(Apply({}, views));
    size_t records = 0;
    SALVER_RETURN_NOT_OK(environment_->InWrite([&](MDB_txn* txn) { return tables_->Count(txn, &records); }));
    if (records > 0) return Status::OK();  // another project keeps rows here
    environment_->Close();
    tables_->Forget();
    packs_->Forget();
    SALVER_RETURN_NOT_OK(Files::System()->Remove(options_.path + "/data.mdb"));
    return Files::System()->Remove(options_.path + "/lock.mdb");
  }

  OnlineCapabilities capabilities() const override {
    return {.persistent = true,
            .views = true,
            .created_times = true,
            .transactions = true,
            .atomic_rows = true,
            .drop = true,
            .vectors = true,
            .packs = true};
  }
  std::string_view durability() const override {
    return options_.sync
               ? "an acknowledged row survives power loss: its transaction was synced to disk"
               : "an acknowledged row survives a crash of this process, not power loss (sync: false)";
  }
  std::string_view type() const override { return "lmdb"; }

 private:
  // Begins a read transaction in which the tables of all reads are open.
  Status BeginRead(std::span<const OnlineRead> reads, LmdbEnvironment::Reader* reader,
                   std::vector<LmdbTables::TablePtr>* tables) {
    for (;;) {
      SALVER_RETURN_NOT_OK(reader->Begin());
      SALVER_ASSIGN(const FeatureView* const missing, tables_->Find(reader->get(), reads, tables));
      if (missing == nullptr) return Status::OK();
      reader->End();
      SALVER_RETURN_NOT_OK(tables_->Open(*missing));
    }
  }

  const LmdbOptions options_;
  std::shared_ptr<LmdbEnvironment> environment_;
  std::unique_ptr<LmdbTables> tables_;
  std::unique_ptr<VectorIndexes> indexes_;
  std::unique_ptr<LmdbPacks> packs_;
};

}  // namespace

Result<std::unique_ptr<OnlineStore>> OpenLmdbOnlineStore(const LmdbOptions& options) {
  auto store = std::make_unique<LmdbOnlineStore>(options);
  SALVER_RETURN_NOT_OK(store->Open());
  return std::unique_ptr<OnlineStore>(std::move(store));
}

}  // namespace salver
