#include "online/online_stores.h"

namespace salver {

std::vector<std::string> OnlineStoreTypes() {
  return {
      "lmdb",
      "memory",
#ifdef SALVER_WITH_REDIS
      "redis",
#endif
      "sqlite",
  };
}

}  // namespace salver
