// Distances between vectors of floats, as fast as this processor can, and vectors out of stored values.
//
// Thread safety: const methods and free functions from any thread.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "salver/online_rows.h"
#include "salver/online_search.h"

namespace salver {

// Of two vectors of `length` elements; aligned or not.
float SquaredDistance(const float* a, const float* b, size_t length);
float DotProduct(const float* a, const float* b, size_t length);

// From one vector to others of its length.
class DistanceTo {
 public:
  DistanceTo(std::span<const float> query, DistanceMetric metric);
  // Never a NaN: what is no number is as far as can be.
  double operator()(std::span<const float> other) const;

 private:
  const std::span<const float> query_;
  const DistanceMetric metric_;
  double norm_ = 0;  // of the query
};

// The elements of a FLOAT_LIST or DOUBLE_LIST feature. False, for a null and for bytes that are no such list.
bool VectorOf(const OnlineCell& cell, std::vector<float>* vector);
bool AllFinite(std::span<const float> vector);

}  // namespace salver
