#include "online/redis/redis_read.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace salver::redis {
namespace {

uint32_t NowSeconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

// The next of a command's parts, as AppendPart wrote it.
std::string_view TakePart(std::string_view* parts) {
  size_t size = 0;
  const char* const digits_end = std::from_chars(parts->data() + 1, parts->data() + parts->size(), size).ptr;
  const size_t begin = static_cast<size_t>(digits_end + 2 - parts->data());
  const std::string_view part = parts->substr(begin, size);
  parts->remove_prefix(begin + size + 2);
  return part;
}

}  // namespace

ReadPlan::ReadPlan(std::span<const OnlineRead> reads, const Layout* layout, WholeHashes* whole_hashes)
    : reads_(reads), layout_(layout), whole_hashes_(whole_hashes), now_s_(NowSeconds()) {
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
  for (Group& group : groups_) {
    if (group.targets.size() < WholeHashes::kFieldsMin) continue;
    group.id = WholeHashes::IdOf(group.fields);
    group.way = whole_hashes->Of(group.id, now_s_);
  }
}

std::vector<ReadPlan::Share> ReadPlan::Compose(const NodeMap& map, std::string_view project) const {
  std::vector<Share> shares(map.servers.size());
  std::string fields_head, whole_head, encoding_head, key;
  AppendCommandHead(2, &whole_head);
  AppendPart("HGETALL", &whole_head);
  AppendCommandHead(3, &encoding_head);
  AppendPart("OBJECT", &encoding_head);
  AppendPart("ENCODING", &encoding_head);
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    fields_head.clear();
    AppendCommandHead(2 + group.targets.size(), &fields_head);
    AppendPart("HMGET", &fields_head);
    bool sample = group.way == WholeHashes::Way::kUnknown;
    for (uint32_t row = 0; row < group.keys.size(); ++row) {
      if (group.keys[row].empty()) continue;
      key.assign(group.keys[row]);
      key.append(project);
      Share& share = shares[map.NodeOf(key)];
      if (sample) {
        share.commands += encoding_head;
        AppendPart(key, &share.commands);
        share.targets.push_back({g, row, Ask::kEncoding});
        share.commands += whole_head;
        AppendPart(key, &share.commands);
        share.targets.push_back({g, row, Ask::kSample});
        sample = false;
      }
      if (group.way == WholeHashes::Way::kWhole) {
        share.commands += whole_head;
        AppendPart(key, &share.commands);
        share.targets.push_back({g, row, Ask::kWhole});
      } else {
        share.commands += fields_head;
        AppendPart(key, &share.commands);
        share.commands += group.fields;
        share.targets.push_back({g, row, Ask::kFields});
      }
    }
  }
  return shares;
}

WantedValues::WantedValues(std::string_view fields, size_t count) : values_(count) {
  fields_.reserve(count);
  for (uint32_t field = 0; field < count; ++field)
    same_as_.push_back(fields_.emplace(TakePart(&fields), field).first->second);
}

void WantedValues::Start() {
  bytes_.clear();
  for (Value& value : values_) value.found = false;
}

void WantedValues::TakeField(size_t entry, std::string_view name) {
  if (entry >= seen_.size()) seen_.resize(entry + 1);
  Seen& seen = seen_[entry];
  if (seen.name != name) {
    const auto found = fields_.find(name);
    seen.name = name;
    seen.field = found == fields_.end() ? kUnwanted : found->second;
  }
  field_ = seen.field;
}

void WantedValues::TakeValue(size_t entry, std::string_view value) {
  if (field_ == kUnwanted) return;
  values_[field_] = {.offset = bytes_.size(), .size = value.size(), .entry = entry, .found = true};
  bytes_ += value;
}

Status ReadTaker::OtherShape() const {
  return Status::DataLoss(where_ +
                          ": the answer to HMGET or HGETALL is of another shape than was asked for.");
}

void ReadTaker::Take(const ReplyValue& value) {
  if (status_.ok()) status_ = value.depth == 0 ? TakeHead(value) : TakeElement(value);
}

Status ReadTaker::TakeHead(const ReplyValue& value) {
  const ReadPlan::Target target = share_.targets[next_];
  const ReadPlan::Group& group = plan_.groups_[target.group];
  if (target.ask == ReadPlan::Ask::kEncoding) {
    // Of a key that is not there, or on a server that does not say: no listpack.
    listpack_ =
        value.kind == ReplyValue::Kind::kString && (value.text == "listpack" || value.text == "ziplist");
    return Status::OK();
  }
  const bool array = value.kind == ReplyValue::Kind::kArray;
  const size_t elements = array ? static_cast<size_t>(value.integer) : 0;
  if (target.ask != ReadPlan::Ask::kSample) {
    const bool whole = target.ask == ReadPlan::Ask::kWhole;
    if (value.kind == ReplyValue::Kind::kError) {
      if (whole) plan_.whole_hashes_->Learn(group.id, false, plan_.now_s_);  // it may be forbidden now
      return ErrorOf(where_, value.text);
    }
    if (!array || (whole ? elements % 2 != 0 : elements != group.targets.size())) return OtherShape();
    if (!whole) return Status::OK();
  }
  entries_ = elements / 2;
  sample_failed_ = !array;
  auto& wanted = wanted_[target.group];
  if (wanted == nullptr) wanted = std::make_unique<WantedValues>(group.fields, group.targets.size());
  wanted->Start();
  return Status::OK();
}

Status ReadTaker::TakeElement(const ReplyValue& value) {
  // The elements of an array in an array would have numbers of their own.
  const bool found = value.kind == ReplyValue::Kind::kString;
  const ReadPlan::Target target = share_.targets[next_];
  const bool sample = target.ask == ReadPlan::Ask::kSample;
  if (value.depth == 1 && target.ask == ReadPlan::Ask::kFields) {
    if (found || value.kind == ReplyValue::Kind::kNil) return TakeField(value.index, found, value.text);
  } else if (value.depth == 1 && found && (sample || target.ask == ReadPlan::Ask::kWhole)) {
    WantedValues& wanted = *wanted_[target.group];
    if (value.index % 2 == 0) {
      wanted.TakeField(value.index / 2, value.text);
    } else {
      wanted.TakeValue(value.index / 2, value.text);
    }
    return Status::OK();
  }
  return sample ? Status::OK() : OtherShape();
}

Status ReadTaker::TakeField(size_t field, bool found, std::string_view value) {
  const ReadPlan::Target target = share_.targets[next_];
  const ReadPlan::FieldTarget to = plan_.groups_[target.group].targets[field];
  return plan_.layout_->Take(plan_.reads_[to.read], to.field, found, value, target.row, &fillers_[to.read],
                             &(*answers_)[to.read]);
}

Status ReadTaker::TakeWhole() {
  if (entries_ == 0) return Status::OK();  // there is no such key
  const WantedValues& wanted = *wanted_[share_.targets[next_].group];
  const size_t fields = plan_.groups_[share_.targets[next_].group].targets.size();
  for (size_t field = 0; field < fields; ++field) {
    const bool found = wanted.found(field);
    SALVER_RETURN_NOT_OK(TakeField(field, found, found ? wanted.value(field) : std::string_view()));
  }
  return Status::OK();
}

// From a key that is not there nothing is learned. A server that answers HGETALL with an error is not asked
// so for a while.
void ReadTaker::Learn() {
  const ReadPlan::Group& group = plan_.groups_[share_.targets[next_].group];
  const WantedValues& wanted = *wanted_[share_.targets[next_].group];
  HashSample sample{
      .listpack = listpack_ && !sample_failed_, .fields = group.targets.size(), .entries = entries_};
  for (size_t field = 0; field < group.targets.size(); ++field)
    sample.places += wanted.found(field) ? wanted.place(field) : entries_;
  if (entries_ > 0 || sample_failed_)
    plan_.whole_hashes_->Learn(group.id, sample.WholeIsCheaper(), plan_.now_s_);
}

void ReadTaker::Done() {
  const ReadPlan::Ask ask = share_.targets[next_].ask;
  if (status_.ok() && ask == ReadPlan::Ask::kWhole) status_ = TakeWhole();
  if (status_.ok() && ask == ReadPlan::Ask::kSample) Learn();
  ++next_;
}

}  // namespace salver::redis
