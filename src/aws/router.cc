#include "aws/router.h"

#include "base/strings.h"
#include "codec/form.h"
#include "codec/json.h"
#include "codec/xml.h"

namespace savia::aws {
namespace {

// The value of one field of a form, without decoding the others: bodies of queries may be large.
std::string form_value(std::string_view form, std::string_view name) {
  for (size_t at = 0; at < form.size();) {
    size_t end = form.find('&', at);
    std::string_view pair = form.substr(at, end == std::string_view::npos ? end : end - at);
    if (pair.size() > name.size() && pair[name.size()] == '=' && pair.substr(0, name.size()) == name) {
      return form_decode(pair.substr(name.size() + 1));
    }
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  return {};
}

std::string action_field(const net::HttpRequest& request, std::string_view name) {
  std::string value = form_value(request.query(), name);
  if (!value.empty() || request.method != "POST") return value;
  std::string_view type = request.headers.get("content-type");
  if (!type.empty() && type.find("x-www-form-urlencoded") == std::string_view::npos) return {};
  return form_value(request.body, name);
}

std::string_view without_port(std::string_view host) {
  return host.substr(0, host.find(':'));
}

}  // namespace

CredentialHint credential_hint(const net::HttpRequest& request) {
  std::string text;
  if (const std::string* header = request.headers.find("authorization")) {
    size_t at = header->find("Credential=");
    if (at != std::string::npos) {
      at += 11;
      text = header->substr(at, header->find_first_of(", ", at) - at);
    } else if (header->rfind("AWS ", 0) == 0) {  // version 2: "AWS key:signature"
      return {header->substr(4, header->find(':') - 4), "", ""};
    }
  } else {
    text = form_value(request.query(), "X-Amz-Credential");
  }
  std::vector<std::string_view> parts = split(text, '/');
  CredentialHint hint;
  hint.access_key = parts[0];
  if (parts.size() >= 4) {
    hint.region = parts[2];
    hint.service = parts[3];
  }
  return hint;
}

ServiceModel Router::by_scope(const net::HttpRequest& request, std::string_view signing_name) const {
  ServiceModel first;
  for (ServiceModel m : models_) {
    if (m.signing_name() != signing_name) continue;
    if (!first) first = m;
    // One name may stand for several services (apigateway: v1 and v2); the path tells.
    if (m.has_path(request.path())) return m;
  }
  return first;
}

ServiceModel Router::by_action(const net::HttpRequest& request) const {
  std::string version = action_field(request, "Version");
  if (version.empty()) return {};
  std::string action = action_field(request, "Action");
  ServiceModel named;
  for (ServiceModel m : models_) {
    if (m.api_version() != version || !(m.speaks(Protocol::kQuery) || m.speaks(Protocol::kEc2))) continue;
    if (m.operation(action)) return m;
    if (!named) named = m;
  }
  return named;
}

ServiceModel Router::by_host(const net::HttpRequest& request) const {
  std::string_view host = without_port(request.headers.get("host"));
  for (ServiceModel m : models_) {
    std::string_view prefix = m.endpoint_prefix();
    size_t at = host.find(prefix);
    if (at == std::string_view::npos || prefix.empty()) continue;
    bool starts = at == 0 || host[at - 1] == '.' || host[at - 1] == '-';
    bool ends = at + prefix.size() < host.size() && host[at + prefix.size()] == '.';
    if (starts && ends) return by_scope(request, m.signing_name());
  }
  return {};
}

ServiceModel Router::by_path(const net::HttpRequest& request) const {
  for (ServiceModel m : models_) {
    // S3's paths are any text; unsigned ones are not guessed.
    if (m.protocol() == Protocol::kRestJson && m.has_path(request.path())) return m;
  }
  return {};
}

Router::Found Router::find(const net::HttpRequest& request, std::string_view signing_name) const {
  if (!signing_name.empty()) return {by_scope(request, signing_name), std::string(signing_name)};
  if (const std::string* target = request.headers.find("x-amz-target")) {
    std::string_view prefix = std::string_view(*target).substr(0, target->rfind('.'));
    for (ServiceModel m : models_) {
      if (!m.target_prefix().empty() && m.target_prefix() == prefix) return {m, ""};
    }
    return {{}, std::string(prefix)};
  }
  if (ServiceModel m = by_action(request)) return {m, ""};
  constexpr std::string_view kCborPath = "/service/";
  if (std::string_view path = request.path(); path.substr(0, kCborPath.size()) == kCborPath) {
    std::string_view name = path.substr(kCborPath.size());
    name = name.substr(0, name.find('/'));
    for (ServiceModel m : models_) {
      if (m.speaks(Protocol::kCbor) && m.target_prefix() == name) return {m, ""};
    }
  }
  if (ServiceModel m = by_host(request)) return {m, ""};
  return {by_path(request), ""};
}

std::string_view region_in_host(std::string_view host) {
  host = without_port(host);
  size_t end = host.find(".amazonaws.com");
  if (end == std::string_view::npos) return {};
  std::string_view left = host.substr(0, end);
  size_t dot = left.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : left.substr(dot + 1);
}

net::HttpResponse render_unaddressed(const net::HttpRequest& request, const Fault& fault, std::string_view request_id) {
  net::HttpResponse response;
  response.status = fault.http_status;
  response.headers.add("x-amzn-RequestId", request_id);
  if (!action_field(request, "Action").empty()) {
    response.headers.add("Content-Type", "text/xml");
    XmlWriter w(response.body);
    w.open("ErrorResponse").open("Error").element("Type", fault.http_status < 500 ? "Sender" : "Receiver");
    w.element("Code", fault.code).element("Message", fault.message).close();
    w.element("RequestId", request_id).close();
    return response;
  }
  bool json = request.headers.has("x-amz-target");
  response.headers.add("Content-Type", json ? "application/x-amz-json-1.1" : "application/json");
  if (!json) response.headers.add("x-amzn-errortype", fault.code);
  JsonWriter w(response.body);
  w.begin_object();
  if (json) w.key("__type").value(fault.code);
  w.key("message").value(fault.message);
  w.end_object();
  return response;
}

}  // namespace savia::aws
