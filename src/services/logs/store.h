// All SQL of CloudWatch Logs: groups, streams, retention, tags. Events are not rows (stream_log.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "state/database.h"

namespace savia::logs {

// A name space: names are unique in it, and a caller sees no other.
struct Scope {
  std::string account;
  std::string region;
};

struct GroupRow {
  int64_t id = 0;
  std::string name;
  int64_t created_ms = 0;
  int64_t retention_days = 0;  // 0: for ever
  bool deletion_protected = false;
};

struct StreamRow {
  int64_t id = 0;
  std::string name;
  int64_t created_ms = 0;
};

using Tags = std::map<std::string, std::string>;

// How a list of names is narrowed and where its page begins.
struct NameQuery {
  std::string prefix;
  std::string pattern;  // a part of the name, case-sensitive
  std::string after;    // names greater than this
  int64_t limit = 0;    // 0: all
};

enum class Made { kNew, kExisted };
enum class Changed { kYes, kNotFound, kProtected, kTooMany };

class Store {
 public:
  explicit Store(state::Database& db) : db_(db) {}
  static std::vector<state::Migration> migrations();

  Result<Made> create_group(const Scope& scope, std::string_view name, int64_t now_ms, const Tags& tags,
                            bool deletion_protected);
  // `deleted` runs on the writer thread after the commit, with the ids of the group's streams.
  Result<Changed> delete_group(const Scope& scope, std::string_view name,
                               const std::function<void(const std::vector<int64_t>& streams)>& deleted);
  Result<std::optional<GroupRow>> group(const Scope& scope, std::string_view name);
  Result<std::vector<GroupRow>> groups(const Scope& scope, const NameQuery& query);
  Result<Changed> set_retention(const Scope& scope, std::string_view name, int64_t days);
  Result<Changed> set_deletion_protection(const Scope& scope, std::string_view name, bool on);

  Result<Made> create_stream(int64_t group, std::string_view name, int64_t now_ms);
  Result<Changed> delete_stream(int64_t group, std::string_view name, const std::function<void(int64_t id)>& deleted);
  Result<std::optional<StreamRow>> stream(int64_t group, std::string_view name);
  Result<std::vector<StreamRow>> streams(int64_t group, const NameQuery& query);

  Result<Tags> tags(int64_t group);
  Result<Changed> add_tags(int64_t group, const Tags& tags);  // kTooMany: nothing is stored
  Result<void> remove_tags(int64_t group, const std::vector<std::string>& keys);

  Result<std::vector<GroupRow>> groups_with_retention();
  Result<std::vector<int64_t>> all_stream_ids();

 private:
  state::Database& db_;
};

}  // namespace savia::logs
