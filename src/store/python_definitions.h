// Definitions in Python files, evaluated by the Python package in a child process. The core sees only the JSON that
// it prints; nothing of Python runs in this process.
#pragma once

#include <string>

#include "salver/status.h"

namespace salver {

// True when the repository has a *.py file.
bool HasPythonDefinitions(const std::string& repository);

// Runs `python3 -m salver.definitions REPOSITORY --project PROJECT` and returns what it printed. Which Python: the
// one that $SALVER_PYTHON names, else python3 of $VIRTUAL_ENV, else python3 on the PATH.
// Errors: FailedPrecondition when there is no Python or no salver package in it: the message says how to get it.
Result<std::string> EvaluatePythonDefinitions(const std::string& repository, const std::string& project);

}  // namespace salver
