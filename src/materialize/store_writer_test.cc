#include "materialize/store_writer.h"

#include <gtest/gtest.h>

#include "feast/core/Registry.pb.h"
#include "materialize/test_store.h"
#include "salver/registry.h"

namespace salver {
namespace {

using Lines = std::vector<std::string>;

// Writes down what is claimed, a line a version.
class RecordingRegistry final : public Registry {
 public:
  RecordingRegistry(Lines* lines, const Lines& views) : lines_(lines) {
    for (const std::string& view : views) {
      auto* spec = registry_.add_feature_views()->mutable_spec();
      spec->set_name(view);
      spec->set_project("p");
    }
  }
  Result<std::shared_ptr<const feast::core::Registry>> Load() override {
    return Status::Unimplemented("not loaded here");
  }
  Result<std::shared_ptr<const feast::core::Registry>> Update(
      const std::function<Status(feast::core::Registry*)>& change) override {
    SALVER_RETURN_NOT_OK(change(&registry_));
    std::string line = "claimed";
    for (const auto& view : registry_.feature_views()) {
      if (view.meta().materialization_intervals_size() > 0) line += " " + view.spec().name();
    }
    lines_->push_back(line);
    return std::make_shared<const feast::core::Registry>(registry_);
  }
  Status Teardown() override { return Status::OK(); }

 private:
  Lines* const lines_;
  feast::core::Registry registry_;
};

// Writes down what is committed; the commit of `failing` fails. A transaction a chunk.
class RecordingStore final : public LoadOnlyStore {
 public:
  RecordingStore(Lines* lines, std::string failing) : lines_(lines), failing_(std::move(failing)) {}

  Result<std::unique_ptr<OnlineLoad>> BeginLoad(
      std::span<const std::shared_ptr<const FeatureView>>) override {
    return std::unique_ptr<OnlineLoad>(new Load(this));
  }
  Result<std::string> ReadMark(const FeatureView&) override { return std::string(); }

 private:
  class Load final : public OnlineLoad {
   public:
    explicit Load(RecordingStore* store) : store_(store) {}
    Result<WriteCounts> Write(const FeatureView& view, const PackedRows& rows) override {
      view_ = view.name;
      return WriteCounts{static_cast<int64_t>(rows.keys.size()), 0};
    }
    Status SetMark(const FeatureView&, std::string_view) override { return Status::OK(); }
    int64_t bytes_held() const override { return INT64_MAX; }
    Status Commit() override {
      if (view_ == store_->failing_) return Status::Unavailable("the disk is full");
      store_->lines_->push_back("committed " + view_);
      return Status::OK();
    }

   private:
    RecordingStore* const store_;
    std::string view_;
  };

  Lines* const lines_;
  const std::string failing_;
};

struct Outcome {
  Status status;
  Lines lines;
  std::string done;
};

// One row of each of the views, one after the other.
Outcome WriteViews(const Lines& views, const Lines& registered, const std::string& failing,
                   std::chrono::steady_clock::duration claims_apart) {
  Outcome outcome;
  RecordingRegistry registry(&outcome.lines, registered);
  RecordingStore store(&outcome.lines, failing);
  const MaterializeContext context{.project = "p", .registry = &registry, .online_store = &store};
  std::vector<ViewRun> runs(views.size());
  std::vector<std::shared_ptr<const FeatureView>> all;
  for (size_t i = 0; i < views.size(); ++i) {
    auto view = std::make_shared<FeatureView>();
    view->name = views[i];
    all.push_back(view);
    runs[i].view = view;
    runs[i].report = {view->name, {0, 10}};
  }
  StoreWriter writer(context, all, {.claims_apart = claims_apart});
  for (ViewRun& run : runs) {
    SortedRows rows;
    rows.keys = {"key"};
    rows.rows = {"row"};
    if (!writer.Put(&run, std::move(rows), /*last=*/true).ok()) break;
  }
  outcome.status = writer.Finish();
  for (const ViewRun& run : runs) outcome.done += run.done ? run.view->name : "";
  return outcome;
}

TEST(StoreWriter, ViewsThatAreWholeAreClaimedTogether) {
  const Outcome outcome = WriteViews({"a", "b", "c"}, {"a", "b", "c"}, "", std::chrono::hours(1));
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.ToString();
  EXPECT_EQ(outcome.lines, (Lines{"committed a", "committed b", "committed c", "claimed a b c"}));
  EXPECT_EQ(outcome.done, "abc");
}

TEST(StoreWriter, AViewIsClaimedWhenItsRowsAreDurableAndItIsTime) {
  const Outcome outcome = WriteViews({"a", "b"}, {"a", "b"}, "", std::chrono::seconds(0));
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.ToString();
  EXPECT_EQ(outcome.lines, (Lines{"committed a", "claimed a", "committed b", "claimed a b"}));
}

TEST(StoreWriter, WhatIsDurableIsClaimedThoughALaterTransactionFails) {
  const Outcome outcome = WriteViews({"a", "b", "c"}, {"a", "b", "c"}, "b", std::chrono::hours(1));
  EXPECT_EQ(outcome.status.message(), "the disk is full");
  EXPECT_EQ(outcome.lines, (Lines{"committed a", "claimed a"}));
  EXPECT_EQ(outcome.done, "a");
}

TEST(StoreWriter, AViewThatIsGoneDoesNotKeepOthersFromBeingClaimed) {
  const Outcome outcome = WriteViews({"a", "b", "c"}, {"a", "c"}, "", std::chrono::hours(1));
  EXPECT_FALSE(outcome.status.ok());
  EXPECT_NE(outcome.status.message().find("\"b\""), std::string::npos) << outcome.status.ToString();
  EXPECT_EQ(outcome.lines, (Lines{"committed a", "committed b", "committed c", "claimed a c"}));
}

}  // namespace
}  // namespace salver
