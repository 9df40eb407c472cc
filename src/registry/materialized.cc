#include "registry/materialized.h"

#include "feast/core/Registry.pb.h"
#include "model/intervals.h"
#include "model/proto_time.h"

namespace salver {
namespace {

// The meta of the view, null when there is none.
template <typename Views>
auto* MetaOf(const std::string& project, const std::string& name, Views* views) {
  for (auto& view : *views) {
    if (view.spec().name() == name && view.spec().project() == project) return view.mutable_meta();
  }
  return decltype(views->begin()->mutable_meta())(nullptr);
}

feast::core::FeatureViewMeta* MaterializedMeta(const std::string& project, const std::string& name,
                                               feast::core::Registry* registry) {
  if (auto* meta = MetaOf(project, name, registry->mutable_feature_views())) return meta;
  return MetaOf(project, name, registry->mutable_stream_feature_views());
}

Status Gone(const std::string& project, const std::string& view) {
  return Status::NotFound("feature view \"" + view + "\" was removed from project \"" + project +
                              "\" while it was materialized. Its interval was not recorded.",
                          Reason::kViewNotFound);
}

}  // namespace

Status RecordInterval(const std::string& project, const std::string& view, TimeInterval interval,
                      int64_t rows_written, int64_t now_us, feast::core::Registry* registry) {
  auto* meta = MaterializedMeta(project, view, registry);
  if (meta == nullptr) return Gone(project, view);
  const auto had = meta->materialization_intervals();
  std::vector<TimeInterval> intervals = {interval};
  for (const auto& one : had) intervals.push_back({MicrosOf(one.start_time()), MicrosOf(one.end_time())});
  meta->clear_materialization_intervals();
  for (const TimeInterval& joined : NormalizeIntervals(std::move(intervals))) {
    const auto holds = [&](int64_t start_us) {
      return joined.start_us <= start_us && start_us <= joined.end_us;
    };
    auto* to = meta->add_materialization_intervals();
    SetMicros(joined.start_us, to->mutable_start_time());
    SetMicros(joined.end_us, to->mutable_end_time());
    int64_t rows = holds(interval.start_us) ? rows_written : 0;
    for (const auto& one : had) {
      if (holds(MicrosOf(one.start_time()))) rows += one.rows_written();
    }
    to->set_rows_written(rows);
  }
  meta->set_state(feast::core::AVAILABLE_ONLINE);
  SetMicros(now_us, meta->mutable_last_updated_timestamp());
  return Status::OK();
}

}  // namespace salver
