#include "online/redis/redis_read.h"
#include "online/redis/redis_wire.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {
namespace {

using namespace redis;

FeatureView ViewOf(const char* name) {
  FeatureView view;
  view.name = name;
  view.features = {{.name = "i", .type = ValueType::kInt64},
                   {.name = "t", .type = ValueType::kString},
                   {.name = "l", .type = ValueType::kFloatList}};
  return view;
}

// Feeds `bytes` in pieces; `replies` at most are taken.
void Take(std::string_view bytes, size_t piece, size_t replies, ReplyTaker* taker) {
  ReplyReader reader;
  while (!bytes.empty()) {
    const std::string_view now = bytes.substr(0, piece);
    bytes.remove_prefix(now.size());
    if (!reader.Feed(now).ok()) return;
    for (;;) {
      if (replies == 0) return;
      const auto complete = reader.Next(taker);
      if (!complete.ok()) return;
      if (!*complete) break;
      --replies;
    }
  }
}

// One read as a layout asks for it: two views with the same keys, which share their commands, and one that
// asks for another key. With `repeats` above 3 there are so many fields that whole hashes are asked for: as a
// sample, or, where an earlier sample was `taught`, always.
class Asked {
 public:
  Asked(std::unique_ptr<Layout> layout, size_t repeats, bool taught = false)
      : columns_(Columns(repeats)),
        layout_(std::move(layout)),
        plan_((taught ? Teach() : void(), ReadPlan(reads_, layout_.get(), &whole_hashes_))),
        shares_(SharesOf(plan_)) {}

  void Answer(std::string_view bytes, size_t piece) const { Answer(plan_, shares_, bytes, piece); }

 private:
  static std::vector<ReadPlan::Share> SharesOf(const ReadPlan& plan) {
    return plan.Compose({.servers = {RedisAddress()}}, "p");
  }
  void Answer(const ReadPlan& plan, const std::vector<ReadPlan::Share>& shares, std::string_view bytes,
              size_t piece) const {
    std::vector<OnlineRows> answers;
    for (const OnlineRead& read : reads_)
      answers.push_back(
          OnlineRows::Absent(read.keys.size(), read.columns.size(), std::make_shared<ByteArena>()));
    ReadTaker taker(plan, shares[0], "redis", &answers);
    Take(bytes, piece, shares[0].targets.size(), &taker);
  }
  // Hashes as lists of 30 fields, of which none is wanted: to look for each would be dear.
  void Teach() {
    const ReadPlan plan(reads_, layout_.get(), &whole_hashes_);
    const std::vector<ReadPlan::Share> shares = SharesOf(plan);
    std::string bytes;
    for (const ReadPlan::Target& target : shares[0].targets) {
      const size_t fields = columns_.size() + 1 + (target.group == 0 ? 2 : 0);
      if (target.ask == ReadPlan::Ask::kEncoding) {
        bytes += "$8\r\nlistpack\r\n";
      } else {
        const size_t elements = target.ask == ReadPlan::Ask::kSample ? 60 : fields;
        bytes += "*" + std::to_string(elements) + "\r\n";
        for (size_t i = 0; i < elements; ++i)
          bytes += target.ask == ReadPlan::Ask::kSample ? "$1\r\nx\r\n" : "$-1\r\n";
      }
    }
    Answer(plan, shares, bytes, bytes.size());
    const ReadPlan now(reads_, layout_.get(), &whole_hashes_);
    const std::vector<ReadPlan::Share> shares_now = SharesOf(now);
    for (const ReadPlan::Target& target : shares_now[0].targets)
      Check(target.ask == ReadPlan::Ask::kWhole, "whole hashes are asked for");
  }
  static std::vector<ColumnId> Columns(size_t repeats) {
    std::vector<ColumnId> columns;
    for (; repeats > 0; --repeats) columns.insert(columns.end(), {0, 1, 2});
    return columns;
  }

  const FeatureView one_ = ViewOf("one"), two_ = ViewOf("two");
  const std::string_view keys_[2] = {"a", "b"}, other_[1] = {"c"};
  const ColumnId first_[1] = {0};
  const std::vector<ColumnId> columns_;
  const OnlineRead reads_[3] = {{&one_, keys_, columns_}, {&two_, keys_, first_}, {&one_, other_, columns_}};
  const std::unique_ptr<Layout> layout_;
  WholeHashes whole_hashes_;
  const ReadPlan plan_;
  const std::vector<ReadPlan::Share> shares_;
};

}  // namespace

void RedisReplies(std::string_view bytes) {
  static PackedSchemas schemas;
  static const Asked feast(NewFeastLayout(0), 1), sample(NewFeastLayout(0), 4),
      whole(NewFeastLayout(0), 4, true), packed(NewPackedLayout(0, &schemas), 1);
  Input input(bytes);
  const uint8_t how = input.Byte();
  const size_t piece = how % 64 / 2 == 0 ? SIZE_MAX : how % 64 / 2;
  const std::string_view sent = input.Rest();
  (how % 2 != 0 ? packed : how < 64 ? feast : how < 128 ? sample : whole).Answer(sent, piece);
  ReplyTree tree;
  Take(sent, piece, 100, &tree);
}

}  // namespace salver::fuzz
