// All SQL of the Lambda service. Rows hold what an answer shows as JSON (FunctionConfiguration, layer versions), and beside it
// what is looked for: digests, versions, names.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "codec/value.h"
#include "services/lambda/names.h"
#include "state/database.h"

namespace savia::lambda {

struct LayerUse {
  std::string arn;     // of the version
  std::string digest;  // of its zip
  int64_t size = 0;
  int64_t unpacked = 0;
};

// One version of a function; `version` 0 is $LATEST.
struct VersionRow {
  int64_t version = 0;
  Value config;  // FunctionConfiguration without the State and LastUpdateStatus members, FunctionArn unqualified for $LATEST
  std::string code;              // digest of the zip
  int64_t unpacked = 0;          // bytes of the code
  std::string spec_revision;     // changes with code, layers and configuration; RevisionId also with policy and tags
  std::vector<LayerUse> layers;  // in order
};

struct FunctionRow {
  std::string account, region, name;
  int64_t last_version = 0;
  std::string published_spec;  // spec_revision that the last published version was made from
  std::optional<int64_t> reserved_concurrency;
  Value tags;  // object
};

struct AliasRow {
  std::string name, version, description, revision;
  Value routing;  // AdditionalVersionWeights: object of version -> weight, or null
};

struct StatementRow {
  std::string sid;
  Value statement;
};

struct LayerVersionRow {
  std::string account, region, name;
  int64_t version = 0;
  Value config;  // LayerVersionsListItem
  std::string digest;
  int64_t size = 0;
  int64_t unpacked = 0;
};

// The resource policy of a layer version; one without statements has an empty revision.
struct LayerPolicyRow {
  std::string revision;
  std::vector<Value> statements;
};

struct EventRow {
  int64_t id = 0;
  std::string account, region, name, qualifier, request_id, trace_id, client_context, payload;
  int64_t failures = 0;   // times that the function answered an error
  int64_t deferrals = 0;  // times that it could not be run
  int64_t created_ms = 0;
};

std::vector<state::Migration> store_migrations();

// Each takes a transaction; those that change need one of Database::write.
namespace store {

using state::Tx;

Result<std::optional<FunctionRow>> function(Tx& tx, const FunctionRef& f);
Result<void> insert_function(Tx& tx, const FunctionRow& row, int64_t now_ms);
Result<void> update_function(Tx& tx, const FunctionRow& row);
Result<void> delete_function(Tx& tx, const FunctionRef& f);  // with versions, aliases, statements and waiting events
Result<std::vector<FunctionRow>> functions(Tx& tx);          // of every account and region
// Names from `after` on (exclusive), at most `limit`.
Result<std::vector<std::string>> function_names(Tx& tx, const std::string& account, const std::string& region,
                                                const std::string& after, int64_t limit);
Result<int64_t> reserved_sum(Tx& tx, const std::string& account, const std::string& region, const std::string& but_name);

Result<std::optional<VersionRow>> version(Tx& tx, const FunctionRef& f, int64_t version);
Result<void> put_version(Tx& tx, const FunctionRef& f, const VersionRow& row);
Result<bool> delete_version(Tx& tx, const FunctionRef& f, int64_t version);
Result<std::vector<VersionRow>> versions(Tx& tx, const FunctionRef& f, int64_t after,
                                         int64_t limit);  // ascending, after: exclusive

Result<std::optional<AliasRow>> alias(Tx& tx, const FunctionRef& f, const std::string& name);
Result<void> put_alias(Tx& tx, const FunctionRef& f, const AliasRow& row);
Result<bool> delete_alias(Tx& tx, const FunctionRef& f, const std::string& name);
Result<std::vector<AliasRow>> aliases(Tx& tx, const FunctionRef& f, const std::string& after, int64_t limit);

// `qualifier`: "" for the function itself.
Result<std::vector<StatementRow>> statements(Tx& tx, const FunctionRef& f, const std::string& qualifier);
Result<void> insert_statement(Tx& tx, const FunctionRef& f, const std::string& qualifier, const StatementRow& row);
Result<bool> delete_statement(Tx& tx, const FunctionRef& f, const std::string& qualifier, const std::string& sid);

Result<int64_t> next_layer_version(Tx& tx, const LayerRef& layer);  // counts up; numbers of deleted versions do not come back
Result<void> insert_layer_version(Tx& tx, const LayerVersionRow& row);
Result<std::optional<LayerVersionRow>> layer_version(Tx& tx, const LayerRef& layer);
Result<bool> delete_layer_version(Tx& tx, const LayerRef& layer);  // with its policy
Result<LayerPolicyRow> layer_policy(Tx& tx, const LayerRef& layer);
Result<void> put_layer_policy(Tx& tx, const LayerRef& layer, const LayerPolicyRow& row);
Result<std::vector<LayerVersionRow>> layer_versions(Tx& tx, const LayerRef& layer, int64_t before,
                                                    int64_t limit);  // newest first
Result<std::vector<std::string>> layer_names(Tx& tx, const std::string& account, const std::string& region,
                                             const std::string& after,
                                             int64_t limit);  // of layers that have versions

struct Usage {
  int64_t functions = 0;
  int64_t code_bytes = 0;  // zips of all versions and layer versions
};
Result<Usage> usage(Tx& tx, const std::string& account, const std::string& region);
// Digests of every zip that a version or layer version needs, and of every ordered list of more than one layer.
struct Digests {
  std::set<std::string> zips;
  std::set<std::vector<std::string>> layer_lists;
};
Result<Digests> digests(Tx& tx);

Result<void> insert_event(Tx& tx, const EventRow& event, int64_t due_ms);
Result<std::vector<int64_t>> due_events(Tx& tx, int64_t now_ms, int64_t limit);  // ids
Result<std::optional<EventRow>> event(Tx& tx, int64_t id);
Result<std::optional<int64_t>> next_due(Tx& tx, int64_t after_ms);
Result<void> delete_event(Tx& tx, int64_t id);
Result<void> defer_event(Tx& tx, int64_t id, int64_t failures, int64_t deferrals, int64_t due_ms);

}  // namespace store
}  // namespace savia::lambda
