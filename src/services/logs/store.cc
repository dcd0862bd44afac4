#include "services/logs/store.h"

#include "base/limits.h"

namespace savia::logs {
namespace {

using state::Row;
using state::Tx;

constexpr std::string_view kSchema1 = R"(
CREATE TABLE log_group(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  retention_days INTEGER NOT NULL DEFAULT 0,
  deletion_protected INTEGER NOT NULL DEFAULT 0,
  UNIQUE(account, region, name)
);
CREATE TABLE log_stream(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: it names a folder of segments
  group_id INTEGER NOT NULL REFERENCES log_group(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  UNIQUE(group_id, name)
);
CREATE TABLE log_tag(
  group_id INTEGER NOT NULL REFERENCES log_group(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(group_id, key)
) WITHOUT ROWID;
)";

constexpr std::string_view kGroupColumns = "SELECT id, name, created_ms, retention_days, deletion_protected FROM log_group ";

GroupRow group_row(const Row& r) {
  return {r.num(0), r.text(1), r.num(2), r.num(3), r.num(4) != 0};
}
StreamRow stream_row(const Row& r) {
  return {r.num(0), r.text(1), r.num(2)};
}

// The least text greater than every text that begins with `prefix`; names are UTF-8, which has no byte FF.
std::string after_prefix(std::string prefix) {
  if (prefix.empty()) return "\xff";
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

int64_t sql_limit(int64_t limit) {
  return limit == 0 ? -1 : limit;
}

Result<std::optional<int64_t>> group_id(Tx& tx, const Scope& s, std::string_view name) {
  return tx.num("SELECT id FROM log_group WHERE account=? AND region=? AND name=?", s.account, s.region, name);
}

Result<void> insert_tags(Tx& tx, int64_t group, const Tags& tags) {
  for (const auto& [key, value] : tags) {
    TRY(tx.exec("INSERT OR REPLACE INTO log_tag(group_id, key, value) VALUES(?,?,?)", group, key, value));
  }
  return {};
}

}  // namespace

std::vector<state::Migration> Store::migrations() {
  return {{"logs", 1, kSchema1}};
}

Result<Made> Store::create_group(const Scope& s, std::string_view name, int64_t now_ms, const Tags& tags,
                                 bool deletion_protected) {
  Made made = Made::kNew;
  TRY(db_.write([&](Tx& tx) -> Result<void> {
    if (TRY(group_id(tx, s, name))) {
      made = Made::kExisted;
      return {};
    }
    TRY(tx.exec("INSERT INTO log_group(account, region, name, created_ms, deletion_protected) VALUES(?,?,?,?,?)", s.account,
                s.region, name, now_ms, deletion_protected));
    return tags.empty() ? Result<void>() : insert_tags(tx, *TRY(group_id(tx, s, name)), tags);
  }));
  return made;
}

Result<Changed> Store::delete_group(const Scope& s, std::string_view name,
                                    const std::function<void(const std::vector<int64_t>& streams)>& deleted) {
  Changed changed = Changed::kYes;
  TRY(db_.write(
      [&](Tx& tx) -> Result<void> {
        const std::optional<int64_t> id = TRY(group_id(tx, s, name));
        if (!id) {
          changed = Changed::kNotFound;
          return {};
        }
        if (TRY(tx.num("SELECT deletion_protected FROM log_group WHERE id=?", *id)) == 1) {
          changed = Changed::kProtected;
          return {};
        }
        std::vector<int64_t> streams;
        TRY(tx.query(
            "SELECT id FROM log_stream WHERE group_id=?", [&](const Row& r) { return streams.push_back(r.num(0)), true; },
            *id));
        TRY(tx.exec("DELETE FROM log_group WHERE id=?", *id));
        tx.after_commit([&deleted, streams = std::move(streams)] { deleted(streams); });
        return {};
      },
      state::WriteKind::kFree));
  return changed;
}

Result<std::optional<GroupRow>> Store::group(const Scope& s, std::string_view name) {
  std::optional<GroupRow> out;
  static const std::string sql = std::string(kGroupColumns) + "WHERE account=? AND region=? AND name=?";
  TRY(db_.read([&](Tx& tx) {
    return tx.query(
        sql, [&](const Row& r) { return out = group_row(r), false; }, s.account, s.region, name);
  }));
  return out;
}

Result<std::vector<GroupRow>> Store::groups(const Scope& s, const NameQuery& q) {
  std::vector<GroupRow> out;
  const std::string sql =
      std::string(kGroupColumns) +
      "WHERE account=? AND region=? AND name>=? AND name<? AND name>? AND (?='' OR instr(name, ?)>0) ORDER BY name LIMIT ?";
  TRY(db_.read([&](Tx& tx) {
    return tx.query(
        sql, [&](const Row& r) { return out.push_back(group_row(r)), true; }, s.account, s.region, q.prefix,
        after_prefix(q.prefix), q.after, q.pattern, q.pattern, sql_limit(q.limit));
  }));
  return out;
}

Result<Changed> Store::set_retention(const Scope& s, std::string_view name, int64_t days) {
  int64_t rows = 0;
  TRY(db_.write([&](Tx& tx) -> Result<void> {
    rows = TRY(tx.exec("UPDATE log_group SET retention_days=? WHERE account=? AND region=? AND name=?", days, s.account,
                       s.region, name));
    return {};
  }));
  return rows == 0 ? Changed::kNotFound : Changed::kYes;
}

Result<Changed> Store::set_deletion_protection(const Scope& s, std::string_view name, bool on) {
  int64_t rows = 0;
  TRY(db_.write([&](Tx& tx) -> Result<void> {
    rows = TRY(tx.exec("UPDATE log_group SET deletion_protected=? WHERE account=? AND region=? AND name=?", on, s.account,
                       s.region, name));
    return {};
  }));
  return rows == 0 ? Changed::kNotFound : Changed::kYes;
}

Result<Made> Store::create_stream(int64_t group, std::string_view name, int64_t now_ms) {
  int64_t rows = 0;
  TRY(db_.write([&](Tx& tx) -> Result<void> {
    rows =
        TRY(tx.exec("INSERT INTO log_stream(group_id, name, created_ms) VALUES(?,?,?) ON CONFLICT(group_id, name) DO NOTHING",
                    group, name, now_ms));
    return {};
  }));
  return rows == 0 ? Made::kExisted : Made::kNew;
}

Result<Changed> Store::delete_stream(int64_t group, std::string_view name, const std::function<void(int64_t id)>& deleted) {
  Changed changed = Changed::kYes;
  TRY(db_.write(
      [&](Tx& tx) -> Result<void> {
        const std::optional<int64_t> id = TRY(tx.num("SELECT id FROM log_stream WHERE group_id=? AND name=?", group, name));
        if (!id) {
          changed = Changed::kNotFound;
          return {};
        }
        TRY(tx.exec("DELETE FROM log_stream WHERE id=?", *id));
        tx.after_commit([&deleted, id] { deleted(*id); });
        return {};
      },
      state::WriteKind::kFree));
  return changed;
}

Result<std::optional<StreamRow>> Store::stream(int64_t group, std::string_view name) {
  std::optional<StreamRow> out;
  TRY(db_.read([&](Tx& tx) {
    return tx.query(
        "SELECT id, name, created_ms FROM log_stream WHERE group_id=? AND name=?",
        [&](const Row& r) { return out = stream_row(r), false; }, group, name);
  }));
  return out;
}

Result<std::vector<StreamRow>> Store::streams(int64_t group, const NameQuery& q) {
  std::vector<StreamRow> out;
  TRY(db_.read([&](Tx& tx) {
    return tx.query(
        "SELECT id, name, created_ms FROM log_stream WHERE group_id=? AND name>=? AND name<? AND name>? ORDER BY name LIMIT ?",
        [&](const Row& r) { return out.push_back(stream_row(r)), true; }, group, q.prefix, after_prefix(q.prefix), q.after,
        sql_limit(q.limit));
  }));
  return out;
}

Result<Tags> Store::tags(int64_t group) {
  Tags out;
  TRY(db_.read([&](Tx& tx) {
    return tx.query(
        "SELECT key, value FROM log_tag WHERE group_id=?", [&](const Row& r) { return out[r.text(0)] = r.text(1), true; },
        group);
  }));
  return out;
}

Result<Changed> Store::add_tags(int64_t group, const Tags& tags) {
  Changed changed = Changed::kYes;
  const Result<void> done = db_.write([&](Tx& tx) -> Result<void> {
    TRY(insert_tags(tx, group, tags));
    if (TRY(tx.num("SELECT count(*) FROM log_tag WHERE group_id=?", group)) > static_cast<int64_t>(limits::kTagsPerResource)) {
      changed = Changed::kTooMany;
      return Error::exhausted("too many tags");  // undoes the inserts
    }
    return {};
  });
  if (!done.ok() && changed == Changed::kTooMany) return changed;
  if (!done.ok() && done.error().kind() == ErrorKind::kConflict) return Changed::kNotFound;  // the group went meanwhile
  TRY(done);
  return changed;
}

Result<void> Store::remove_tags(int64_t group, const std::vector<std::string>& keys) {
  return db_.write([&](Tx& tx) -> Result<void> {
    for (const std::string& key : keys) TRY(tx.exec("DELETE FROM log_tag WHERE group_id=? AND key=?", group, key));
    return {};
  });
}

Result<std::vector<GroupRow>> Store::groups_with_retention() {
  std::vector<GroupRow> out;
  static const std::string sql = std::string(kGroupColumns) + "WHERE retention_days>0";
  TRY(db_.read([&](Tx& tx) { return tx.query(sql, [&](const Row& r) { return out.push_back(group_row(r)), true; }); }));
  return out;
}

Result<std::vector<int64_t>> Store::all_stream_ids() {
  std::vector<int64_t> out;
  TRY(db_.read([&](Tx& tx) {
    return tx.query("SELECT id FROM log_stream ORDER BY id", [&](const Row& r) { return out.push_back(r.num(0)), true; });
  }));
  return out;
}

}  // namespace savia::logs
