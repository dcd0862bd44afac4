// What deployments need of stages.
#pragma once

#include "services/apigateway/core.h"

namespace savia::apigateway {

Checked<void> check_stage_count(Store& store, const Api& api);

}  // namespace savia::apigateway
