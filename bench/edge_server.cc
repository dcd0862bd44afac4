// The edge alone, with one static API, for bench/edge.py:
//   edge_server LISTEN UPSTREAM_PORT     e.g. 127.0.0.1:27301 27080
// By path /_aws/execute-api/bench/dev/…: /mock (MOCK), /proxy/{proxy+} (HTTP proxy), /fn (a function that answers at once);
// the same at Host bench.execute-api.localhost.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "edge/edge.h"
#include "net/http_server.h"

using namespace savia;

namespace {

class Echo : public ports::FunctionInvoker {
 public:
  void invoke(ports::InvokeRequest, Done done) override {
    ports::InvokeResult result;
    result.status = ports::InvokeStatus::kOk;
    result.payload = R"({"statusCode":200,"headers":{"content-type":"application/json"},"body":"{\"message\":\"hello\"}"})";
    done(std::move(result));
  }
};

std::shared_ptr<const ports::ApiSpec> bench_api(const std::string& upstream) {
  auto api = std::make_shared<ports::ApiSpec>();
  api->api_id = "bench";
  api->account = "000000000000";
  api->region = "eu-west-1";
  ports::StageSpec stage;
  stage.name = "dev";
  ports::RouteSpec mock, proxy, fn;
  mock.method = proxy.method = fn.method = "ANY";
  mock.path = "/mock";
  mock.integration.request_templates["application/json"] = R"({"statusCode": 200})";
  ports::MethodResponseSpec ok;
  ok.status_code = "200";
  ok.templates["application/json"] =
      R"({"message":"hello from the mock","padding":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"})";
  mock.integration.responses.push_back(ok);
  proxy.path = "/proxy/{proxy+}";
  proxy.integration.kind = ports::IntegrationKind::kHttpProxy;
  proxy.integration.uri = "http://127.0.0.1:" + upstream + "/{proxy}";
  fn.path = "/fn";
  fn.integration.kind = ports::IntegrationKind::kLambdaProxy;
  fn.integration.function_name = "fn";
  stage.routes = {mock, proxy, fn};
  api->stages.push_back(stage);
  return api;
}

}  // namespace

int main(int argc, char** argv) {
  std::string listen = argc > 1 ? argv[1] : "127.0.0.1:27301", upstream = argc > 2 ? argv[2] : "27080";
  auto loop = net::Loop::create();
  Result<int> fd = net::listen_tcp(listen);
  if (!loop.ok() || !fd.ok()) {
    std::fprintf(stderr, "edge_server: %s\n", fd.ok() ? "no loop" : fd.error().message().c_str());
    return 1;
  }
  Echo echo;
  Metrics metrics;
  edge::EdgeOptions options;
  options.loops = {loop->get()};
  options.invoker = &echo;
  options.metrics = &metrics;
  auto edge = edge::Edge::create(std::move(options));
  if (!edge.ok() || !(*edge)->listen(*fd).ok()) return 1;
  (*edge)->publish(bench_api(upstream));
  (*loop)->run();
}
