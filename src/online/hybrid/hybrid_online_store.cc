// Several stores as one: a tag of each view names the store that has its rows. A read goes to each store that
// it concerns, once.
#include <algorithm>
#include <cctype>
#include <map>

#include "base/nearest.h"
#include "online/online_stores.h"

namespace salver {
namespace {

class HybridOnlineStore final : public OnlineStore {
 public:
  HybridOnlineStore(std::string tag, std::map<std::string, std::unique_ptr<OnlineStore>> stores)
      : tag_(std::move(tag)), stores_(std::move(stores)) {
    std::string sentence;
    for (const auto& [name, store] : stores_)
      sentence += (sentence.empty() ? "" : "; ") + name + ": " + std::string(store->durability());
    durability_ = sentence;
  }

  Result<std::vector<OnlineRows>> Read(std::span<const OnlineRead> reads, Deadline deadline) override {
    std::map<OnlineStore*, std::vector<size_t>> routed;
    for (size_t i = 0; i < reads.size(); ++i) {
      SALVER_ASSIGN(OnlineStore* const store, StoreOf(*reads[i].view));
      routed[store].push_back(i);
    }
    std::vector<OnlineRows> answers(reads.size());
    for (const auto& [store, positions] : routed) {
      std::vector<OnlineRead> part;
      for (const size_t position : positions) part.push_back(reads[position]);
      SALVER_ASSIGN(auto rows, store->Read(part, deadline));
      for (size_t i = 0; i < positions.size(); ++i) answers[positions[i]] = std::move(rows[i]);
    }
    return answers;
  }

  // A pack of views that lie in one store is in that store; there is none over several.
  Result<std::vector<OnlineRows>> ReadPack(std::string_view pack, std::span<const OnlineRead> reads,
                                           Deadline deadline) override {
    OnlineStore* only = nullptr;
    for (const OnlineRead& read : reads) {
      SALVER_ASSIGN(OnlineStore* const store, StoreOf(*read.view));
      if (only != nullptr && store != only) return Read(reads, deadline);
      only = store;
    }
    return only == nullptr ? Read(reads, deadline) : only->ReadPack(pack, reads, deadline);
  }

  Result<OnlineHits> Search(const OnlineSearch& search, Deadline deadline) override {
    SALVER_ASSIGN(OnlineStore* const store, StoreOf(*search.view));
    return store->Search(search, deadline);
  }

  Result<WriteCounts> Write(const FeatureView& view, const OnlineBatch& batch, Deadline deadline) override {
    SALVER_ASSIGN(OnlineStore* const store, StoreOf(view));
    return store->Write(view, batch, deadline);
  }

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>> views) override {
    SALVER_ASSIGN(const Routed routed, Route(views));
    auto load = std::make_unique<Load>(this);
    for (const auto& [store, part] : routed) {
      SALVER_ASSIGN(load->loads[store], store->BeginLoad(part));
    }
    return std::unique_ptr<OnlineLoad>(std::move(load));
  }

  Result<std::string> ReadMark(const FeatureView& view) override {
    SALVER_ASSIGN(OnlineStore* const store, StoreOf(view));
    return store->ReadMark(view);
  }

  Status Apply(std::span<const std::shared_ptr<const FeatureView>> keep,
               std::span<const std::shared_ptr<const FeatureView>> drop) override {
    SALVER_ASSIGN(const Routed kept, Route(keep));
    SALVER_ASSIGN(const Routed dropped, Route(drop));
    for (const auto& [name, store] : stores_) {
      const auto keeps = kept.find(store.get()), drops = dropped.find(store.get());
      if (keeps == kept.end() && drops == dropped.end()) continue;
      SALVER_RETURN_NOT_OK(store->Apply(keeps == kept.end() ? Views() : keeps->second,
                                        drops == dropped.end() ? Views() : drops->second));
    }
    return Status::OK();
  }

  Status ApplyPacks(std::span<const RowPack> packs) override {
    std::map<OnlineStore*, std::vector<RowPack>> of_store;
    for (const RowPack& pack : packs) {
      SALVER_ASSIGN(const Routed routed, Route(pack.views));
      if (routed.size() == 1) of_store[routed.begin()->first].push_back(pack);
    }
    for (const auto& [name, store] : stores_) SALVER_RETURN_NOT_OK(store->ApplyPacks(of_store[store.get()]));
    return Status::OK();
  }

  Status Teardown(std::span<const std::shared_ptr<const FeatureView>> views) override {
    SALVER_ASSIGN(const Routed routed, Route(views));
    for (const auto& [store, part] : routed) SALVER_RETURN_NOT_OK(store->Teardown(part));
    return Status::OK();
  }

  // What every one of the stores can. A load over several of them is not one transaction.
  OnlineCapabilities capabilities() const override {
    OnlineCapabilities all = stores_.begin()->second->capabilities();
    for (const auto& [name, store] : stores_) {
      const OnlineCapabilities one = store->capabilities();
      for (const auto can :
           {&OnlineCapabilities::persistent, &OnlineCapabilities::views, &OnlineCapabilities::created_times,
            &OnlineCapabilities::transactions, &OnlineCapabilities::atomic_rows, &OnlineCapabilities::drop,
            &OnlineCapabilities::time_to_live, &OnlineCapabilities::vectors, &OnlineCapabilities::text_search,
            &OnlineCapabilities::scan, &OnlineCapabilities::packs})
        all.*can = all.*can && one.*can;
    }
    all.transactions = all.transactions && stores_.size() == 1;
    return all;
  }
  std::string_view durability() const override { return durability_; }
  std::string_view type() const override { return "hybrid"; }

 private:
  using Views = std::vector<std::shared_ptr<const FeatureView>>;
  using Routed = std::map<OnlineStore*, Views>;

  // One load a store; each commits for itself, in turn.
  class Load final : public OnlineLoad {
   public:
    explicit Load(HybridOnlineStore* store) : store_(store) {}
    std::map<OnlineStore*, std::unique_ptr<OnlineLoad>> loads;

    Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override {
      SALVER_ASSIGN(OnlineStore* const store, store_->StoreOf(view));
      return loads.at(store)->Write(view, rows);
    }
    Status SetMark(const FeatureView& view, std::string_view mark) override {
      SALVER_ASSIGN(OnlineStore* const store, store_->StoreOf(view));
      return loads.at(store)->SetMark(view, mark);
    }
    int64_t bytes_held() const override {
      int64_t bytes = 0;
      for (const auto& [store, load] : loads) bytes += load->bytes_held();
      return bytes;
    }
    Status Commit() override {
      for (const auto& [store, load] : loads) SALVER_RETURN_NOT_OK(load->Commit());
      return Status::OK();
    }

   private:
    HybridOnlineStore* const store_;
  };

  Result<OnlineStore*> StoreOf(const FeatureView& view) const {
    const auto tagged = view.tags.find(tag_);
    std::vector<std::string> names;
    for (const auto& [name, store] : stores_) names.push_back(name);
    if (tagged == view.tags.end()) {
      return Status::FailedPrecondition(
          "feature view \"" + view.name + "\" has no tag \"" + tag_ +
              "\", by which the hybrid online store finds the store of its rows." +
              NearestNameHint("", names),
          Reason::kBadConfig);
    }
    std::string name = tagged->second;  // in whatever case, as in Feast
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto found = stores_.find(name);
    if (found == stores_.end()) {
      return Status::FailedPrecondition(
          "feature view \"" + view.name + "\" is tagged \"" + tag_ + ": " + tagged->second +
              "\", which is no store of the hybrid online store." + NearestNameHint(tagged->second, names),
          Reason::kBadConfig);
    }
    return found->second.get();
  }

  Result<Routed> Route(std::span<const std::shared_ptr<const FeatureView>> views) const {
    Routed routed;
    for (const auto& view : views) {
      SALVER_ASSIGN(OnlineStore* const store, StoreOf(*view));
      routed[store].push_back(view);
    }
    return routed;
  }

  const std::string tag_;
  const std::map<std::string, std::unique_ptr<OnlineStore>> stores_;
  std::string durability_;
};

}  // namespace

std::unique_ptr<OnlineStore> NewHybridOnlineStore(
    const std::string& routing_tag, std::map<std::string, std::unique_ptr<OnlineStore>> stores) {
  return std::make_unique<HybridOnlineStore>(routing_tag, std::move(stores));
}

}  // namespace salver
