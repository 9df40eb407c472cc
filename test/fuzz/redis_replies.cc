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
// asks for another key. With `repeats` above 3 there are so many fields that a whole hash is asked for as a
// sample.
class Asked {
 public:
  Asked(std::unique_ptr<Layout> layout, size_t repeats)
      : columns_(Columns(repeats)),
        layout_(std::move(layout)),
        plan_(reads_, layout_.get(), &whole_hashes_),
        shares_(plan_.Compose({.servers = {RedisAddress()}}, "p")) {}

  void Answer(std::string_view bytes, size_t piece) const {
    std::vector<OnlineRows> answers;
    for (const OnlineRead& read : reads_)
      answers.push_back(
          OnlineRows::Absent(read.keys.size(), read.columns.size(), std::make_shared<ByteArena>()));
    ReadTaker taker(plan_, shares_[0], "redis", &answers);
    Take(bytes, piece, shares_[0].targets.size(), &taker);
  }

 private:
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
  static const Asked feast(NewFeastLayout(0), 1), whole(NewFeastLayout(0), 4),
      packed(NewPackedLayout(0, &schemas), 1);
  Input input(bytes);
  const uint8_t how = input.Byte();
  const size_t piece = how % 128 / 2 == 0 ? SIZE_MAX : how % 128 / 2;
  const std::string_view sent = input.Rest();
  (how % 2 != 0 ? packed : how < 128 ? feast : whole).Answer(sent, piece);
  ReplyTree tree;
  Take(sent, piece, 100, &tree);
}

}  // namespace salver::fuzz
