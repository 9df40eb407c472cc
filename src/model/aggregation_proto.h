// Aggregations as messages hold them.
#pragma once

#include "feast/core/Aggregation.pb.h"
#include "model/proto_time.h"
#include "salver/aggregation.h"

namespace salver {

inline Aggregation AggregationOf(const feast::core::Aggregation& proto) {
  return {proto.column(), proto.function(), MicrosOf(proto.time_window()), MicrosOf(proto.slide_interval()),
          proto.name()};
}

}  // namespace salver
