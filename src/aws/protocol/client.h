// The client's side of the wire protocols that savia's own commands speak: rest-json, json 1.0 and 1.1, query. Pure, as
// protocol.h is for the server's side, and over the same tables.
#pragma once

#include "aws/model.h"
#include "aws/operation.h"
#include "base/result.h"
#include "codec/value.h"
#include "net/http.h"

namespace savia::aws::protocol {

// The protocol that a client of ours speaks with a service; nullopt when it speaks none of those.
std::optional<Protocol> client_protocol(ServiceModel service);

// An unsigned request without Host. Members of `input` that the model does not know, and labels that are missing, are faults.
Result<net::HttpRequest, Fault> build_request(OperationModel operation, Protocol protocol, const Value& input);

// The operation's output, or the fault that the answer carries: its code without a name space, its other members in `extra`.
Result<Value, Fault> parse_response(OperationModel operation, Protocol protocol, const net::HttpResponse& response);

}  // namespace savia::aws::protocol
