// The engine of this process.
#pragma once

#include <memory>

#include "salver/compute_engine.h"

namespace salver {

std::unique_ptr<ComputeEngine> NewLocalEngine();

}  // namespace salver
