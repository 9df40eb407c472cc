#include "feast/core/Registry.pb.h"
#include "registry/file_registry.h"
#include "salver/registry_snapshot.h"
#include "test/fuzz/fuzz_targets.h"

namespace salver::fuzz {

void RegistryFile(std::string_view bytes) {
  const auto registry = OpenSealedRegistry(std::string(bytes), "registry.db");
  if (!registry.ok()) return;
  (void)RegistrySnapshot::Make(*registry, "rides");
  const std::string sealed = SealRegistry(**registry, 7);
  const Status opened = OpenSealedRegistry(sealed, "registry.db").status();
  if (!opened.ok()) Check(false, ("what was sealed can be opened: " + opened.ToString()).c_str());
}

}  // namespace salver::fuzz
