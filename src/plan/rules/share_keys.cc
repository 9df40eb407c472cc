#include <algorithm>

#include "plan/plan_edit.h"
#include "plan/rules.h"

namespace salver {
namespace {

// The names that views have for the keys are for messages only.
bool SameKeys(const EncodeKeysNode& a, const EncodeKeysNode& b) {
  return a.entity_columns == b.entity_columns &&
         std::equal(a.join_keys.begin(), a.join_keys.end(), b.join_keys.begin(), b.join_keys.end(),
                    [](const Field& x, const Field& y) { return x.type == y.type; });
}

}  // namespace

bool ShareKeys(ExecutionPlan* plan) {
  return ShareNodes<EncodeKeysNode>(plan, SameKeys, [](EncodeKeysNode*, const EncodeKeysNode&) {});
}

}  // namespace salver
