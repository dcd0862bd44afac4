// docs/coverage.md: which operation of which service answers, and which is known but answers 501.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "aws/model.h"

namespace savia::aws {

// One entry a bound operation: {"lambda", "CreateFunction"}.
using BoundOperation = std::pair<std::string, std::string>;

std::string coverage_markdown(const std::vector<ServiceModel>& models, const std::vector<BoundOperation>& bound);

}  // namespace savia::aws
