#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/clock.h"
#include "base/strings.h"
#include "cli/commands/session.h"
#include "cli/deploy/deploy.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "os/file.h"

namespace savia::cli {
namespace {

constexpr useconds_t kFollowPollUs = 250'000;

Result<Value::List> all_pages(Session& s, std::string_view service, std::string_view operation, Value input, const char* items,
                              const char* in_token, const char* out_token) {
  Value::List out;
  for (;;) {
    aws::Outcome page = s.call(service, operation, input, s.options().region);
    if (!page.ok()) return error_of(page.error(), service, operation);
    if (Value* list = page->find(items); list != nullptr && list->is_list()) {
      for (Value& v : list->as_list()) out.push_back(std::move(v));
    }
    std::string next = page->str_or(out_token, "");
    if (next.empty()) return out;
    input.set(in_token, next);
  }
}

// "10m" before now, or an ISO time; -1 when it is neither.
int64_t since_ms(const std::string& text) {
  if (int64_t iso = parse_iso8601(text); iso >= 0) return iso;
  if (text.size() < 2) return -1;
  auto n = parse_int(std::string_view(text).substr(0, text.size() - 1));
  if (!n || *n < 0) return -1;
  int64_t unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1000;
      break;
    case 'm':
      unit = 60'000;
      break;
    case 'h':
      unit = 3'600'000;
      break;
    case 'd':
      unit = 86'400'000;
      break;
    default:
      return -1;
  }
  return real_clock().now_ms() - *n * unit;
}

// The function that a name means: itself, or "{name}-dev-api" and the like when exactly one begins so.
Result<std::string> function_named(Session& s, Output& out, const std::string& name) {
  Value::List functions = TRY(all_pages(s, "lambda", "ListFunctions", Value::object(), "Functions", "Marker", "NextMarker"));
  std::vector<std::string> close;
  for (const Value& f : functions) {
    std::string full = f.str_or("FunctionName", "");
    if (full == name) return full;
    if (full.starts_with(name + "-")) close.push_back(full);
  }
  if (close.size() == 1) return close[0];
  if (close.empty()) return Error::not_found(out.say("there is no function {0}; `savia ps` lists them", {name}));
  return Error::invalid(out.say("{0} may be one of: {1}", {name, join(close, ", ")}));
}

}  // namespace

int fail_with(Output& out, const Error& error, const std::string& endpoint) {
  if (error.kind() == ErrorKind::kUnavailable && error.message().find("connect") != std::string::npos) {
    out.error(out.say("no server answers at {0}", {endpoint}),
              out.say("start one with `savia serve`, or `savia up` in a workspace"));
  } else {
    out.error(error.message());
  }
  return 1;
}

int cmd_status(Session& session, Output& out) {
  auto health = session.get_json("/_savia/status");
  if (!health.ok()) return fail_with(out, health.error(), session.options().endpoint);
  if (out.json()) {
    out.print_json(*health);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const char* key :
       {"status", "version", "account", "auth", "listen", "edge", "data", "uptime_s", "functions", "environments", "sandbox"}) {
    const Value* v = health->find(key);
    if (v == nullptr || v->is_null()) continue;
    rows.push_back({key, v->is_string() ? v->as_string() : to_json(*v)});
  }
  out.table({out.say("what"), out.say("value")}, rows);
  if (const Value::List* weaker = health->list_at("weaker")) {
    for (const Value& w : *weaker) out.warn(w.is_string() ? w.as_string() : to_json(w));
  }
  return 0;
}

int cmd_ps(Session& session, Output& out) {
  auto functions = all_pages(session, "lambda", "ListFunctions", Value::object(), "Functions", "Marker", "NextMarker");
  if (!functions.ok()) return fail_with(out, functions.error(), session.options().endpoint);
  if (out.json()) {
    out.print_json(Value().set("functions", Value(std::move(*functions))));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Value& f : *functions) {
    std::string layers;
    if (const Value::List* list = f.list_at("Layers")) {
      for (const Value& l : *list) {
        std::string arn = l.str_or("Arn", "");
        size_t at = arn.find(":layer:");
        layers += (layers.empty() ? "" : " ") + (at == std::string::npos ? arn : arn.substr(at + 7));
      }
    }
    rows.push_back({f.str_or("FunctionName", ""), f.str_or("Runtime", ""), std::to_string(f.num_or("MemorySize", 0)) + " MB",
                    std::to_string(f.num_or("Timeout", 0)) + " s", layers, f.str_or("LastModified", "").substr(0, 19)});
  }
  if (rows.empty()) {
    out.line(out.say("no functions yet; deploy a workspace with `savia up DIR`"));
    return 0;
  }
  out.table({out.say("function"), "runtime", out.say("memory"), out.say("timeout"), "layers", out.say("modified (UTC)")}, rows);
  return 0;
}

int cmd_logs(Session& session, Output& out, const LogsOptions& options) {
  int64_t since = since_ms(options.since);
  if (since < 0) {
    out.error(out.say("--since takes 30s, 5m, 2h, 1d or an ISO time, not {0}", {options.since}));
    return 2;
  }
  std::string group = options.name;
  if (group.empty() || group[0] != '/') {
    auto function = function_named(session, out, options.name);
    if (!function.ok()) return fail_with(out, function.error(), session.options().endpoint);
    group = "/aws/lambda/" + *function;
  }
  std::set<std::string> seen;
  int64_t newest = since;
  for (;;) {
    Value input;
    input.set("logGroupName", group).set("startTime", newest).set("interleaved", true);
    if (!options.filter.empty()) input.set("filterPattern", options.filter);
    auto events = all_pages(session, "logs", "FilterLogEvents", input, "events", "nextToken", "nextToken");
    if (!events.ok()) return fail_with(out, events.error(), session.options().endpoint);
    std::set<std::string> at_newest;
    for (const Value& e : *events) {
      std::string id = e.str_or("eventId", "");
      int64_t at = e.num_or("timestamp", 0);
      if (at > newest) {
        newest = at;
        at_newest.clear();
      }
      if (at == newest) at_newest.insert(id);
      if (seen.contains(id)) continue;
      if (out.json()) {
        out.print_json(e);
        continue;
      }
      std::string message = e.str_or("message", "");
      while (!message.empty() && (message.back() == '\n' || message.back() == '\r')) message.pop_back();
      bool bad = message.find("\tERROR\t") != std::string::npos || message.find("Task timed out") != std::string::npos;
      bool frame = message.starts_with("START ") || message.starts_with("END ") || message.starts_with("REPORT ") ||
                   message.starts_with("INIT_");
      out.line(out.paint(Style::kDim, format_iso8601_ms(at).substr(11, 12)) + " " +
               out.paint(bad     ? Style::kBad
                         : frame ? Style::kDim
                                 : Style::kPlain,
                         message));
    }
    seen = std::move(at_newest);
    if (!options.follow) return 0;
    usleep(kFollowPollUs);
  }
}

int cmd_invoke(Session& session, Output& out, const InvokeOptions& options) {
  std::string payload = options.payload;
  if (payload == "-") {
    auto text = os::read_all(0, 8u << 20);
    if (!text.ok()) return fail_with(out, text.error(), session.options().endpoint);
    payload = *text;
  } else if (!payload.empty() && payload[0] == '@') {
    auto text = os::read_file(payload.substr(1));
    if (!text.ok()) return fail_with(out, text.error(), session.options().endpoint);
    payload = *text;
  }
  auto function = function_named(session, out, options.name);
  if (!function.ok()) return fail_with(out, function.error(), session.options().endpoint);
  Value input;
  input.set("FunctionName", *function)
      .set("Payload", Blob{payload})
      .set("InvocationType", options.event ? "Event" : "RequestResponse");
  if (options.log && !options.event) input.set("LogType", "Tail");
  int64_t start = real_clock().monotonic_us();
  aws::Outcome answer = session.call("lambda", "Invoke", input, session.options().region);
  int64_t took = real_clock().monotonic_us() - start;
  if (!answer.ok()) return fail_with(out, error_of(answer.error(), "lambda", "Invoke"), session.options().endpoint);
  std::string body;
  if (const Value* p = answer->find("Payload")) body = p->is_blob() ? p->as_blob() : p->is_string() ? p->as_string() : "";
  std::string error = answer->str_or("FunctionError", "");
  if (options.log) {
    auto log = base64_decode(answer->str_or("LogResult", ""));
    if (log.ok()) out.note(*log);
  }
  if (out.json()) {
    auto parsed = parse_json(body);
    out.print_json(Value()
                       .set("function", *function)
                       .set("error", error.empty() ? Value() : Value(error))
                       .set("payload", parsed.ok() ? *parsed : Value(body))
                       .set("ms", static_cast<double>(took) / 1000));
  } else {
    auto parsed = parse_json(body);
    out.line(parsed.ok() ? to_json_pretty(*parsed, 2) : body);
    out.note(out.paint(error.empty() ? Style::kGood : Style::kBad, error.empty() ? "ok" : error) + "  " + *function + "  " +
             human_ms(took));
  }
  return error.empty() ? 0 : 1;
}

int cmd_coverage(Session& session, Output& out) {
  auto page = session.get_text("/_savia/coverage");
  if (!page.ok()) return fail_with(out, page.error(), session.options().endpoint);
  while (!page->empty() && page->back() == '\n') page->pop_back();
  out.line(*page);
  return 0;
}

int cmd_env(const SessionOptions& options, Output& out) {
  const std::pair<const char*, std::string> kVariables[] = {{"AWS_ENDPOINT_URL", options.endpoint},
                                                            {"AWS_ACCESS_KEY_ID", options.access_key},
                                                            {"AWS_SECRET_ACCESS_KEY", options.secret_key},
                                                            {"AWS_DEFAULT_REGION", options.region},
                                                            {"AWS_REGION", options.region}};
  if (out.json()) {
    Value v = Value::object();
    for (const auto& [name, value] : kVariables) v.set(name, value);
    out.print_json(v);
    return 0;
  }
  for (const auto& [name, value] : kVariables)
    out.line(std::string("export ") + name + "='" + replace_all(value, "'", "'\\''") + "'");
  out.note(out.say("# in a shell: eval \"$(savia env)\""));
  return 0;
}

}  // namespace savia::cli
