// The table `schema` has one row a service: the version of its tables. Everything that is missing runs in one transaction,
// so a crash in the middle leaves the old state, and a state that any service of a newer program has touched is refused
// before the first change.
#include "state/migrate.h"

#include <algorithm>
#include <map>
#include <string>

namespace savia::state {
namespace {

using Steps = std::map<std::string, std::vector<const Migration*>, std::less<>>;

// Steps by service, in order of version, checked to be 1, 2, 3 …
Result<Steps> sort_steps(const std::vector<Migration>& migrations) {
  Steps steps;
  for (const Migration& m : migrations) steps[std::string(m.service)].push_back(&m);
  for (auto& [service, list] : steps) {
    std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->version < b->version; });
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i]->version != static_cast<int>(i) + 1) {
        return Error::internal("migrations of " + service + " have no step " + std::to_string(i + 1));
      }
    }
  }
  return steps;
}

Result<std::map<std::string, int, std::less<>>> stored_versions(Connection& c) {
  std::map<std::string, int, std::less<>> out;
  Connection::Lease lease = TRY(c.prepare("SELECT service, version FROM schema"));
  int rc = SQLITE_ROW;
  while ((rc = sqlite3_step(lease.stmt)) == SQLITE_ROW) {
    const Row row(lease.stmt);
    out[row.text(0)] = static_cast<int>(row.num(1));
  }
  if (rc != SQLITE_DONE) return c.error(rc);
  return out;
}

Result<void> set_version(Connection& c, const std::string& service, int version) {
  Connection::Lease lease = TRY(c.prepare("INSERT OR REPLACE INTO schema(service, version) VALUES(?,?)"));
  sqlite3_bind_text(lease.stmt, 1, service.data(), static_cast<int>(service.size()), SQLITE_STATIC);
  sqlite3_bind_int(lease.stmt, 2, version);
  const int rc = sqlite3_step(lease.stmt);
  if (rc != SQLITE_DONE) return c.error(rc);
  return {};
}

Result<void> run_steps(Connection& c, const Steps& steps) {
  TRY(c.script("CREATE TABLE IF NOT EXISTS schema(service TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"));
  const auto stored = TRY(stored_versions(c));
  for (const auto& [service, version] : stored) {
    auto it = steps.find(service);
    const int known = it == steps.end() ? 0 : static_cast<int>(it->second.size());
    if (version > known) {
      return Error::conflict("state of " + service + " has schema " + std::to_string(version) +
                             ", this program (" SAVIA_VERSION ") knows " + std::to_string(known) + ": use the newer program");
    }
  }
  for (const auto& [service, list] : steps) {
    auto it = stored.find(service);
    const size_t from = it == stored.end() ? 0 : static_cast<size_t>(it->second);
    for (size_t i = from; i < list.size(); ++i) {
      TRY_CONTEXT(c.script(std::string(list[i]->sql)), "migrate " + service + " to schema " + std::to_string(i + 1));
    }
    if (from < list.size()) TRY(set_version(c, service, static_cast<int>(list.size())));
  }
  return {};
}

}  // namespace

Result<void> migrate(Connection& connection, const std::vector<Migration>& migrations) {
  const Steps steps = TRY(sort_steps(migrations));
  TRY(connection.script("BEGIN IMMEDIATE"));
  Result<void> done = run_steps(connection, steps);
  if (done.ok()) done = connection.script("COMMIT");
  if (!done.ok() && connection.in_transaction()) (void)connection.script("ROLLBACK");
  return done;
}

}  // namespace savia::state
