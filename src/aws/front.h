// The AWS front: one listener for every service. It finds out which operation a request names, checks who signed it, parses
// and validates the input against the model, runs the operation's body and renders the answer in the request's protocol.
//
//   request -> raw routes -> service and operation -> signature, aws-chunked, checksums -> parse -> validate -> authorize
//           -> body (control-plane thread) or async body (loop) -> render -> metrics
//
// Threads: `handler()` runs on the listener's loop. Small requests with a key at hand are checked and parsed there; large
// bodies, keys that must be read from the store, and every plain body run on the control pool. Async bodies run on the loop.
//
// It owns no state of services, and must not: name a service in its code, wait on the loop, or let one request's fault reach
// another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/coverage.h"
#include "aws/credentials/keys.h"
#include "aws/model.h"
#include "aws/operation.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "net/http.h"
#include "net/loop.h"

namespace savia::aws {

enum class AuthMode {
  kOpen,     // any credentials, or none; loopback only
  kVerify,   // signatures are checked; a valid key may do everything in its account
  kEnforce,  // and an Authorizer decides
};
std::optional<AuthMode> parse_auth_mode(std::string_view text);  // "open", "verify", "enforce"
std::string_view auth_mode_name(AuthMode mode);

// Decides whether a caller may do what was asked, after validation and before the body. Any thread.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  // The fault to answer (AccessDenied…), or nothing when allowed.
  virtual std::optional<Fault> authorize(const CallContext& context, const Value& input) const = 0;
};

struct FrontOptions {
  AuthMode mode = AuthMode::kVerify;
  const Authorizer* authorizer = nullptr;    // kEnforce needs one
  std::string default_region = "us-east-1";  // unsigned requests in open mode
  size_t threads = 0;                        // 0: limits::kControlThreads
  size_t queue = 0;                          // 0: limits::kControlQueue
  const Clock* clock = nullptr;              // null: the real one
  Random* random = nullptr;                  // null: the kernel's
  net::Loop* loop = nullptr;                 // where async bodies run; null: on the control pool
  Metrics* metrics = nullptr;                // null: none are kept
};

// What a download route answers: bytes, or a file that is read when it is sent.
struct Download {
  std::string bytes;
  std::string file;
  std::string content_type = "application/octet-stream";
};
using DownloadFn = std::function<Result<Download>(std::string_view path)>;

class Front {
 public:
  // Refuses AuthMode::kEnforce without an authorizer. `keys` and whatever the options point to outlive the front.
  static Result<std::unique_ptr<Front>> create(std::vector<ServiceModel> models, Keys& keys, FrontOptions options);
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  // Before serving. CHECKs that the model has the service and each operation, listed.
  void bind(std::string_view service, std::vector<Operation> operations);
  // `path` itself, and everything below `path` + "/". The longest wins. The handler runs on the loop.
  void add_raw(std::string path, net::HttpHandler handler);
  // GET and HEAD below `prefix`, for URLs of presign_get (or presigned by any key); `fn` runs on the control pool.
  void add_download(std::string prefix, DownloadFn fn);

  // "http://HOST/PATH?X-Amz-…": valid for `expires_s` seconds, and only with that Host.
  Result<std::string> presign_get(std::string_view path, int64_t expires_s, const CallContext& context);

  // The operation, in process: validated and authorized like any other call, without signature and wire. `context.service`
  // and `.operation` say which. Not on the loop; waits for async bodies.
  Outcome call(CallContext context, const Value& input);
  // A context for calls of the program itself, as the account's root.
  CallContext internal_context(std::string_view account, std::string_view region, std::string_view service,
                               std::string_view operation) const;

  net::HttpHandler handler();
  // For HttpServerOptions: refuses what is too large before its body is read, and words what cannot be read as HTTP.
  std::function<std::optional<net::HttpResponse>(const net::HttpRequest&, std::optional<int64_t>)> on_head();
  static net::HttpResponse bad_request(int status, const char* reason);
  // Runs on the control pool; answers 503 through `responder` when its queue is full.
  void run_on_pool(std::unique_ptr<net::HttpResponder> responder,
                   std::function<void(std::unique_ptr<net::HttpResponder>)> work);
  void stop();  // finishes what runs; requests after it are answered 503

  AuthMode mode() const;
  std::vector<BoundOperation> bound() const;
  size_t waiting() const;  // requests waiting for a control-plane thread

  struct Rep;  // the insides, for front*.cc alone

 private:
  explicit Front(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// The routes that every server has: /_savia/health and /_localstack/health, /_savia/metrics, and POST to /_savia/reset,
// /moto-api/reset, /_localstack/state/reset and /_ministack/reset, which are allowed in open mode only.
struct StandardRoutes {
  std::string version;
  std::function<Result<void>()> reset;  // wipes all state; runs on the control pool
};
void add_standard_routes(Front& front, const Metrics* metrics, StandardRoutes routes);

}  // namespace savia::aws
