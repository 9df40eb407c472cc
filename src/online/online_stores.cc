#include "online/online_stores.h"

namespace salver {

std::vector<std::string> OnlineStoreTypes() {
  return {"lmdb", "memory", "sqlite"};
}

}  // namespace salver
