// One read of several views as commands: views that ask for the same keys share one HMGET for each key.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "online/redis/redis_layout.h"
#include "online/redis/redis_nodes.h"
#include "online/redis/redis_wire.h"
#include "salver/online_store.h"

namespace salver::redis {

class ReadPlan {
 public:
  // The reads, and what they point at, must outlive the plan.
  ReadPlan(std::span<const OnlineRead> reads, const Layout* layout);

  // Where the value of each reply belongs: the row of the group's reads that its command asked for.
  struct Target {
    uint32_t group, row;
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
  };

  const std::span<const OnlineRead> reads_;
  const Layout* const layout_;
  std::vector<Group> groups_;
};

// Puts the replies of one share where they belong.
class ReadTaker final : public ReplyTaker {
 public:
  // `answers`: one for each read, absent as yet.
  ReadTaker(const ReadPlan& plan, const ReadPlan::Share& share, std::string where,
            std::vector<OnlineRows>* answers)
      : plan_(plan), share_(share), where_(std::move(where)), answers_(answers) {
    for (const OnlineRead& read : plan.reads_) fillers_.emplace_back(&read);
  }

  void Take(const ReplyValue& value) override;
  void Done() override { ++next_; }
  // The first thing that was wrong.
  const Status& status() const { return status_; }

 private:
  Status OtherShape() const;
  Status TakeHead(const ReplyValue& value, size_t expected) const;

  const ReadPlan& plan_;
  const ReadPlan::Share& share_;
  const std::string where_;
  std::vector<OnlineRows>* const answers_;
  std::vector<RowFiller> fillers_;  // one a read
  size_t next_ = 0;                 // of the share's targets
  Status status_;
};

}  // namespace salver::redis
