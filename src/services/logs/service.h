// The service's parts and operation bodies; internal to services/logs. One .cc a noun: groups, streams, events, tags.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "services/logs/event_merge.h"
#include "services/logs/file_cache.h"
#include "services/logs/intake.h"
#include "services/logs/logs.h"
#include "services/logs/store.h"
#include "services/logs/stream_table.h"
#include "state/disk_guard.h"

namespace savia::logs {

using aws::CallContext;
using aws::Fault;
using aws::Outcome;

class Service final : public Logs {
 public:
  Service(state::Database& db, std::string folder, const Clock& clock);
  ~Service() override;

  std::vector<aws::Operation> operations() override;
  void append(std::string_view account, std::string_view region, std::string_view group, std::string_view stream,
              std::vector<ports::LogLine> lines) override {
    intake_->append(account, region, group, stream, std::move(lines));
  }
  void flush() override { intake_->flush(); }
  void reset() override;
  void expire() override;
  LogsStats stats() const override { return {intake_->stats().lines, intake_->stats().dropped}; }

 private:
  // groups.cc
  Outcome create_group(const CallContext& c, const Value& in);
  Outcome delete_group(const CallContext& c, const Value& in);
  Outcome describe_groups(const CallContext& c, const Value& in);
  Outcome list_groups(const CallContext& c, const Value& in);
  Outcome put_retention(const CallContext& c, const Value& in);
  Outcome delete_retention(const CallContext& c, const Value& in);
  Outcome put_deletion_protection(const CallContext& c, const Value& in);
  Result<Value> describe_group(const CallContext& c, const GroupRow& group, bool with_details);
  // streams.cc
  Outcome create_stream(const CallContext& c, const Value& in);
  Outcome delete_stream(const CallContext& c, const Value& in);
  Outcome describe_streams(const CallContext& c, const Value& in);
  // events.cc
  Outcome put_events(const CallContext& c, const Value& in);
  Outcome get_events(const CallContext& c, const Value& in);
  Outcome filter_events(const CallContext& c, const Value& in);
  Result<std::vector<NamedStream>, Fault> streams_to_filter(const GroupRow& group, const Value& in);
  // tags.cc
  Outcome tag_group(const CallContext& c, const Value& in);
  Outcome untag_group(const CallContext& c, const Value& in);
  Outcome list_tags_of_group(const CallContext& c, const Value& in);
  Outcome tag_resource(const CallContext& c, const Value& in);
  Outcome untag_resource(const CallContext& c, const Value& in);
  Outcome list_tags_for_resource(const CallContext& c, const Value& in);
  Outcome add_tags(const CallContext& c, const GroupRow& group, const Value& in);
  Outcome tags_of(const GroupRow& group);

  // The group that logGroupName or logGroupIdentifier (name or ARN) names.
  Result<GroupRow, Fault> group_of(const CallContext& c, const Value& in);
  Result<GroupRow, Fault> group_named(const CallContext& c, std::string_view name_or_arn);

  void keeper_main();
  void sync_streams();
  void remove_deleted();
  void sweep_orphans();
  void wake_keeper(bool written);

  const std::string folder_;
  const Clock& clock_;
  Store store_;
  FileCache files_;
  state::DiskGuard guard_;
  StreamTable table_;

  std::mutex keeper_mutex_;
  std::condition_variable keeper_wake_;
  bool unsynced_ = false;
  bool has_deleted_ = false;
  bool stop_ = false;
  std::thread keeper_;
  std::unique_ptr<Intake> intake_;
};

// requests.cc: what several operations need.
Scope scope_of(const CallContext& c);
std::string group_arn(const CallContext& c, std::string_view name);  // without ":*"
Fault group_not_found();
Fault stream_not_found();
Fault invalid_parameter(std::string message);
Fault invalid_token();
// Names longer than limits::kLogNameChars, which the service refuses in words of its own.
std::optional<Fault> check_names(const Value& in);
// The fault for arguments that ask for what is not built: 501, naming the first.
std::optional<Fault> refuse(const CallContext& c, const Value& in, std::initializer_list<std::string_view> members);
// Opaque page tokens that carry a text of ours and are refused when they are not.
std::string make_token(std::string_view kind, std::string_view text);
std::optional<std::string> read_token(std::string_view kind, std::string_view token);
int64_t retention_start_ms(const GroupRow& group, int64_t now_ms);  // older events are gone
Tags tags_in(const Value& map);

}  // namespace savia::logs
