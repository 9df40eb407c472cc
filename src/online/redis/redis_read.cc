#include "online/redis/redis_read.h"

#include <algorithm>

namespace salver::redis {

ReadPlan::ReadPlan(std::span<const OnlineRead> reads, const Layout* layout) : reads_(reads), layout_(layout) {
  for (size_t i = 0; i < reads.size(); ++i) {
    const OnlineRead& read = reads[i];
    auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& one) {
      return std::equal(one.keys.begin(), one.keys.end(), read.keys.begin(), read.keys.end());
    });
    if (group == groups_.end()) {
      group = groups_.emplace(group);
      group->keys = read.keys;
    }
    const size_t fields = layout->AppendFields(read, &group->fields);
    for (size_t field = 0; field < fields; ++field)
      group->targets.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(field)});
  }
}

std::vector<ReadPlan::Share> ReadPlan::Compose(const NodeMap& map, std::string_view project) const {
  std::vector<Share> shares(map.servers.size());
  std::string head, key;
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    head.clear();
    AppendCommandHead(2 + group.targets.size(), &head);
    AppendPart("HMGET", &head);
    for (uint32_t row = 0; row < group.keys.size(); ++row) {
      if (group.keys[row].empty()) continue;
      key.assign(group.keys[row]);
      key.append(project);
      Share& share = shares[map.NodeOf(key)];
      share.commands += head;
      AppendPart(key, &share.commands);
      share.commands += group.fields;
      share.targets.push_back({g, row});
    }
  }
  return shares;
}

Status ReadTaker::OtherShape() const {
  return Status::DataLoss(where_ + ": the answer to HMGET is of another shape than was asked for.");
}

Status ReadTaker::TakeHead(const ReplyValue& value, size_t expected) const {
  if (value.kind == ReplyValue::Kind::kError) return ErrorOf(where_, value.text);
  if (value.kind == ReplyValue::Kind::kArray && static_cast<size_t>(value.integer) == expected)
    return Status::OK();
  return OtherShape();
}

void ReadTaker::Take(const ReplyValue& value) {
  if (!status_.ok()) return;
  const ReadPlan::Target target = share_.targets[next_];
  const ReadPlan::Group& group = plan_.groups_[target.group];
  if (value.depth == 0) {
    status_ = TakeHead(value, group.targets.size());
    return;
  }
  // Each value is a string or nothing. The elements of an array in its place would have numbers of their own.
  const bool found = value.kind == ReplyValue::Kind::kString;
  if (value.depth != 1 || (!found && value.kind != ReplyValue::Kind::kNil)) {
    status_ = OtherShape();
    return;
  }
  const ReadPlan::FieldTarget field = group.targets[value.index];
  status_ = plan_.layout_->Take(plan_.reads_[field.read], field.field, found, value.text, target.row,
                                &fillers_[field.read], &(*answers_)[field.read]);
}

}  // namespace salver::redis
