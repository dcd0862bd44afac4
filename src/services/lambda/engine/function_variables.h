// The environment variables of a function, as AWS sets them (Lambda developer guide, "Defined runtime environment
// variables"), with Savia's endpoint on top.
#pragma once

#include <map>
#include <string>

#include "services/lambda/engine/engine.h"
#include "services/lambda/engine/runtimes.h"
#include "services/lambda/function_spec.h"

namespace savia::lambda {

std::map<std::string, std::string> function_variables(const FunctionSpec& spec, const Runtime& runtime,
                                                      const std::string& log_stream, const FunctionCredentials& credentials);

// Variables that an interpreter or the C library reads once, at the start of the process: a function that sets one of them
// cannot take over a started runtime.
bool needs_own_process(const FunctionSpec& spec);

}  // namespace savia::lambda
