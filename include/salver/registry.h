// A Registry keeps the definitions of projects: one immutable version after another, each replaced whole.
// A reader never sees half a version; a writer that started from an old version never undoes a newer one.
//
// Thread safety: all methods may be called from any thread and any process.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "salver/status.h"

namespace feast::core {
class Registry;
}

namespace salver {

class Registry {
 public:
  virtual ~Registry() = default;

  // The newest version. A registry that was never written is an empty message (version_id "").
  // Cheap when nothing changed since the last call: one stat, and the same pointer again.
  // Errors: DataLoss (kCorrupt) for a file that is no registry or fails its checksum; Unavailable for I/O
  // errors.
  virtual Result<std::shared_ptr<const feast::core::Registry>> Load() = 0;

  // Loads the newest version under the writer's lock, lets `change` edit a copy, and commits the copy with a
  // new version_id and last_updated. `change` may be called again if another writer came between; it must
  // have no other effect than the edit. An error from `change` commits nothing and is returned as it is.
  // Returns what is now in the registry. Acknowledged means: the new version survives power loss.
  virtual Result<std::shared_ptr<const feast::core::Registry>> Update(
      const std::function<Status(feast::core::Registry* registry)>& change) = 0;

  // Removes what is stored. Idempotent.
  virtual Status Teardown() = 0;
};

}  // namespace salver
