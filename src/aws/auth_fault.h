// Words a refused signature as the service that was called would: codes, texts and statuses differ by protocol.
#pragma once

#include "aws/model.h"
#include "aws/operation.h"
#include "aws/sigv4.h"

namespace savia::aws {

Fault auth_fault(const AuthError& error, Protocol protocol);

}  // namespace savia::aws
