// The smallest ComputeEngine that answers right: each entity row looks at each row of the source. A start for
// an engine of your own, and a judge of others. docs/compute-engines.md walks through it.
#pragma once

#include <memory>

#include "salver/compute_engine.h"

std::shared_ptr<salver::ComputeEngine> NewBruteForceEngine();
