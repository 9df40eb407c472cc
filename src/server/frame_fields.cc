#include "server/frame_fields.h"

#include <string>

namespace salver {

std::vector<Field> FrameFields(const FeatureView& view) {
  std::vector<Field> fields = view.join_keys;
  fields.insert(fields.end(), view.features.begin(), view.features.end());
  for (const auto* source : {view.batch_source ? &*view.batch_source : nullptr,
                             view.stream_source ? &*view.stream_source : nullptr}) {
    if (source == nullptr) continue;
    for (const std::string& name : {source->timestamp_field, source->created_timestamp_column}) {
      if (!name.empty()) fields.push_back({.name = name, .type = ValueType::kUnixTimestamp});
    }
  }
  return fields;
}

std::vector<Field> PushFields(const RegistrySnapshot& snapshot, std::string_view push_source) {
  std::vector<Field> fields;
  for (const auto& view : snapshot.views()) {
    if (!view->stream_source || view->stream_source->name != push_source) continue;
    const auto more = FrameFields(*view);
    fields.insert(fields.end(), more.begin(), more.end());
  }
  return fields;
}

Result<PushTarget> PushTargetNamed(std::string_view name) {
  if (name == "online") return PushTarget::kOnline;
  if (name == "offline") return PushTarget::kOffline;
  if (name == "online_and_offline") return PushTarget::kOnlineAndOffline;
  return Status::InvalidArgument(
      "\"" + std::string(name) + "\" is no push target; there is: online, offline, online_and_offline.",
      Reason::kBadPushMode);
}

}  // namespace salver
