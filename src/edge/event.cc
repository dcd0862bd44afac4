#include "edge/event.h"

#include <algorithm>

#include "base/clock.h"
#include "base/strings.h"
#include "codec/form.h"
#include "codec/json.h"
#include "edge/api.h"

namespace savia::edge {
namespace {

using net::http1::Field;
using net::http1::Name;
using Item = EventScratch::Item;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool less_folded(std::string_view a, std::string_view b) {
  size_t n = std::min(a.size(), b.size());
  for (size_t i = 0; i < n; ++i) {
    char x = lower(a[i]), y = lower(b[i]);
    if (x != y) return static_cast<unsigned char>(x) < static_cast<unsigned char>(y);
  }
  return a.size() < b.size();
}

void collect_headers(const Request& r, bool rest, EventScratch& s) {
  s.headers.clear();
  s.cookies.clear();
  bool has_length = false;
  for (const Field& f : r.head->fields) {
    switch (f.id) {
      case Name::kXForwardedPort:
      case Name::kXForwardedProto:
      case Name::kXAmznTraceId:
      case Name::kHost:
        continue;  // the gateway's own follow below
      case Name::kXForwardedFor:
        s.forwarded_for.append(r.value(f)).append(", ");
        continue;
      case Name::kContentLength:
        has_length = !rest;
        break;
      default:
        break;
    }
    bool dropped = rest ? rest_drops_request_field(f.id) : net::http1::is_hop_by_hop(f.id) || f.id == Name::kExpect;
    if (!dropped) s.headers.push_back({r.name(f), r.value(f)});
  }
  s.forwarded_for.append(r.peer_ip);
  s.port = std::to_string(r.local_port);
  s.headers.push_back({"Host", r.host});
  s.headers.push_back({"X-Amzn-Trace-Id", r.trace_header()});
  s.headers.push_back({"X-Forwarded-For", s.forwarded_for});
  s.headers.push_back({"X-Forwarded-Port", s.port});
  s.headers.push_back({"X-Forwarded-Proto", r.secure ? "https" : "http"});
  if (!rest && !has_length) {
    s.length = std::to_string(r.body.size());
    s.headers.push_back({"Content-Length", s.length});
  }
  std::stable_sort(s.headers.begin(), s.headers.end(),
                   [](const Item& a, const Item& b) { return less_folded(a.name, b.name); });
}

std::string_view decoded(std::string_view text, EventScratch& s) {
  if (text.find_first_of("%+") == std::string_view::npos) return text;
  return s.texts.emplace_back(form_decode(text));
}

void collect_query(const Request& r, EventScratch& s) {
  s.query.clear();
  std::string_view rest = r.query;
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string_view value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    s.query.push_back({decoded(pair.substr(0, equals), s), decoded(value, s)});
  }
  std::stable_sort(s.query.begin(), s.query.end(), [](const Item& a, const Item& b) { return a.name < b.name; });
}

// Calls fn(begin, end) for every run of items of the same name; `items` is sorted.
template <class Same, class Fn>
void for_each_group(const std::vector<Item>& items, Same same, Fn fn) {
  for (size_t i = 0; i < items.size();) {
    size_t end = i + 1;
    while (end < items.size() && same(items[i].name, items[end].name)) ++end;
    fn(i, end);
    i = end;
  }
}

bool same_text(std::string_view a, std::string_view b) {
  return a == b;
}

// "x": last value; and "multiValueX": all of them. Format 1.0.
template <class Same>
void write_single_and_multi(JsonWriter& w, const std::vector<Item>& items, std::string_view single, std::string_view multi,
                            Same same) {
  if (items.empty()) {
    w.key(single).null().key(multi).null();
    return;
  }
  w.key(single).begin_object();
  for_each_group(items, same, [&](size_t begin, size_t end) { w.field(items[begin].name, items[end - 1].value); });
  w.end_object().key(multi).begin_object();
  for_each_group(items, same, [&](size_t begin, size_t end) {
    w.key(items[begin].name).begin_array();
    for (size_t i = begin; i < end; ++i) w.value(items[i].value);
    w.end_array();
  });
  w.end_object();
}

// Values joined by comma. Format 2.0.
void write_joined(JsonWriter& w, const std::vector<Item>& items, bool fold) {
  std::string name, joined;
  w.begin_object();
  auto same = [fold](std::string_view a, std::string_view b) { return fold ? iequals(a, b) : a == b; };
  for_each_group(items, same, [&](size_t begin, size_t end) {
    name.assign(items[begin].name);
    if (fold) std::transform(name.begin(), name.end(), name.begin(), lower);
    if (end - begin == 1) {
      w.field(name, items[begin].value);
      return;
    }
    joined.clear();
    for (size_t i = begin; i < end; ++i) joined.append(i == begin ? "" : ",").append(items[i].value);
    w.field(name, joined);
  });
  w.end_object();
}

void write_path_parameters(JsonWriter& w, const Request& r) {
  w.begin_object();
  for (const Route::Param& p : r.route->params) w.field(p.name, r.captures.at[p.depth]);
  w.end_object();
}

void write_identity(JsonWriter& w, const Request& r, bool rest) {
  std::string_view agent = r.user_agent();
  auto write_agent = [&] {
    if (agent.empty()) {
      w.key("userAgent").null();
    } else {
      w.field("userAgent", agent);
    }
  };
  w.key("identity").begin_object();
  if (rest) {
    w.key("cognitoIdentityPoolId").null().key("accountId").null().key("cognitoIdentityId").null().key("caller").null();
    w.field("sourceIp", r.peer_ip);
    w.key("principalOrgId").null().key("accessKey").null().key("cognitoAuthenticationType").null();
    w.key("cognitoAuthenticationProvider").null().key("userArn").null();
    write_agent();
    w.key("user").null();
  } else {
    w.key("accessKey").null().key("accountId").null().key("caller").null().key("cognitoAmr").null();
    w.key("cognitoAuthenticationProvider").null().key("cognitoAuthenticationType").null().key("cognitoIdentityId").null();
    w.key("cognitoIdentityPoolId").null().key("principalOrgId").null();
    w.field("sourceIp", r.peer_ip).key("user").null();
    write_agent();
    w.key("userArn").null();
  }
  w.end_object();
}

std::string_view protocol(const Request& r) {
  return r.head->minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

void write_rest_context(JsonWriter& w, const Request& r) {
  const ports::ApiSpec& api = r.api->spec();
  w.key("requestContext").begin_object();
  w.field("resourceId", r.route->spec->resource_id).field("resourcePath", r.route->spec->path).field("httpMethod", r.method);
  w.field("extendedRequestId", r.ids->extended()).field("requestTime", format_clf_time(r.now_ms)).field("path", r.full_path);
  w.field("accountId", api.account).field("protocol", protocol(r)).field("stage", r.stage->spec->name);
  w.field("domainPrefix", r.domain_prefix).field("requestTimeEpoch", r.now_ms).field("requestId", r.ids->request());
  write_identity(w, r, true);
  w.field("domainName", r.domain).field("deploymentId", r.stage->spec->deployment_id).field("apiId", api.api_id);
  w.end_object();
}

void write_http_v1_context(JsonWriter& w, const Request& r, std::string_view resource) {
  const ports::ApiSpec& api = r.api->spec();
  w.key("requestContext").begin_object();
  w.field("accountId", api.account)
      .field("apiId", api.api_id)
      .field("domainName", r.domain)
      .field("domainPrefix", r.domain_prefix);
  w.field("extendedRequestId", r.ids->extended()).field("httpMethod", r.method);
  write_identity(w, r, false);
  w.field("path", r.full_path).field("protocol", protocol(r)).field("requestId", r.ids->extended());
  w.field("requestTime", format_clf_time(r.now_ms)).field("requestTimeEpoch", r.now_ms);
  w.field("resourceId", r.route->spec->route_key).field("resourcePath", resource).field("stage", r.stage->spec->name);
  w.end_object();
}

void write_v2_context(JsonWriter& w, const Request& r) {
  const ports::ApiSpec& api = r.api->spec();
  w.key("requestContext").begin_object();
  w.field("accountId", api.account)
      .field("apiId", api.api_id)
      .field("domainName", r.domain)
      .field("domainPrefix", r.domain_prefix);
  w.key("http").begin_object();
  w.field("method", r.method).field("path", r.full_path).field("protocol", protocol(r)).field("sourceIp", r.peer_ip);
  w.field("userAgent", r.user_agent()).end_object();
  w.field("requestId", r.ids->extended()).field("routeKey", r.route->spec->route_key).field("stage", r.stage->spec->name);
  w.field("time", format_clf_time(r.now_ms)).field("timeEpoch", r.now_ms).end_object();
}

struct BodyForm {
  bool base64 = false;
};

BodyForm body_form(const Request& r) {
  if (r.body.empty()) return {};
  std::string_view type = r.header(Name::kContentType);
  if (!r.api->http()) return {r.api->is_binary(type)};
  std::string_view coding = r.header(Name::kContentEncoding);
  bool coded = !coding.empty() && !iequals(coding, "identity");
  return {coded || !is_http_text(type) || !is_utf8(r.body)};
}

void write_body(JsonWriter& w, const Request& r, BodyForm form) {
  w.key("body");
  if (r.body.empty()) {
    w.null();
  } else if (form.base64) {
    w.base64(r.body);
  } else {
    w.value(r.body);
  }
}

void write_v1(JsonWriter& w, const Request& r, EventScratch& s) {
  bool rest = !r.api->http();
  std::string_view resource = r.route->spec->path;
  w.begin_object();
  if (!rest) w.field("version", "1.0");
  w.field("resource", resource).field("path", rest ? r.path : r.full_path).field("httpMethod", r.method);
  write_single_and_multi(w, s.headers, "headers", "multiValueHeaders", [](auto a, auto b) { return iequals(a, b); });
  write_single_and_multi(w, s.query, "queryStringParameters", "multiValueQueryStringParameters", same_text);
  if (!rest) write_http_v1_context(w, r, resource);
  w.key("pathParameters");
  if (r.route->params.empty()) {
    w.null();
  } else {
    write_path_parameters(w, r);
  }
  w.key("stageVariables").raw(r.stage->variables_json);
  if (rest) write_rest_context(w, r);
  BodyForm form = body_form(r);
  write_body(w, r, form);
  w.field("isBase64Encoded", form.base64).end_object();
}

void write_v2(JsonWriter& w, const Request& r, EventScratch& s) {
  for (size_t i = 0; i < s.headers.size();) {
    if (!iequals(s.headers[i].name, "cookie")) {
      ++i;
      continue;
    }
    std::string_view rest = s.headers[i].value;
    while (!rest.empty()) {
      std::string_view cookie = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), cookie.size() + 1));
      if (std::string_view text = trim(cookie); !text.empty()) s.cookies.push_back(text);
    }
    s.headers.erase(s.headers.begin() + static_cast<std::ptrdiff_t>(i));
  }
  w.begin_object().field("version", "2.0").field("routeKey", r.route->spec->route_key);
  w.field("rawPath", r.full_path).field("rawQueryString", r.query);
  if (!s.cookies.empty()) {
    w.key("cookies").begin_array();
    for (std::string_view cookie : s.cookies) w.value(cookie);
    w.end_array();
  }
  w.key("headers");
  write_joined(w, s.headers, true);
  if (!s.query.empty()) {
    w.key("queryStringParameters");
    write_joined(w, s.query, false);
  }
  write_v2_context(w, r);
  if (!r.route->params.empty()) {
    w.key("pathParameters");
    write_path_parameters(w, r);
  }
  if (!r.stage->spec->variables.empty()) w.key("stageVariables").raw(r.stage->variables_json);
  BodyForm form = body_form(r);
  if (!r.body.empty()) write_body(w, r, form);
  w.field("isBase64Encoded", form.base64).end_object();
}

}  // namespace

bool is_http_text(std::string_view content_type) {
  std::string_view type = first_media_type(content_type);
  if (type.size() > 5 && iequals(type.substr(0, 5), "text/")) return true;
  return iequals(type, "application/json") || iequals(type, "application/xml") || iequals(type, "application/javascript");
}

std::string build_lambda_event(const Request& request, EventScratch& scratch) {
  scratch.texts.clear();
  scratch.forwarded_for.clear();
  collect_headers(request, !request.api->http(), scratch);
  collect_query(request, scratch);
  std::string out;
  constexpr size_t kFixedPart = 2048;  // what the context, names and punctuation come to
  out.reserve(kFixedPart + request.head->bytes * 2 + request.body.size() + request.body.size() / 2);
  JsonWriter w(out);
  bool v2 = request.api->http() && request.route->spec->integration.payload_format == ports::PayloadFormat::kV2;
  if (v2) {
    write_v2(w, request, scratch);
  } else {
    write_v1(w, request, scratch);
  }
  return out;
}

}  // namespace savia::edge
