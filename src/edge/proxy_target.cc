#include "edge/proxy_target.h"

#include "base/strings.h"
#include "edge/api.h"

namespace savia::edge {
namespace {

std::string_view strip(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix ? text.substr(prefix.size()) : std::string_view();
}

// The first value of a query parameter, still encoded; its name is compared decoded.
std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    size_t equals = pair.find('=');
    std::string_view key = pair.substr(0, equals);
    if (key == name || (key.find('%') != std::string_view::npos && percent_decode(key) == name)) {
      return equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<ValueSource> ValueSource::parse(std::string_view e, const ports::StageSpec& stage) {
  ValueSource s;
  if (e.size() >= 2 && e.front() == '\'' && e.back() == '\'') {
    s.text = e.substr(1, e.size() - 2);
    return s;
  }
  if (std::string_view name = strip(e, "stageVariables."); !name.empty()) {
    auto variable = stage.variables.find(std::string(name));
    if (variable == stage.variables.end()) return std::nullopt;
    s.text = variable->second;
    return s;
  }
  constexpr std::pair<std::string_view, Kind> kForms[] = {{"method.request.path.", Kind::kPath},
                                                          {"method.request.querystring.", Kind::kQuery},
                                                          {"method.request.multivaluequerystring.", Kind::kQuery},
                                                          {"method.request.header.", Kind::kHeader},
                                                          {"method.request.multivalueheader.", Kind::kHeader},
                                                          {"context.", Kind::kContext}};
  for (const auto& [prefix, kind] : kForms) {
    if (std::string_view name = strip(e, prefix); !name.empty()) {
      s.kind = kind;
      s.text = name;
      return s;
    }
  }
  return std::nullopt;
}

bool ValueSource::append(std::string& out, const Request& r) const {
  switch (kind) {
    case Kind::kLiteral:
      out += text;
      return true;
    case Kind::kPath:
      for (const Route::Param& p : r.route->params) {
        if (p.name != text) continue;
        std::string_view value = r.captures.at[p.depth];
        // The paths of HTTP APIs were decoded for matching; on the way out they are a path again.
        if (r.api->http()) {
          out += percent_encode(value, true);
        } else {
          out += value;
        }
        return true;
      }
      return false;
    case Kind::kQuery: {
      std::optional<std::string_view> value = query_value(r.query, text);
      if (value) out += *value;
      return value.has_value();
    }
    case Kind::kHeader:
      for (const net::http1::Field& f : r.head->fields) {
        if (!iequals(r.name(f), text)) continue;
        out += r.value(f);
        return true;
      }
      return false;
    case Kind::kContext: {
      std::string_view value = text == "requestId"            ? r.ids->request()
                               : text == "extendedRequestId"  ? r.ids->extended()
                               : text == "stage"              ? std::string_view(r.stage->spec->name)
                               : text == "apiId"              ? std::string_view(r.api->spec().api_id)
                               : text == "accountId"          ? std::string_view(r.api->spec().account)
                               : text == "httpMethod"         ? r.method
                               : text == "path"               ? r.full_path
                               : text == "protocol"           ? std::string_view("HTTP/1.1")
                               : text == "resourcePath"       ? std::string_view(r.route->spec->path)
                               : text == "resourceId"         ? std::string_view(r.route->spec->resource_id)
                               : text == "domainName"         ? r.domain
                               : text == "domainPrefix"       ? r.domain_prefix
                               : text == "identity.sourceIp"  ? r.peer_ip
                               : text == "identity.userAgent" ? r.user_agent()
                                                              : std::string_view();
      out += value;
      return !value.empty();
    }
  }
  return false;
}

Result<ProxyTarget> ProxyTarget::compile(const ports::IntegrationSpec& spec, const ports::StageSpec& stage) {
  ProxyTarget t;
  std::string uri = spec.uri;
  for (const auto& [name, value] : stage.variables) uri = replace_all(uri, "${stageVariables." + name + "}", value);
  std::string_view rest = uri;
  if (iequals(rest.substr(0, 7), "http://")) {
    rest.remove_prefix(7);
  } else if (iequals(rest.substr(0, 8), "https://")) {
    rest.remove_prefix(8);
    t.tls = true;
    t.port = 443;
  } else {
    return Error::invalid("'" + uri + "' is not an http:// or https:// URI");
  }
  size_t end = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  rest = rest.substr(0, rest.find('#'));
  if (size_t at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  t.authority = authority;
  if (size_t colon = authority.rfind(':');
      colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    std::optional<int64_t> port = parse_int(authority.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return Error::invalid("'" + uri + "' has no valid port");
    t.port = static_cast<int>(*port);
    authority = authority.substr(0, colon);
  }
  if (authority.size() > 2 && authority.front() == '[') authority = authority.substr(1, authority.size() - 2);
  if (authority.empty() || authority.find_first_of("{} ") != std::string_view::npos)
    return Error::invalid("'" + uri + "' names no host");
  t.host = authority;
  t.pool_key = (t.tls ? "https://" : "http://") + t.host + ":" + std::to_string(t.port);
  if (spec.http_method != "ANY") t.method = spec.http_method;
  t.has_query = rest.find('?') != std::string_view::npos;

  std::string text(rest);
  if (text.empty() || text.front() != '/') text.insert(0, "/");
  Piece piece;
  for (size_t at = 0; at < text.size();) {
    size_t open = text.find('{', at), close = open == std::string::npos ? open : text.find('}', open);
    if (close == std::string::npos) {
      piece.literal += text.substr(at);
      break;
    }
    piece.literal += text.substr(at, open - at);
    std::string name = text.substr(open + 1, close - open - 1);
    if (!name.empty() && name.back() == '+') name.pop_back();
    auto mapped = spec.request_parameters.find("integration.request.path." + name);
    std::string expression = mapped != spec.request_parameters.end() ? mapped->second : "method.request.path." + name;
    piece.value = ValueSource::parse(expression, stage);
    if (!piece.value) return Error::invalid("'" + expression + "' cannot be mapped");
    t.pieces.push_back(std::exchange(piece, {}));
    at = close + 1;
  }
  t.pieces.push_back(std::move(piece));

  for (const auto& [to, from] : spec.request_parameters) {
    std::string_view query = strip(to, "integration.request.querystring."), header = strip(to, "integration.request.header.");
    if (query.empty() && header.empty()) continue;
    std::optional<ValueSource> source = ValueSource::parse(from, stage);
    if (!source) return Error::invalid("'" + from + "' cannot be mapped");
    if (!query.empty()) {
      t.queries.emplace_back(query, std::move(*source));
    } else {
      t.headers.emplace_back(header, std::move(*source));
    }
  }
  return t;
}

void ProxyTarget::append_target(std::string& out, const Request& request) const {
  for (const Piece& p : pieces) {
    out += p.literal;
    if (p.value) p.value->append(out, request);
  }
  char separator = has_query ? '&' : '?';
  if (!request.query.empty()) {
    out += separator;
    out += request.query;
    separator = '&';
  }
  for (const auto& [name, source] : queries) {
    size_t before = out.size();
    out += separator;
    out += percent_encode(name);
    out += '=';
    size_t value_at = out.size();
    if (!source.append(out, request)) {
      out.resize(before);
      continue;
    }
    // A literal or header value may hold anything; a query value is encoded already.
    if (source.kind != ValueSource::Kind::kQuery && source.kind != ValueSource::Kind::kPath) {
      std::string encoded = percent_encode(std::string_view(out).substr(value_at));
      out.resize(value_at);
      out += encoded;
    }
    separator = '&';
  }
}

}  // namespace savia::edge
