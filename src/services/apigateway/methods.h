// Finding methods and what hangs below them, with AWS's answer for each thing that is missing.
#pragma once

#include "services/apigateway/core.h"

namespace savia::apigateway::rest {

Fault no_resource();     // "Invalid Resource identifier specified"
Fault no_method();       // "Invalid Method identifier specified"
Fault no_integration();  // "Invalid Integration identifier specified"
Fault no_response();     // "Invalid Response status code specified"

// Below an API that is not there AWS misses the resource, not the API.
Checked<void> need_tree(Store& store, const CallContext& c, const Value& in);
Checked<Method> need_method(Store& store, const CallContext& c, const Value& in);
// The method, which has an integration.
Checked<Method> need_integration(Store& store, const CallContext& c, const Value& in);

// Models are built in for now: those that every API has.
Checked<void> check_models(const Value* models);
Checked<void> check_content_types(const Value* templates);  // keys are "type/subtype"

}  // namespace savia::apigateway::rest
