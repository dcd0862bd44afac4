#include "edge/lambda_answer.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "edge/response_fields.h"
#include "net/http1.h"

namespace savia::edge {
namespace {

using net::http1::Name;

// Header values may be text, numbers or booleans; anything else makes the result malformed.
std::optional<std::string> scalar_text(const Value& v) {
  if (v.is_string()) return v.as_string();
  if (v.is_number() || v.is_bool()) return to_json(v);
  return std::nullopt;
}

struct Builder {
  ports::ApiKind kind;
  const Value::Object* single = nullptr;
  const Value::Object* multi = nullptr;
  LambdaAnswer answer;

  void add(std::string_view name, std::string_view value) {
    if (net::http1::known_name(name) == Name::kContentType) answer.has_content_type = true;
    if (kind == ports::ApiKind::kRest) {
      append_rest_field(answer.fields, name, value);
    } else {
      append_http_field(answer.fields, name, value);
    }
  }
  bool add_headers();
};

// headers and multiValueHeaders are one list; a pair that stands in both counts once (AWS: "Output format of a Lambda
// function for proxy integration").
bool Builder::add_headers() {
  for (const auto& [name, values] : multi != nullptr ? *multi : Value::Object()) {
    if (!values.is_list()) return false;
    for (const Value& v : values.as_list()) {
      std::optional<std::string> text = scalar_text(v);
      if (!text) return false;
      add(name, *text);
    }
  }
  for (const auto& [name, v] : single != nullptr ? *single : Value::Object()) {
    if (v.is_null()) continue;
    std::optional<std::string> text = scalar_text(v);
    if (!text) return false;
    bool given = false;
    for (const auto& [other, values] : multi != nullptr ? *multi : Value::Object()) {
      if (!iequals(other, name)) continue;
      for (const Value& m : values.as_list()) given = given || scalar_text(m) == text;
    }
    if (!given) add(name, *text);
  }
  return true;
}

// 200, "200"; also 200.0, which JavaScript prints as 200.
std::optional<int> status_of(const Value& v) {
  std::optional<int64_t> code;
  if (v.is_int()) code = v.as_int();
  if (v.is_double() && v.as_double() == static_cast<double>(static_cast<int>(v.as_double())))
    code = static_cast<int>(v.as_double());
  if (v.is_string()) code = parse_int(v.as_string());
  if (!code || *code < 100 || *code > 599) return std::nullopt;
  return static_cast<int>(*code);
}

bool only_known_members(const Value& result) {
  for (const auto& [name, v] : result.as_object()) {
    if (name != "statusCode" && name != "headers" && name != "multiValueHeaders" && name != "body" &&
        name != "isBase64Encoded") {
      return false;
    }
  }
  return true;
}

bool read_object(const Value* v, const Value::Object*& out) {
  if (v == nullptr || v->is_null()) return true;
  if (!v->is_object()) return false;
  out = &v->as_object();
  return true;
}

bool read_body(const Value& result, bool may_decode, std::string& out) {
  const Value* body = result.find("body");
  if (body == nullptr || body->is_null()) return true;
  std::optional<std::string> text = body->is_string() ? std::optional(body->as_string()) : std::nullopt;
  if (!text) return false;
  const Value* flag = result.find("isBase64Encoded");
  bool encoded =
      flag != nullptr && ((flag->is_bool() && flag->as_bool()) || (flag->is_string() && iequals(flag->as_string(), "true")));
  if (encoded && may_decode) {
    Result<std::string> bytes = base64_decode(*text);
    if (!bytes.ok()) return false;
    out = std::move(bytes).value();
    return true;
  }
  out = std::move(*text);
  return true;
}

// Format 2.0 without statusCode: the result itself is the body.
LambdaAnswer inferred(const Value& result, std::string_view payload) {
  LambdaAnswer a;
  a.has_content_type = true;
  append_field(a.fields, "Content-Type", "application/json");
  a.body = result.is_string() ? result.as_string() : std::string(trim(payload));
  return a;
}

}  // namespace

std::optional<LambdaAnswer> read_lambda_answer(std::string_view payload, ports::ApiKind kind, ports::PayloadFormat format,
                                               bool decode_base64) {
  Result<Value> parsed = parse_json(payload);
  if (!parsed.ok()) return std::nullopt;
  const Value& result = *parsed;
  bool http = kind == ports::ApiKind::kHttp;
  bool v2 = http && format == ports::PayloadFormat::kV2;
  if (v2 && !result.has("statusCode")) return inferred(result, payload);
  if (!result.is_object() || (!http && !only_known_members(result))) return std::nullopt;
  Builder b{kind, nullptr, nullptr, {}};
  if (const Value* status = result.find("statusCode"); status != nullptr && !status->is_null()) {
    std::optional<int> code = status_of(*status);
    if (!code) return std::nullopt;
    b.answer.status = *code;
  }
  if (!read_object(result.find("headers"), b.single)) return std::nullopt;
  if (!v2 && !read_object(result.find("multiValueHeaders"), b.multi)) return std::nullopt;
  if (!b.add_headers()) return std::nullopt;
  if (!read_body(result, http || decode_base64, b.answer.body)) return std::nullopt;
  if (v2) {
    if (const Value::List* cookies = result.list_at("cookies")) {
      for (const Value& cookie : *cookies) {
        if (cookie.is_string()) b.add("Set-Cookie", cookie.as_string());
      }
    }
  }
  if (!b.answer.has_content_type) {
    append_field(b.answer.fields, "Content-Type", http ? "text/plain;charset=utf-8" : "application/json");
  }
  return std::move(b.answer);
}

}  // namespace savia::edge
