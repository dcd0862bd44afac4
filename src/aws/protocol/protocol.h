// From wire text to Values and back, for every protocol that AWS's clients speak. Pure: no sockets, no clock, no store.
//
//   Addressed to = TRY(protocol::address(model, request));                 // which operation, in which protocol
//   Value in     = TRY(protocol::parse(to, request));                      // then validate(to.operation, in)
//   response     = protocol::render(to, output, {.request_id = id});       // or render_fault(to, fault, …)
//
// Values come out by the model: integer and long kInt, float and double kDouble, blob kBlob (decoded), timestamp kTimestamp,
// structure and map kObject, list kList; members that were sent as null are absent. Members are named by the model's names,
// never by wire names. A member that the model does not know is ignored, as AWS does.
//
// Fixed by AWS's clients and kept: the answer is in the protocol of the request, also for a fault; `x-amzn-RequestId` is on
// every answer (rest-xml: x-amz-request-id and x-amz-id-2).
#pragma once

#include <string>
#include <string_view>

#include "aws/model.h"
#include "aws/operation.h"
#include "base/result.h"
#include "codec/value.h"
#include "net/http.h"

namespace savia::aws::protocol {

struct Addressed {
  ServiceModel service;
  OperationModel operation;  // empty in faults about requests that name no known operation
  Protocol protocol = Protocol::kRestJson;
  bool query_mode = false;  // x-amzn-query-mode: the client wants x-amzn-query-error
};

// The protocol in which a request for this service is written: by smithy-protocol header, X-Amz-Target, Action, else the
// model's own. Always answers, so that a fault can be rendered for any request.
Protocol detect(ServiceModel service, const net::HttpRequest& request);

// The operation that a request names. Faults are AWS's for the protocol: UnknownOperationException (json 400; rest-json and
// cbor 404), InvalidAction and MissingAction (query, ec2), MethodNotAllowed (rest-xml). `fault_to` is filled with what
// render_fault needs even when this fails.
Result<Addressed, Fault> address(ServiceModel service, const net::HttpRequest& request, Addressed* fault_to = nullptr);

// The operation's input. An unlisted operation or one without input gives an empty object.
// Bodies must be whole and plain (aws-chunked undone). Never trusts sizes or nesting beyond base/limits.h.
Result<Value, Fault> parse(const Addressed& to, const net::HttpRequest& request);

struct RenderContext {
  std::string_view request_id;
  std::string_view host_id = {};  // rest-xml's x-amz-id-2
};

net::HttpResponse render(const Addressed& to, const Value& output, const RenderContext& context);
net::HttpResponse render_fault(const Addressed& to, const Fault& fault, const RenderContext& context);

// The fault of an operation that is in the model but not built: 501 NotImplemented, naming it.
Fault not_implemented(ServiceModel service, std::string_view operation);

}  // namespace savia::aws::protocol
