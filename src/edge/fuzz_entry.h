// What the edge's fuzz targets do with bytes; the corpus test runs every file of fuzz/corpus/ through them, too.
#pragma once

#include "base/check.h"
#include "codec/json.h"
#include "edge/api.h"
#include "edge/event.h"
#include "edge/lambda_answer.h"

namespace savia::fuzz {

// First byte: kind of API and format. The rest is a request whose body is what follows the head. Whatever comes in, a
// function is handed JSON.
inline void edge_event(std::string_view bytes) {
  using namespace edge;
  if (bytes.empty()) return;
  int form = bytes.front() % 3;
  std::string wire(bytes.substr(1));
  net::http1::HeadParser parser(net::http1::HeadParser::Kind::kRequest);
  net::http1::Head head;
  if (parser.parse(wire, head) != net::http1::Parse::kDone) return;
  auto spec = std::make_shared<ports::ApiSpec>();
  spec->kind = form == 0 ? ports::ApiKind::kRest : ports::ApiKind::kHttp;
  spec->binary_media_types = {"image/*"};
  ports::StageSpec stage;
  stage.name = form == 0 ? "dev" : "$default";
  for (const char* path : {"/{proxy+}", "/items/{id}", "/"}) {
    ports::RouteSpec route;
    route.method = "ANY";
    route.path = path;
    route.integration.kind = ports::IntegrationKind::kLambdaProxy;
    route.integration.payload_format = form == 2 ? ports::PayloadFormat::kV2 : ports::PayloadFormat::kV1;
    stage.routes.push_back(route);
  }
  spec->stages = {stage};
  std::shared_ptr<const Api> api = Api::compile(spec);
  RequestIds ids;
  IdSource().fill(ids, 0);
  Request r;
  r.base = wire.data();
  r.head = &head;
  r.method = head.method.in(wire.data());
  std::string_view target = head.target.in(wire.data());
  r.raw_path = target.substr(0, target.find('?'));
  if (target.size() > r.raw_path.size()) r.query = target.substr(r.raw_path.size() + 1);
  r.host = r.domain = head.host.in(wire.data());
  r.peer_ip = "127.0.0.1";
  r.ids = &ids;
  r.body = std::string_view(wire).substr(head.bytes);
  if (match_request(*api, r.raw_path, r) != MatchResult::kRoute) return;
  EventScratch scratch;
  Result<Value> event = parse_json(build_lambda_event(r, scratch));
  CHECK(event.ok() && event->is_object());
}

// A function's result. Whatever it says, header lines are whole, and none of them can hold another.
inline void edge_answer(std::string_view bytes) {
  using namespace edge;
  int code = mock_status_code(bytes);
  CHECK(code == -1 || (code >= 100 && code <= 599));
  for (auto [kind, format] : {std::pair(ports::ApiKind::kRest, ports::PayloadFormat::kV1),
                              std::pair(ports::ApiKind::kHttp, ports::PayloadFormat::kV1),
                              std::pair(ports::ApiKind::kHttp, ports::PayloadFormat::kV2)}) {
    std::optional<LambdaAnswer> answer = read_lambda_answer(bytes, kind, format, true);
    if (!answer) continue;
    CHECK(answer->status >= 100 && answer->status <= 599);
    std::string_view fields = answer->fields;
    while (!fields.empty()) {
      size_t end = fields.find("\r\n"), colon = fields.find(": ");
      CHECK(end != std::string_view::npos && colon < end);
      CHECK(net::http1::is_sendable(fields.substr(0, colon), fields.substr(colon + 2, end - colon - 2)));
      fields.remove_prefix(end + 2);
    }
  }
}

}  // namespace savia::fuzz
