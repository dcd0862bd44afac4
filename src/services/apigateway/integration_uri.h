// The URIs of integrations. Lambda's come in two forms, and REST APIs may put stage variables into any part:
//
//   arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f:live/invocations
//   arn:aws:lambda:us-east-1:000000000000:function:f                                      (HTTP APIs)
//   …/functions/arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.name}/invocations
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace savia::apigateway {

struct LambdaTarget {
  std::string region, account, name, qualifier;
};

std::optional<LambdaTarget> parse_function_arn(std::string_view arn);
std::optional<LambdaTarget> parse_lambda_uri(std::string_view uri);  // either form; no stage variables left

// Puts variables into "${stageVariables.x}"; one that is not set becomes nothing, as on AWS.
std::string expand_stage_variables(std::string_view uri, const std::map<std::string, std::string>& variables);
// The same with a name for every variable, to see whether a URI would be well formed.
std::string with_any_stage_variables(std::string_view uri);

bool is_http_url(std::string_view uri);  // http:// or https:// and a host

// Does a mapping template of API Gateway (VTL) need more than its literal text? A reference "$name", "${name}", "$!name" or
// a directive "#if"; "costs $5" and "#1" are literal.
bool has_template_references(std::string_view text);

}  // namespace savia::apigateway
