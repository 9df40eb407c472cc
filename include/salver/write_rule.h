// The one write rule: which of two rows of an entity key stays. Offline dedup, materialization, push and
// every store call this function.
#pragma once

#include <cstdint>

namespace salver {

// True when a row that arrives now replaces the stored one: a later event time wins; at equal event time the
// larger created time; equal again, the later write. Microseconds; kNoCreatedTime is older than any created
// time.
inline bool IsNewer(int64_t event_us, int64_t created_us, int64_t stored_event_us,
                    int64_t stored_created_us) {
  if (event_us != stored_event_us) return event_us > stored_event_us;
  return created_us >= stored_created_us;
}

// True when a feature row of time `event_us` may be seen at `at_us`: at - ttl <= event <= at, both ends in;
// ttl 0 means no lower bound. Retrieval and serving both call this.
inline bool IsVisible(int64_t event_us, int64_t at_us, int64_t ttl_us) {
  return event_us <= at_us && (ttl_us == 0 || event_us >= at_us - ttl_us);
}

}  // namespace salver
