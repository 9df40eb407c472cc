#include "salver/feature_view.h"

namespace salver {

std::string_view Field::struct_schema() const {
  const auto found = tags.find("feast:struct_schema");
  return found == tags.end() ? std::string_view() : std::string_view(found->second);
}

const char* FeatureViewStateName(FeatureViewState state) {
  switch (state) {
    case FeatureViewState::kUnspecified:
      return "STATE_UNSPECIFIED";
    case FeatureViewState::kCreated:
      return "CREATED";
    case FeatureViewState::kGenerated:
      return "GENERATED";
    case FeatureViewState::kMaterializing:
      return "MATERIALIZING";
    case FeatureViewState::kAvailableOnline:
      return "AVAILABLE_ONLINE";
  }
  return "STATE_UNSPECIFIED";
}

int FeatureView::FindVector() const {
  for (size_t i = 0; i < features.size(); ++i) {
    if (features[i].vector_index) return static_cast<int>(i);
  }
  return -1;
}

int FeatureView::FindFeature(std::string_view feature) const {
  for (size_t i = 0; i < features.size(); ++i) {
    if (features[i].name == feature) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace salver
