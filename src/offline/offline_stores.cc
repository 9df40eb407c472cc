#include "offline/offline_stores.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/nearest.h"

namespace salver {
namespace {

// A store of this build: what sources call it, and what the configuration may call it.
struct BuiltIn {
  std::string name;
  std::vector<std::string> types;
  std::function<std::unique_ptr<OfflineStore>(const OfflineStoreOptions&)> make;
};

const std::vector<BuiltIn>& AllStores() {
  static const std::vector<BuiltIn> stores = {
      {"file",
       {"file", "dask", "duckdb"},
       [](const OfflineStoreOptions& options) { return NewFileOfflineStore(options.folder); }},
#ifdef SALVER_WITH_POSTGRES
      {"postgres",
       {"postgres"},
       [](const OfflineStoreOptions& options) { return NewPostgresOfflineStore(options.postgres); }},
#endif
  };
  return stores;
}

class OfflineStores final : public OfflineStore {
 public:
  explicit OfflineStores(const OfflineStoreOptions& options) {
    for (const BuiltIn& store : AllStores()) {
      stores_[store.name] = store.make(options);
      if (std::find(store.types.begin(), store.types.end(), options.type) != store.types.end())
        main_ = stores_[store.name].get();
    }
  }

  Result<std::shared_ptr<arrow::Schema>> ReadSchema(const DataSource& source) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->ReadSchema(*to.source);
  }
  Result<std::unique_ptr<SourceReader>> Open(const DataSource& source, const SourceNeeds& needs) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Open(*to.source, needs);
  }
  Status Append(const DataSource& source, const arrow::Table& rows) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Append(*to.source, rows);
  }
  Status Create(const DataSource& source, const arrow::Table& rows, bool overwrite) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Create(*to.source, rows, overwrite);
  }
  Status Drop(const DataSource& source) override {
    SALVER_ASSIGN(const Routed to, Route(source));
    return to.store->Drop(*to.source);
  }
  Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override { return main_->Query(sql); }

 private:
  struct Routed {
    OfflineStore* store;
    const DataSource* source;
  };

  Result<Routed> Route(const DataSource& source) const {
    if (const auto found = stores_.find(source.store); found != stores_.end())
      return Routed{found->second.get(), &source};
    if (source.batch_source != nullptr) return Route(*source.batch_source);
    std::vector<std::string> names;
    for (const auto& [name, store] : stores_) names.push_back(name);
    return Status::Unimplemented(
        "data source \"" + source.name + "\" is " +
            (source.store.empty() ? "of a kind that has no history that this build reads."
                                  : "kept in \"" + source.store + "\", which is not in this build.") +
            NearestNameHint(source.store, names),
        Reason::kBadSource);
  }

  std::map<std::string, std::unique_ptr<OfflineStore>> stores_;
  OfflineStore* main_ = nullptr;
};

}  // namespace

Status OfflineStore::Create(const DataSource& source, const arrow::Table&, bool) {
  return Status::Unimplemented("data source \"" + source.name + "\": its offline store (" + source.store +
                               ") keeps no new tables. Give a file.");
}

Status OfflineStore::Drop(const DataSource& source) {
  return Status::Unimplemented("data source \"" + source.name + "\": its offline store (" + source.store +
                               ") drops no tables.");
}

std::vector<std::string> OfflineStoreTypes() {
  std::vector<std::string> types;
  for (const BuiltIn& store : AllStores()) types.insert(types.end(), store.types.begin(), store.types.end());
  return types;
}

std::unique_ptr<OfflineStore> NewOfflineStores(const OfflineStoreOptions& options) {
  return std::make_unique<OfflineStores>(options);
}

}  // namespace salver
