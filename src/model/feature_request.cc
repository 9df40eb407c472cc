#include "model/feature_request.h"

#include <set>

#include "base/nearest.h"

namespace salver {
namespace {

Status CheckExecuted(const FeatureView& view) {
  const char* kind =
      view.kind == FeatureViewKind::kOnDemand ? "an on-demand feature view"
      : view.kind == FeatureViewKind::kStream && (view.has_transformation || view.aggregations.empty())
          ? "a stream feature view"
      : view.kind == FeatureViewKind::kLabel ? "a label view"
      : view.has_transformation              ? "a feature view with a transformation"
                                             : nullptr;
  if (kind == nullptr) return Status::OK();
  return Status::Unimplemented(
      "\"" + view.name + "\" is " + kind +
          ": this release registers it but does not compute its features. Ask for the features of "
          "plain feature views.",
      Reason::kNotExecutedYet);
}

class Resolver {
 public:
  Resolver(const RegistrySnapshot& snapshot, bool full_names)
      : snapshot_(snapshot), full_names_(full_names) {}

  Status AddReference(std::string_view text) {
    SALVER_ASSIGN(const FeatureReference reference, ParseFeatureReference(text));
    SALVER_ASSIGN(RequestedView * view, Find(std::string(reference.view), "", {}));
    return AddFeature(reference.feature, view);
  }

  Status AddProjection(const FeatureViewProjection& projection) {
    SALVER_ASSIGN(RequestedView * view, Find(projection.view, projection.alias, projection.join_key_map));
    for (const std::string& feature : projection.features) SALVER_RETURN_NOT_OK(AddFeature(feature, view));
    return Status::OK();
  }

  std::vector<RequestedView> Take() { return std::move(views_); }

 private:
  // The entry of this view under this name and key map, added when it is new.
  Result<RequestedView*> Find(const std::string& name, const std::string& alias,
                              const std::map<std::string, std::string>& join_key_map) {
    const std::string& shown = alias.empty() ? name : alias;
    for (RequestedView& have : views_) {
      if (have.name == shown && have.view->name == name && have.join_key_map == join_key_map) return &have;
    }
    SALVER_ASSIGN(auto view, snapshot_.GetView(name));
    SALVER_RETURN_NOT_OK(CheckExecuted(*view));
    views_.push_back({std::move(view), shown, join_key_map, {}});
    return &views_.back();
  }

  Status AddFeature(std::string_view feature, RequestedView* view) {
    const int column = view->view->FindFeature(feature);
    if (column < 0) {
      std::vector<std::string> names;
      for (const Field& field : view->view->features) names.push_back(field.name);
      return Status::NotFound("feature \"" + std::string(feature) + "\" is not in feature view \"" +
                                  view->view->name + "\"." + NearestNameHint(feature, names),
                              Reason::kFeatureNotFound);
    }
    std::string name = full_names_ ? view->name + "__" + std::string(feature) : std::string(feature);
    if (!names_.insert(name).second) {
      return Status::InvalidArgument(
          "two features are named \"" + name + "\". Ask for full feature names, or for each feature once.",
          Reason::kNameCollision);
    }
    view->features.push_back({static_cast<ColumnId>(column), count_++, std::move(name)});
    return Status::OK();
  }

  const RegistrySnapshot& snapshot_;
  const bool full_names_;
  std::vector<RequestedView> views_;
  std::set<std::string> names_;
  size_t count_ = 0;
};

}  // namespace

Result<FeatureReference> ParseFeatureReference(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return Status::InvalidArgument("feature reference \"" + std::string(text) +
                                       "\" is not view:feature. Write it as driver_hourly_stats:conv_rate.",
                                   Reason::kBadFeatureReference);
  }
  if (const size_t at = text.substr(0, colon).find('@'); at != std::string_view::npos) {
    return Status::Unimplemented(
        "feature reference \"" + std::string(text) +
            "\" names a version of the view; versions are not served in this release. Leave out \"" +
            std::string(text.substr(at, colon - at)) + "\".",
        Reason::kVersionedReference);
  }
  return FeatureReference{text.substr(0, colon), text.substr(colon + 1)};
}

Result<std::vector<RequestedView>> ResolveFeatures(const RegistrySnapshot& snapshot,
                                                   std::span<const std::string_view> features,
                                                   std::string_view feature_service,
                                                   bool full_feature_names) {
  if (!features.empty() && !feature_service.empty()) {
    return Status::InvalidArgument("both features and feature service \"" + std::string(feature_service) +
                                       "\" were given. Give one of them.",
                                   Reason::kBadFeatureReference);
  }
  Resolver resolver(snapshot, full_feature_names);
  if (!feature_service.empty()) {
    SALVER_ASSIGN(const auto service, snapshot.GetService(feature_service));
    for (const auto& projection : service->projections)
      SALVER_RETURN_NOT_OK(resolver.AddProjection(projection));
  } else {
    for (const std::string_view feature : features) SALVER_RETURN_NOT_OK(resolver.AddReference(feature));
  }
  std::vector<RequestedView> views = resolver.Take();
  if (views.empty()) {
    return Status::InvalidArgument(
        "no features were asked for. Name them as view:feature, or name a feature service.",
        Reason::kNoFeatures);
  }
  return views;
}

}  // namespace salver
