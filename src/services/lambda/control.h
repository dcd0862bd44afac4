// The insides of the control plane: one method an operation, one .cc a noun. Private to this folder.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "lambda_keys.h"
#include "services/lambda/code_store.h"
#include "services/lambda/events.h"
#include "services/lambda/lambda.h"
#include "services/lambda/names.h"
#include "services/lambda/store.h"

namespace savia::lambda {

using aws::CallContext;
using aws::Fault;
using aws::Outcome;
using state::Tx;

// Which of the transitions that AWS shows an answer is in. Savia's are over when the answer leaves; a client that waits sees
// the end at its first look.
enum class ShownState { kNone, kCreating, kActive, kUpdating };
Value show(const VersionRow& row, ShownState state);

class Control {
 public:
  Control(state::Database& db, FunctionEngine& engine, std::unique_ptr<CodeStore> code, LambdaOptions options);

  Result<void> start();
  void stop();
  Result<void> reset();
  Result<void> sweep();
  CodeStore& code() { return *code_; }
  state::Database& db() { return db_; }

  // functions.cc
  Outcome create_function(const CallContext& c, const Value& in);
  Outcome get_function(const CallContext& c, const Value& in);
  Outcome get_function_configuration(const CallContext& c, const Value& in);
  Outcome delete_function(const CallContext& c, const Value& in);
  Outcome list_functions(const CallContext& c, const Value& in);
  // updates.cc
  Outcome update_function_code(const CallContext& c, const Value& in);
  Outcome update_function_configuration(const CallContext& c, const Value& in);
  // versions.cc
  Outcome publish_version(const CallContext& c, const Value& in);
  Outcome list_versions_by_function(const CallContext& c, const Value& in);
  // aliases.cc
  Outcome create_alias(const CallContext& c, const Value& in);
  Outcome get_alias(const CallContext& c, const Value& in);
  Outcome update_alias(const CallContext& c, const Value& in);
  Outcome delete_alias(const CallContext& c, const Value& in);
  Outcome list_aliases(const CallContext& c, const Value& in);
  // permissions.cc
  Outcome add_permission(const CallContext& c, const Value& in);
  Outcome remove_permission(const CallContext& c, const Value& in);
  Outcome get_policy(const CallContext& c, const Value& in);
  // tags.cc
  Outcome tag_resource(const CallContext& c, const Value& in);
  Outcome untag_resource(const CallContext& c, const Value& in);
  Outcome list_tags(const CallContext& c, const Value& in);
  // layers.cc
  Outcome publish_layer_version(const CallContext& c, const Value& in);
  Outcome list_layers(const CallContext& c, const Value& in);
  Outcome list_layer_versions(const CallContext& c, const Value& in);
  Outcome get_layer_version(const CallContext& c, const Value& in);
  Outcome get_layer_version_by_arn(const CallContext& c, const Value& in);
  Outcome delete_layer_version(const CallContext& c, const Value& in);
  // layer_policy.cc
  Outcome add_layer_version_permission(const CallContext& c, const Value& in);
  Outcome remove_layer_version_permission(const CallContext& c, const Value& in);
  Outcome get_layer_version_policy(const CallContext& c, const Value& in);
  // account.cc
  Outcome get_account_settings(const CallContext& c, const Value& in);
  Outcome put_function_concurrency(const CallContext& c, const Value& in);
  Outcome get_function_concurrency(const CallContext& c, const Value& in);
  Outcome delete_function_concurrency(const CallContext& c, const Value& in);
  // invoke.cc
  void invoke(const CallContext& c, Value in, std::unique_ptr<aws::Responder> responder);

 private:
  // control.cc. A transaction whose callback answers as an operation does; a fault rolls back.
  template <class F>
  Outcome write(F&& fn, state::WriteKind kind = state::WriteKind::kGrow) {
    return run(fn, [&](const state::Database::WriteFn& w) { return db_.write(w, kind); });
  }
  template <class F>
  Outcome read(F&& fn) {
    return run(fn, [&](const state::Database::ReadFn& r) { return db_.read(r); });
  }
  template <class F, class Run>
  Outcome run(F&& fn, Run&& run_it) {
    std::optional<Outcome> out;
    Result<void> done = run_it([&](Tx& tx) -> Result<void> {
      out.emplace(fn(tx));
      if (!out->ok()) return Error::conflict("refused");
      return {};
    });
    if (out && !out->ok()) return std::move(*out);
    if (!done.ok()) return Fault(done.error());
    return std::move(*out);
  }

  // Two operations on one function run one after the other.
  std::unique_lock<std::mutex> lock_function(const FunctionRef& f) {
    return std::unique_lock(locks_[std::hash<std::string>()(f.key()) % locks_.size()]);
  }
  std::string new_id() { return new_uuid(random_); }
  // Of a change that is going on. Its end gives $LATEST another RevisionId: the one shown here is no longer good then, as on
  // AWS.
  Value show_going_on(const VersionRow& row, ShownState state) {
    Value v = show(row, state);
    if (row.version == 0) v.set(k::RevisionId, new_id());
    return v;
  }
  Result<std::string, Fault> download_url(const CallContext& c, const std::string& digest);

  // Rows that an operation cannot do without; else AWS's fault.
  Result<FunctionRow, Fault> need_function(Tx& tx, const FunctionRef& f);
  Result<VersionRow, Fault> need_version(Tx& tx, const FunctionRef& f);  // by qualifier: number, alias or $LATEST

  // What the engine needs of a version: folders held, so that they stay while anything runs from them.
  struct Folders {
    TreeHold code, opt;
  };
  Result<Folders> folders(const VersionRow& row);
  FunctionSpec make_spec(const FunctionRef& f, const VersionRow& row, Folders folders) const;
  // After a commit, in commit order: the engine and the index of names.
  void tell_version(const FunctionRef& f, const VersionRow& row, Folders folders);
  void tell_alias(const FunctionRef& f, const AliasRow& row);
  void forget(const FunctionRef& f, const std::string& qualifier);  // "" for all

  // config.cc
  Result<CodeStore::Zip, Fault> take_zip(std::string_view zip);
  std::optional<Fault> check_create(const CallContext& c, const Value& in);
  std::optional<Fault> check_update(const CallContext& c, const Value& in);
  Result<VersionRow, Fault> new_version_row(const CallContext& c, const FunctionRef& f, const Value& in,
                                            const CodeStore::Zip& zip);
  std::optional<Fault> apply_configuration(const CallContext& c, const Value& in, VersionRow& row);
  Result<std::vector<LayerUse>, Fault> resolve_layers(const CallContext& c, const Value::List& arns);
  void set_code(VersionRow& row, const CodeStore::Zip& zip);
  static void set_layers(VersionRow& row, std::vector<LayerUse> layers);
  static std::optional<Fault> check_unpacked(const VersionRow& row);

  // versions.cc: makes the next version from $LATEST inside a transaction.
  Result<VersionRow, Fault> publish(Tx& tx, const FunctionRef& f, FunctionRow& function, const VersionRow& latest,
                                    const Value& in);

  // permissions.cc, tags.cc: policy and tags are part of what RevisionId stands for.
  Result<std::string, Fault> revision_of(Tx& tx, const FunctionRef& f);
  Result<void, Fault> renew_revision(Tx& tx, const FunctionRef& f);
  Result<FunctionRef, Fault> tagged_function(const CallContext& c, const Value& in);

  // layers.cc
  Outcome show_layer_version(const CallContext& c, const LayerVersionRow& row);
  Outcome find_layer_version(const CallContext& c, const LayerRef& layer);

  // layer_policy.cc
  Result<LayerRef, Fault> shared_layer(const CallContext& c, const Value& in);
  Result<bool> may_use_layer(Tx& tx, const CallContext& c, const LayerRef& layer);

  // invoke.cc
  enum class Known { kYes, kNoFunction, kNoQualifier };
  Known known(const FunctionRef& f) const;
  void invoke_now(const FunctionRef& f, ports::InvokeRequest request, std::unique_ptr<aws::Responder> responder);
  void invoke_later(ports::InvokeRequest request, std::unique_ptr<aws::Responder> responder);

  state::Database& db_;
  FunctionEngine& engine_;
  std::unique_ptr<CodeStore> code_;
  LambdaOptions options_;
  const Clock& clock_;
  Random& random_;
  std::array<std::mutex, 64> locks_;
  // Names that can be invoked, for the loop, which may not read the store: function key -> versions and aliases.
  Guarded<std::unordered_map<std::string, std::set<std::string, std::less<>>>> names_;
  EventQueue events_;
};

// Paging over names or numbers: Marker is the last key of the page before, in base64 so that nobody builds on its form.
struct Page {
  std::string after;
  int64_t limit = 0;
};
Result<Page, Fault> page_of(const Value& in, int64_t most);
// Puts NextMarker when `items` holds one more than the page; drops that one. `keys` run along with items.
void end_page(Value& out, Value::List& items, const std::vector<std::string>& keys, const Page& page);

}  // namespace savia::lambda
