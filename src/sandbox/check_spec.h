// What may stand in a spec. Paths, names and counts are checked here once; the helper and the init trust them.
#pragma once

#include <vector>

#include "base/result.h"
#include "sandbox/sandbox.h"

namespace savia::sandbox {

Result<void> check_spec(const Spec& spec);
Result<void> check_mounts(const std::vector<Mount>& mounts);

}  // namespace savia::sandbox
