// One read of several views as commands: views that ask for the same keys share one command for each key,
// HMGET or, where that is cheaper (whole_hashes.h), HGETALL.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "online/redis/redis_layout.h"
#include "online/redis/redis_nodes.h"
#include "online/redis/redis_wire.h"
#include "online/redis/whole_hashes.h"
#include "salver/online_store.h"

namespace salver::redis {

class ReadPlan {
 public:
  // The reads, and all that is pointed at, must outlive the plan.
  ReadPlan(std::span<const OnlineRead> reads, const Layout* layout, WholeHashes* whole_hashes);

  // What a command asked: how a hash is kept and what is in it, as a sample that may fail; fields of it; all
  // of it.
  enum class Ask : uint8_t { kEncoding, kSample, kFields, kWhole };
  // Where the values of each reply belong: the row of the group's reads that its command asked for.
  struct Target {
    uint32_t group, row;
    Ask ask;
  };
  // What one server is asked.
  struct Share {
    std::string commands;
    std::vector<Target> targets;  // one a command
  };
  // By position in the map's servers. Keys that are never found are not asked for.
  std::vector<Share> Compose(const NodeMap& map, std::string_view project) const;

 private:
  friend class ReadTaker;

  struct FieldTarget {
    uint32_t read, field;  // as Layout counts them
  };
  struct Group {
    std::span<const std::string_view> keys;
    std::string fields;  // parts of the command, after its key
    std::vector<FieldTarget> targets;
    WholeHashes::Way way = WholeHashes::Way::kFields;
    uint64_t id = 0;  // of the fields, for whole_hashes_
  };

  const std::span<const OnlineRead> reads_;
  const Layout* const layout_;
  WholeHashes* const whole_hashes_;
  const uint32_t now_s_;
  std::vector<Group> groups_;
};

// The values that are wanted of a whole hash, whose fields come in any order.
class WantedValues {
 public:
  // `fields`: `count` of them, as a command has them. What it points at must outlive this.
  WantedValues(std::string_view fields, size_t count);

  void Start();  // the next hash
  // Field and value number `entry` of the hash.
  void TakeField(size_t entry, std::string_view name);
  void TakeValue(size_t entry, std::string_view value);

  bool found(size_t field) const { return values_[same_as_[field]].found; }
  std::string_view value(size_t field) const {
    const Value& value = values_[same_as_[field]];
    return std::string_view(bytes_).substr(value.offset, value.size);
  }
  // The entry where it was, of one that was found.
  size_t place(size_t field) const { return values_[same_as_[field]].entry; }

 private:
  static constexpr uint32_t kUnwanted = ~uint32_t{0};
  struct Value {
    size_t offset = 0, size = 0, entry = 0;
    bool found = false;
  };
  // What was at an entry of the last hash: hashes that were written alike have their fields at the same
  // places.
  struct Seen {
    std::string name;
    uint32_t field = kUnwanted;
  };

  std::unordered_map<std::string_view, uint32_t> fields_;
  std::vector<uint32_t> same_as_;  // the first field of the same name
  std::vector<Seen> seen_;
  std::vector<Value> values_;
  std::string bytes_;
  uint32_t field_ = kUnwanted;  // whose value comes next
};

// Puts the replies of one share where they belong.
class ReadTaker final : public ReplyTaker {
 public:
  // `answers`: one for each read, absent as yet.
  ReadTaker(const ReadPlan& plan, const ReadPlan::Share& share, std::string where,
            std::vector<OnlineRows>* answers)
      : plan_(plan), share_(share), where_(std::move(where)), answers_(answers) {
    for (const OnlineRead& read : plan.reads_) fillers_.emplace_back(&read);
    wanted_.resize(plan.groups_.size());
  }

  void Take(const ReplyValue& value) override;
  void Done() override;
  // The first thing that was wrong.
  const Status& status() const { return status_; }

 private:
  Status OtherShape() const;
  Status TakeHead(const ReplyValue& value);
  Status TakeElement(const ReplyValue& value);
  Status TakeField(size_t field, bool found, std::string_view value);
  Status TakeWhole();
  void Learn();

  const ReadPlan& plan_;
  const ReadPlan::Share& share_;
  const std::string where_;
  std::vector<OnlineRows>* const answers_;
  std::vector<RowFiller> fillers_;  // one a read
  size_t next_ = 0;                 // of the share's targets
  size_t entries_ = 0;              // of the whole hash that is being read
  bool listpack_ = false;           // the last that was asked for its encoding is one
  bool sample_failed_ = false;
  std::vector<std::unique_ptr<WantedValues>> wanted_;  // one a group, when its first whole hash comes
  Status status_;
};

}  // namespace salver::redis
