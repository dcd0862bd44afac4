// Checks an input against the model's constraints and words what is wrong as AWS does:
//
//   2 validation errors detected: Value 'x' at 'functionName' failed to satisfy constraint: Member must satisfy regular
//   expression pattern: …; Value null at 'role' failed to satisfy constraint: Member must not be null
//
// All violations are in one message, in the order of the model's members. The code is the service's (ValidationException;
// query services ValidationError; logs, ecs and ecr InvalidParameterException).
#pragma once

#include <optional>

#include "aws/model.h"
#include "aws/operation.h"
#include "codec/value.h"

namespace savia::aws {

std::optional<Fault> validate(OperationModel operation, const Value& input);

}  // namespace savia::aws
