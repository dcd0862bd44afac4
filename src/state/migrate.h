// Brings the tables of all services to this program's versions; internal to src/state.
#pragma once

#include <vector>

#include "base/result.h"
#include "state/connection.h"
#include "state/database.h"

namespace savia::state {

Result<void> migrate(Connection& connection, const std::vector<Migration>& migrations);

}  // namespace savia::state
