// `savia serve`, `savia keys` and `savia runtime`: commands that work on the data folder itself.
#include <unistd.h>

#include <cstdlib>

#include "aws/credentials/keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "codec/json.h"
#include "os/file.h"
#include "server/commands.h"
#include "server/layout.h"
#include "server/server.h"
#include "services/lambda/engine/runtimes.h"

namespace savia::server {
namespace {

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warn") return LogLevel::kWarn;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

std::string search_path() {
  const char* path = std::getenv("PATH");
  return path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
}

int fail(cli::Output& out, const Error& error) {
  out.error(error.message());
  return 1;
}

}  // namespace

int serve(const Config& config, cli::Output& out) {
  set_log_level(level_of(config.log_level));
  if (config.auth == AuthMode::kEnforce) {
    out.error(out.say("--auth enforce needs IAM, which this version does not have: use verify"));
    return 2;
  }
  auto server = Server::start(config);
  if (!server.ok()) return fail(out, server.error());
  log_info("server.ready", {{"listen", (*server)->config().listen},
                            {"edge", (*server)->config().edge},
                            {"auth", config.auth == AuthMode::kOpen ? "open" : "verify"},
                            {"data", config.data_dir},
                            {"ms", cli::human_ms((*server)->ready_us())}});
  (*server)->run();
  return 0;
}

int keys(const Config& config, const std::string& verb, const std::string& argument, cli::Output& out) {
  auto make = os::make_dirs(config.data_dir, 0700);
  if (!make.ok()) return fail(out, make.error());
  // Beside a running server: it sees a new or deleted key within a second.
  auto db = state::Database::open(Layout(config.data_dir).database(), all_migrations());
  if (!db.ok()) return fail(out, db.error());
  aws::Keys::Options options;
  options.default_account = config.account;
  aws::Keys keys(**db, real_clock(), secure_random(), options);
  if (verb == "create") {
    auto key = keys.create(config.account, "");
    if (!key.ok()) return fail(out, key.error());
    if (out.json()) {
      out.print_json(Value().set("AccessKeyId", key->id).set("SecretAccessKey", key->secret).set("Account", key->account));
    } else {
      out.line("export AWS_ACCESS_KEY_ID='" + key->id + "'");
      out.line("export AWS_SECRET_ACCESS_KEY='" + key->secret + "'");
      out.note(out.say("# account {0}; the secret is shown this once", {key->account}));
    }
    return 0;
  }
  if (verb == "delete") {
    auto removed = keys.remove(argument);
    if (!removed.ok()) return fail(out, removed.error());
    out.end(cli::Style::kGood, out.say("{0} is gone", {argument}));
    return 0;
  }
  auto list = keys.list();
  if (!list.ok()) return fail(out, list.error());
  if (out.json()) {
    Value all = Value::list();
    for (const aws::AccessKey& k : *list)
      all.push(Value().set("AccessKeyId", k.id).set("Account", k.account).set("Created", format_iso8601_s(k.created_ms)));
    out.print_json(Value().set("keys", std::move(all)));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const aws::AccessKey& k : *list) rows.push_back({k.id, k.account, format_iso8601_s(k.created_ms)});
  if (rows.empty()) {
    out.line(out.say("no keys; `savia keys create` makes one (on loopback test/test works too)"));
  } else {
    out.table({out.say("key"), out.say("account"), out.say("created")}, rows);
  }
  return 0;
}

int runtime_list(const Config& config, cli::Output& out) {
  lambda::Runtimes runtimes(config.data_dir, search_path(), config.runtimes);
  runtimes.scan_async([] {});
  std::vector<std::vector<std::string>> rows;
  Value all = Value::list();
  for (const char* id : {"nodejs24.x", "nodejs22.x", "nodejs20.x", "nodejs18.x", "python3.14", "python3.13", "python3.12",
                         "python3.11", "python3.10", "python3.9", "provided.al2023", "provided.al2"}) {
    lambda::RuntimeStatus s = runtimes.status(id);
    all.push(Value()
                 .set("runtime", id)
                 .set("installed", s.installed)
                 .set("version", s.version)
                 .set("path", s.path)
                 .set("install", s.install_command));
    rows.push_back({id, s.installed ? out.paint(cli::Style::kGood, out.say("installed")) : out.say("missing"),
                    s.installed ? s.version + "  " + s.path : s.install_command});
  }
  if (out.json()) {
    out.print_json(Value().set("runtimes", std::move(all)));
  } else {
    out.table({"runtime", out.say("state"), out.say("where, or how to get it")}, rows);
  }
  return 0;
}

int runtime_install(const Config& config, const std::string& runtime, cli::Output& out) {
  auto made = os::make_dirs(config.data_dir, 0700);
  if (!made.ok()) return fail(out, made.error());
  int64_t start = real_clock().monotonic_us();
  auto done = lambda::install_runtime(config.data_dir, runtime, [&](const std::string& step) { out.begin(step); });
  if (!done.ok()) return fail(out, done.error());
  out.end(cli::Style::kGood, out.say("runtime {0}", {runtime}), cli::human_ms(real_clock().monotonic_us() - start));
  return 0;
}

}  // namespace savia::server
