// The registry as one file, Feast's format: a serialized feast.core.Registry. Salver appends a seal (field
// 1000) with a checksum of everything before it; Feast ignores it, and a file that Feast rewrote is read
// without one.
//
// A commit holds the lock file beside it, checks that the version it started from is still there, and
// replaces the file whole (base/files.h ReplaceFile), so readers see one version or the next and power loss
// leaves one of them.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "salver/registry.h"

namespace salver {

std::unique_ptr<Registry> NewFileRegistry(Files* files, Clock* clock, std::string path);

// A random UUID, as text: what Feast names versions with.
std::string NewVersionId();

// The bytes of a registry file, and back. Errors: DataLoss for bytes that are no registry, or fail their
// checksum.
std::string SealRegistry(feast::core::Registry registry, uint64_t number);
Result<std::shared_ptr<const feast::core::Registry>> OpenSealedRegistry(const std::string& bytes,
                                                                        const std::string& path);

}  // namespace salver
