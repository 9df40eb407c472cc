// The features that a view's aggregations fill: their names, their types, and what is wrong with either.
#pragma once

#include <map>
#include <string>

#include "feast/core/FeatureView.pb.h"
#include "registry/definitions.h"

namespace salver {

// A view while its definition is completed.
struct AggregatedView {
  std::string kind, name;  // "feature_view", and what it is called
  const google::protobuf::RepeatedPtrField<feast::core::Aggregation>* aggregations;
  google::protobuf::RepeatedPtrField<feast::core::FeatureSpecV2>* features;
};

// Gives a view without features one for each aggregation. Each of these becomes a problem of `definitions`: a
// function that is not known or not for its column; a column that is not there; a window or slide that is not
// positive, a slide longer than its window; two aggregations of one name; a feature that no aggregation
// fills, or of a type that it can not have; a feature whose type nothing tells.
//   columns  types by the names that the view uses; null: not known, and what needs them is not checked.
void InferAggregatedFeatures(const AggregatedView& view, const std::map<std::string, ValueType>* columns,
                             Definitions* definitions);

}  // namespace salver
