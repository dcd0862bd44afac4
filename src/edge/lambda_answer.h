// What a function's result says about the HTTP answer (AWS_PROXY), by the rules of each kind of API and payload format.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ports/route_snapshot.h"

namespace savia::edge {

struct LambdaAnswer {
  int status = 200;
  std::string fields;  // finished header lines
  std::string body;
  bool has_content_type = false;
};

// Nothing when the result is not an answer ("Malformed Lambda proxy response"): REST 502, HTTP 500.
// `decode_base64`: REST alone asks: does the client accept a type that binaryMediaTypes names? HTTP APIs always decode.
std::optional<LambdaAnswer> read_lambda_answer(std::string_view payload, ports::ApiKind kind, ports::PayloadFormat format,
                                               bool decode_base64);

}  // namespace savia::edge
