// One request as the pipeline sees it. Everything here views memory that somebody else holds: the receive buffer, the
// connection, the published API. It lives as long as one pass through the pipeline; what must survive until an answer
// comes later is copied into the connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "edge/route_trie.h"
#include "net/http1.h"

namespace savia::edge {

class Api;
struct Stage;
struct Route;

// What AWS calls a request, made anew for each. Not secret: drawn from a fast generator that each loop seeds.
struct RequestIds {
  char request_id[36];   // UUID form, REST: x-amzn-RequestId
  char extended_id[16];  // "JKJaXmPLvHcESHA=", x-amz-apigw-id and apigw-requestid
  char trace_id[40];     // "Root=1-5e66d96f-7491f09xmpl79d18acf3d050" without anything after it
  std::string_view request() const { return {request_id, sizeof request_id}; }
  std::string_view extended() const { return {extended_id, sizeof extended_id}; }
  std::string_view trace() const { return {trace_id, sizeof trace_id}; }
};

class IdSource {
 public:
  IdSource();  // seeded by the kernel
  void fill(RequestIds& ids, int64_t now_ms);

 private:
  uint64_t next();
  uint64_t state_[4];
};

struct Request {
  // From the head.
  const char* base = nullptr;
  const net::http1::Head* head = nullptr;
  std::string_view method, raw_path, query, host;
  std::string_view value(const net::http1::Field& f) const { return f.value.in(base); }
  std::string_view name(const net::http1::Field& f) const { return f.name.in(base); }
  std::string_view header(net::http1::Name id) const {
    const net::http1::Field* f = head->find(id);
    return f != nullptr ? value(*f) : std::string_view();
  }
  // From the connection.
  std::string_view peer_ip;
  int local_port = 0;
  bool secure = false;
  int64_t now_ms = 0;
  const RequestIds* ids = nullptr;
  // From matching.
  const Api* api = nullptr;
  const Stage* stage = nullptr;
  const Route* route = nullptr;
  std::string_view domain;         // host without port
  std::string_view domain_prefix;  // first label of it, or the API's id when the API was named by path
  std::string_view full_path;      // "/dev/a//b": with the stage; of HTTP APIs decoded
  std::string_view path;           // "/a//b": without it
  std::string decoded;             // memory of the paths of HTTP APIs
  Captures captures;
  // When it has been read.
  std::string_view body;

  std::string_view user_agent() const { return header(net::http1::Name::kUserAgent); }
  // Root of an incoming X-Amzn-Trace-Id, or the one made for this request: the whole header value for the next hop.
  std::string_view trace_header() const;
};

// Fields that a client may not set for the function: REST APIs drop them before AWS_PROXY (recorded behaviour).
bool rest_drops_request_field(net::http1::Name id);

}  // namespace savia::edge
