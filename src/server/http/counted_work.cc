#include "server/http/counted_work.h"

#include <chrono>
#include <map>
#include <string>

#include "server/frame_fields.h"

namespace salver {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Result<OnlineResponse> CountedRead(const OnlineRequest& request, Deadline deadline,
                                   const HttpContext& context, HttpResponse* answer) {
  context.metrics->CountEntities(request.entities.empty() ? 0 : request.entities[0].values.size());
  auto response = context.store->GetOnlineFeatures(request, deadline);
  if (!response.ok()) return response;
  context.metrics->CountOnline(*response);
  size_t features = 0;
  for (const OnlineResponse::ViewVersion& view : response->views) features += view.features;
  answer->shape = RequestShape::Of(features, response->views.size());
  answer->steps.online = response->times;
  return response;
}

Status CountedPush(std::string_view source, std::string_view to, const RowsFor& rows,
                   const HttpContext& context) {
  const auto start = Clock::now();
  SALVER_ASSIGN(const PushTarget target, PushTargetNamed(to));
  SALVER_ASSIGN(const auto snapshot, context.store->Snapshot());
  const auto table = rows(PushFields(*snapshot, source));
  Status status = table.status();
  if (status.ok()) status = context.store->Push(source, **table, target);
  for (const auto& view : snapshot->views()) {
    if (view->stream_source && view->stream_source->name == source)
      context.metrics->CountWrite(view->name, status.ok(), Clock::now() - start);
  }
  if (status.ok()) context.metrics->CountPush(source, to);
  return status;
}

Status CountedWrite(std::string_view name, const RowsFor& rows, const HttpContext& context) {
  const auto start = Clock::now();
  SALVER_ASSIGN(const auto snapshot, context.store->Snapshot());
  const auto view = snapshot->GetView(name);
  // Feast calls a missing view an object here, and a feature view elsewhere.
  if (!view.ok()) return Status::NotFound(view.status().message(), Reason::kObjectNotFound);
  const auto table = rows(FrameFields(**view));
  Status status = table.status();
  if (status.ok()) status = context.store->WriteToOnlineStore(name, **table);
  context.metrics->CountWrite((*view)->name, status.ok(), Clock::now() - start);
  return status;
}

Result<MaterializeReport> CountedMaterialize(MaterializeOptions options, const HttpContext& context) {
  const auto start = Clock::now();
  std::map<std::string, Clock::duration> done;
  options.on_progress = [&](const MaterializeProgress& progress) {
    if (progress.view_done) done.emplace(progress.view, Clock::now() - start);
  };
  auto report = context.store->Materialize(options);
  const auto end = Clock::now() - start;
  if (report.ok()) {
    for (const MaterializeReport::View& view : report->views) {
      const auto found = done.find(view.name);
      context.metrics->CountMaterialization(view.name, true, view.rows_read,
                                            found != done.end() ? found->second : end);
    }
    return report;
  }
  for (const auto& [name, time] : done) context.metrics->CountMaterialization(name, true, -1, time);
  const auto snapshot = context.store->Snapshot();  // names that are none of its views are not counted
  for (const std::string& name : options.views) {
    if (!done.contains(name) && snapshot.ok() && (*snapshot)->FindView(name) != nullptr)
      context.metrics->CountMaterialization(name, false, 0, end);
  }
  return report;
}

}  // namespace salver
