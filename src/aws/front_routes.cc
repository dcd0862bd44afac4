// Routes of the front that are not AWS operations: health, metrics, reset, presigned downloads.
#include <cstdio>
#include <fstream>

#include "aws/auth_fault.h"
#include "aws/front_internal.h"
#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/xml.h"

namespace savia::aws {
namespace {

constexpr std::string_view kDownloadRegion = "us-east-1";
constexpr std::string_view kDownloadService = "s3";  // the scope that presigned URLs of code have on AWS, too

net::HttpResponse json_response(int status, std::string body) {
  net::HttpResponse r;
  r.status = status;
  r.headers.add("Content-Type", "application/json");
  r.body = std::move(body);
  return r;
}

net::HttpResponse message_response(int status, std::string_view message) {
  std::string body;
  JsonWriter(body).begin_object().key("message").value(message).end_object();
  return json_response(status, std::move(body));
}

net::HttpResponse not_allowed(std::string_view methods) {
  net::HttpResponse r = message_response(405, "Method not allowed");
  r.headers.add("Allow", methods);
  return r;
}

// Downloads fail as S3 does, since that is what clients of such URLs know.
net::HttpResponse download_error(const Fault& fault, std::string_view request_id) {
  net::HttpResponse r;
  r.status = fault.http_status;
  r.headers.add("Content-Type", "application/xml");
  r.headers.add("x-amz-request-id", request_id);
  XmlWriter w(r.body);
  w.declaration().open("Error").element("Code", fault.code).element("Message", fault.message);
  w.element("RequestId", request_id).close();
  return r;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return Error::not_found("open " + path);
  std::string bytes(static_cast<size_t>(in.tellg()), '\0');
  in.seekg(0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in) return Error::internal("read " + path);
  return bytes;
}

Fault download_fault(const Error& e) {
  if (e.kind() == ErrorKind::kNotFound) return {"NoSuchKey", "The specified key does not exist.", 404};
  return {"InternalError", "We encountered an internal error. Please try again.", 500};
}

net::HttpResponse send_download(const DownloadFn& fn, const net::HttpRequest& request, std::string_view path,
                                std::string_view request_id) {
  Result<Download> found = fn(path);
  if (!found.ok()) return download_error(download_fault(found.error()), request_id);
  net::HttpResponse r;
  if (!found->file.empty()) {
    Result<std::string> bytes = read_file(found->file);
    if (!bytes.ok()) {
      log_error("aws.download", {{"error", bytes.error().message()}});
      return download_error(download_fault(bytes.error()), request_id);
    }
    r.body = std::move(*bytes);
  } else {
    r.body = std::move(found->bytes);
  }
  r.headers.add("Content-Type", found->content_type);
  r.headers.add("x-amz-request-id", request_id);
  if (request.method == "HEAD") {
    r.headers.add("Content-Length", std::to_string(r.body.size()));
    r.body.clear();
  }
  return r;
}

void add_reset(Front& front, const std::string& path, const std::shared_ptr<std::function<Result<void>()>>& reset) {
  front.add_raw(path, [&front, reset](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
    if (request.method != "POST") return responder->respond(not_allowed("POST"));
    if (front.mode() != AuthMode::kOpen) {
      return responder->respond(
          message_response(403, "Reset wipes all state; it is allowed only by a server started with --auth open (this one: " +
                                    std::string(auth_mode_name(front.mode())) + ")"));
    }
    front.run_on_pool(std::move(responder), [reset](std::unique_ptr<net::HttpResponder> r) {
      Result<void> done = (*reset)();
      if (done.ok()) return r->respond(json_response(200, R"({"status":"ok"})"));
      log_error("aws.reset", {{"error", done.error().message()}});
      r->respond(message_response(500, done.error().message()));
    });
  });
}

}  // namespace

void add_standard_routes(Front& front, const Metrics* metrics, StandardRoutes routes) {
  // Tools for port 4566 wait until "services" shows theirs as running.
  std::string health;
  JsonWriter w(health);
  w.begin_object().key("services").begin_object();
  std::string last;
  for (const auto& [service, operation] : front.bound()) {
    if (service == last) continue;
    w.key(service).value("running");
    last = service;
  }
  w.end_object().key("edition").value("savia").key("version").value(routes.version);
  w.key("auth").value(auth_mode_name(front.mode())).end_object();
  auto respond_health = [health](const net::HttpRequest& request, std::unique_ptr<net::HttpResponder> responder) {
    if (request.method != "GET" && request.method != "HEAD") return responder->respond(not_allowed("GET, HEAD"));
    responder->respond(json_response(200, request.method == "HEAD" ? std::string() : health));
  };
  front.add_raw("/_savia/health", respond_health);
  front.add_raw("/_localstack/health", respond_health);
  if (metrics != nullptr) {
    front.add_raw("/_savia/metrics", [metrics](const net::HttpRequest& request, std::unique_ptr<net::HttpResponder> responder) {
      if (request.method != "GET") return responder->respond(not_allowed("GET"));
      net::HttpResponse r;
      r.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      r.body = metrics->prometheus();
      responder->respond(std::move(r));
    });
  }
  // Shared by the four routes.
  auto reset = std::make_shared<std::function<Result<void>()>>(std::move(routes.reset));
  for (const char* path : {"/_savia/reset", "/moto-api/reset", "/_localstack/state/reset", "/_ministack/reset"}) {
    add_reset(front, path, reset);
  }
}

Result<std::string> Front::presign_get(std::string_view path, int64_t expires_s, const CallContext& context) {
  AccessKey key = TRY(rep_->keys.internal());
  net::HttpRequest request;
  request.method = "GET";
  request.target = percent_encode(path, true);
  request.headers.add("Host", context.host);
  SignOptions options;
  options.region = kDownloadRegion;
  options.service = kDownloadService;
  options.now_ms = rep_->clock.now_ms();
  options.expires_s = expires_s;
  sign_query(request, {key.id, key.secret, ""}, options);
  return (context.secure ? "https://" : "http://") + context.host + request.target;
}

std::optional<Fault> Front::Rep::check_presigned(const net::HttpRequest& request) {
  if (options.mode == AuthMode::kOpen) return std::nullopt;
  auto refused = [](const AuthError& e) { return auth_fault(e, Protocol::kRestXml); };
  // What was presigned for GET may be asked for with HEAD.
  net::HttpRequest asked = request;
  asked.method = "GET";
  auto claim = read_claim(asked);
  if (!claim.ok()) return refused(claim.error());
  std::optional<AccessKey> key;
  auto internal = keys.internal();
  if (internal.ok() && internal->id == claim->access_key) {
    key = *internal;
  } else {
    auto found = keys.find(claim->access_key);
    if (!found.ok()) return Fault(found.error());
    key = *found;
  }
  if (!key) return refused({AuthProblem::kUnknownKey, ""});
  if (!constant_time_equal(key->token, claim->token)) return refused({AuthProblem::kBadToken, ""});
  const int64_t now = clock.now_ms();
  if (key->expires_ms != 0 && now >= key->expires_ms) return refused({AuthProblem::kExpiredToken, ""});
  auto hash = expected_payload_hash(*claim, asked);
  if (!hash.ok()) return refused(hash.error());
  auto checked = check_claim(*claim, asked, *hash, key->secret, now, signing_keys);
  if (!checked.ok()) return refused(checked.error());
  return std::nullopt;
}

void Front::add_download(std::string prefix, DownloadFn fn) {
  while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
  auto shared = std::make_shared<DownloadFn>(std::move(fn));  // shared by the requests in flight
  add_raw(prefix, [this, prefix, shared](net::HttpRequest request, std::unique_ptr<net::HttpResponder> responder) {
    if (request.method != "GET" && request.method != "HEAD") return responder->respond(not_allowed("GET, HEAD"));
    auto r = std::make_shared<net::HttpRequest>(std::move(request));  // for a copyable closure
    run_on_pool(std::move(responder), [this, prefix, shared, r](std::unique_ptr<net::HttpResponder> out) {
      std::string id = new_uuid(rep_->random);
      if (std::optional<Fault> refused = rep_->check_presigned(*r)) return out->respond(download_error(*refused, id));
      std::string path = percent_decode(r->path());
      std::string_view rest = std::string_view(path).substr(std::min(path.size(), prefix.size() + 1));
      out->respond(send_download(*shared, *r, rest, id));
    });
  });
}

}  // namespace savia::aws
