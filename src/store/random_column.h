// Random columns of any type that a feature may have, with the values that are easily lost on the way: nulls,
// NaN, infinities, -0.0, the ends of the integers, empty texts and lists, bytes that are no text.
#pragma once

#include <memory>

#include "salver/feature_view.h"
#include "test/dice.h"

namespace arrow {
class Array;
}

namespace salver {

// `rows` values of ArrowType(field.type). `whole_seconds`: times have no fractions, as Feast's layouts keep
// them; inside lists they never have.
std::shared_ptr<arrow::Array> RandomColumn(const Field& field, int64_t rows, bool whole_seconds, Dice* dice);

}  // namespace salver
