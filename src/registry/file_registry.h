// The registry as one file, Feast's format: a serialized feast.core.Registry. Salver begins and ends the file
// with a seal (field 1000), which holds a checksum of what lies between. Feast ignores seals and, when it
// rewrites the file, puts both behind everything else, where they mean nothing: a file that neither begins
// with a seal nor ends with a single one is Feast's, and is not checked.
//
// A commit holds the lock file beside it, checks that the version it started from is still there, and
// replaces the file whole (base/files.h ReplaceFile), so readers see one version or the next and power loss
// leaves one of them. Feast takes no lock: what it wrote during a commit is noticed by its version id, up to
// the moment of the rename.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "salver/registry.h"

namespace salver {

// `files` and `clock` must outlive the registry. Nothing is opened yet.
std::unique_ptr<Registry> NewFileRegistry(Files* files, Clock* clock, std::string path);

// A random UUID, as text: what Feast names versions with.
std::string NewVersionId();

// The bytes of a registry file, and back. Errors: DataLoss for bytes that are no registry, or fail their
// checksum; `path` is for the message.
std::string SealRegistry(feast::core::Registry registry, uint64_t number);
Result<std::shared_ptr<const feast::core::Registry>> OpenSealedRegistry(const std::string& bytes,
                                                                        const std::string& path);

}  // namespace salver
