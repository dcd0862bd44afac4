// An HTTP proxy integration's URI and parameter mappings, compiled: where to connect and how to write the request target.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "edge/request.h"
#include "ports/route_snapshot.h"

namespace savia::edge {

// A value that a request supplies: method.request.path.x, method.request.querystring.x, method.request.header.x,
// stageVariables.x, context.x, or a literal in quotes.
struct ValueSource {
  enum class Kind { kLiteral, kPath, kQuery, kHeader, kContext };
  Kind kind = Kind::kLiteral;
  std::string text;  // the literal, or the name
  static std::optional<ValueSource> parse(std::string_view expression, const ports::StageSpec& stage);
  // False when the request has no such value.
  bool append(std::string& out, const Request& request) const;
};

struct ProxyTarget {
  std::string host;  // name or numeric address, without brackets
  int port = 80;
  bool tls = false;
  std::string authority;  // Host field: host, with the port unless it is the scheme's own
  std::string pool_key;   // connections of one key may serve each other's requests
  std::string method;     // empty: the request's

  // Path and query of the URI: literals and {parameters} alternate.
  struct Piece {
    std::string literal;
    std::optional<ValueSource> value;  // follows the literal
  };
  std::vector<Piece> pieces;
  bool has_query = false;                                    // the URI brings a "?"
  std::vector<std::pair<std::string, ValueSource>> queries;  // integration.request.querystring.x
  std::vector<std::pair<std::string, ValueSource>> headers;  // integration.request.header.x

  static Result<ProxyTarget> compile(const ports::IntegrationSpec& spec, const ports::StageSpec& stage);
  // "/path?query" for the upstream. Parameters keep the encoding that they came with.
  void append_target(std::string& out, const Request& request) const;
};

}  // namespace savia::edge
