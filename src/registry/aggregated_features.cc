#include "registry/aggregated_features.h"

#include <optional>

#include "base/nearest.h"
#include "model/aggregation_proto.h"

namespace salver {
namespace {

using feast::core::FeatureSpecV2;
using TypeEnum = feast::types::ValueType;

bool IsNumber(ValueType type) {
  return type == ValueType::kInt32 || type == ValueType::kInt64 || type == ValueType::kFloat ||
         type == ValueType::kDouble;
}

class Inference {
 public:
  Inference(const AggregatedView& view, const std::map<std::string, ValueType>* columns, Definitions* to)
      : view_(view), columns_(columns), to_(to) {}

  void Run() {
    for (const auto& aggregation : *view_.aggregations) Read(aggregation);
    if (view_.features->empty()) {
      for (const auto& [name, type] : types_) AddFeature(name, type);
      return;
    }
    for (FeatureSpecV2& feature : *view_.features) CheckFeature(&feature);
  }

 private:
  void Say(const std::string& what) {
    to_->AddProblem(view_.kind, view_.name, "feature view \"" + view_.name + "\": " + what);
  }

  void Read(const feast::core::Aggregation& proto) {
    const Aggregation aggregation = AggregationOf(proto);
    const std::string name = aggregation.FeatureName();
    const std::string subject = "aggregation \"" + name + "\": ";
    CheckWindow(proto, aggregation, subject);
    for (const auto& [other, type] : types_) {
      if (other == name)
        return Say("two aggregations fill feature \"" + name +
                   "\". Give one of them a name of its own: name=\"...\".");
    }
    types_.emplace_back(name, TypeOf(aggregation, subject));
  }

  void CheckWindow(const feast::core::Aggregation& proto, const Aggregation& aggregation,
                   const std::string& subject) {
    if (proto.has_time_window() && aggregation.window_us <= 0)
      return Say(subject + "its time_window is not positive. Leave it out for all rows up to the moment.");
    if (!proto.has_slide_interval()) return;
    if (aggregation.slide_us <= 0) return Say(subject + "its slide_interval is not positive. Leave it out.");
    if (proto.has_time_window() && aggregation.slide_us > aggregation.window_us)
      Say(subject +
          "its slide_interval is longer than its time_window, so that rows between would never count.");
  }

  // Nothing, and a problem where there is one, when the type can not be told.
  std::optional<ValueType> TypeOf(const Aggregation& aggregation, const std::string& subject) {
    const auto kind = AggregateKindNamed(aggregation.function);
    if (!kind.ok()) {
      Say(subject + kind.status().message());
      return std::nullopt;
    }
    if (aggregation.column.empty()) {
      Say(subject + "it names no column. Name the one to aggregate: column=\"...\".");
      return std::nullopt;
    }
    ValueType column = ValueType::kInvalid;
    if (columns_ != nullptr) {
      const auto found = columns_->find(aggregation.column);
      if (found == columns_->end()) {
        std::vector<std::string> names;
        for (const auto& [name, type] : *columns_) names.push_back(name);
        Say(subject + "column \"" + aggregation.column + "\" is not in its source." +
            NearestNameHint(aggregation.column, names));
        return std::nullopt;
      }
      column = found->second;
    }
    const bool counts = kind->function == AggregateFunction::kCount;
    if (column == ValueType::kInvalid) return counts ? std::optional(ValueType::kInt64) : std::nullopt;
    const auto type = AggregateType(*kind, column);
    if (type.ok()) return *type;
    Say(subject + "function \"" + aggregation.function + "\" can not be applied to column \"" +
        aggregation.column + "\": " + type.status().message());
    return std::nullopt;
  }

  void AddFeature(const std::string& name, std::optional<ValueType> type) {
    FeatureSpecV2* feature = view_.features->Add();
    feature->set_name(name);
    if (type) feature->set_value_type(static_cast<TypeEnum::Enum>(*type));
  }

  void CheckFeature(FeatureSpecV2* feature) {
    std::vector<std::string> names;
    for (const auto& [name, type] : types_) {
      names.push_back(name);
      if (name != feature->name()) continue;
      if (!type) return;
      if (feature->value_type() == TypeEnum::INVALID)
        feature->set_value_type(static_cast<TypeEnum::Enum>(*type));
      const auto declared = static_cast<ValueType>(feature->value_type());
      if (declared != *type && !(IsNumber(declared) && IsNumber(*type)))
        Say("feature \"" + name + "\" is declared " + ValueTypeName(declared) +
            ", and its aggregation gives " + ValueTypeName(*type) +
            ". Make them the same, or leave it out of the schema.");
      return;
    }
    Say("feature \"" + feature->name() + "\" is filled by none of its aggregations." +
        NearestNameHint(feature->name(), names));
  }

  const AggregatedView& view_;
  const std::map<std::string, ValueType>* const columns_;
  Definitions* const to_;
  std::vector<std::pair<std::string, std::optional<ValueType>>> types_;  // of the features, in order
};

}  // namespace

void InferAggregatedFeatures(const AggregatedView& view, const std::map<std::string, ValueType>* columns,
                             Definitions* definitions) {
  Inference(view, columns, definitions).Run();
}

}  // namespace salver
