// Saved datasets in the registry's message.
#pragma once

#include <string>
#include <vector>

#include "salver/saved_dataset.h"
#include "salver/status.h"

namespace feast::core {
class Registry;
}

namespace salver {

// Those of the project, in the registry's order.
std::vector<SavedDataset> SavedDatasets(const feast::core::Registry& registry, const std::string& project);

// Errors: NotFound (kObjectNotFound) with the nearest name.
Result<SavedDataset> FindSavedDataset(const feast::core::Registry& registry, const std::string& project,
                                      const std::string& name);

// Adds it, or replaces the one of that name and keeps the time of its creation.
void PutSavedDataset(const SavedDataset& dataset, const std::string& project, int64_t now_us,
                     feast::core::Registry* registry);
// Errors: as FindSavedDataset.
Status RemoveSavedDataset(const std::string& project, const std::string& name,
                          feast::core::Registry* registry);

}  // namespace salver
