#include "services/logs/logs.h"

#include <dirent.h>

#include <algorithm>
#include <chrono>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"
#include "services/logs/service.h"

namespace savia::logs {

Result<std::unique_ptr<Logs>> Logs::open(state::Database& db, const std::string& folder, const Clock& clock) {
  TRY_CONTEXT(os::make_dirs(folder, 0700), "open the log store");
  return std::unique_ptr<Logs>(std::make_unique<Service>(db, folder, clock));
}

std::vector<state::Migration> Logs::migrations() {
  return Store::migrations();
}

Service::Service(state::Database& db, std::string folder, const Clock& clock)
    : folder_(std::move(folder)),
      clock_(clock),
      store_(db),
      guard_(folder_),
      table_(folder_, store_, files_, guard_),
      intake_(std::make_unique<Intake>(store_, table_, clock, [this] { wake_keeper(true); })) {
  keeper_ = std::thread([this] { keeper_main(); });
}

Service::~Service() {
  intake_.reset();  // writes what waits
  {
    std::lock_guard lock(keeper_mutex_);
    stop_ = true;
  }
  keeper_wake_.notify_one();
  keeper_.join();
  sync_streams();
}

// One row an operation: its body stands in the file of its noun.
std::vector<aws::Operation> Service::operations() {
  auto body = [this](Outcome (Service::*member)(const CallContext&, const Value&)) {
    return [this, member](const CallContext& c, const Value& in) -> Outcome {
      if (auto fault = check_names(in)) return *fault;
      return (this->*member)(c, in);
    };
  };
  return {
      {"CreateLogGroup", body(&Service::create_group)},
      {"CreateLogStream", body(&Service::create_stream)},
      {"DeleteLogGroup", body(&Service::delete_group)},
      {"DeleteLogStream", body(&Service::delete_stream)},
      {"DeleteRetentionPolicy", body(&Service::delete_retention)},
      {"DescribeLogGroups", body(&Service::describe_groups)},
      {"DescribeLogStreams", body(&Service::describe_streams)},
      {"FilterLogEvents", body(&Service::filter_events)},
      {"GetLogEvents", body(&Service::get_events)},
      {"ListLogGroups", body(&Service::list_groups)},
      {"ListTagsForResource", body(&Service::list_tags_for_resource)},
      {"ListTagsLogGroup", body(&Service::list_tags_of_group)},
      {"PutLogEvents", body(&Service::put_events)},
      {"PutLogGroupDeletionProtection", body(&Service::put_deletion_protection)},
      {"PutRetentionPolicy", body(&Service::put_retention)},
      {"TagLogGroup", body(&Service::tag_group)},
      {"TagResource", body(&Service::tag_resource)},
      {"UntagLogGroup", body(&Service::untag_group)},
      {"UntagResource", body(&Service::untag_resource)},
  };
}

void Service::reset() {
  intake_->flush();
  table_.clear();
  remove_deleted();
  sweep_orphans();
}

void Service::wake_keeper(bool written) {
  {
    std::lock_guard lock(keeper_mutex_);
    (written ? unsynced_ : has_deleted_) = true;
  }
  keeper_wake_.notify_one();
}

// Sleeps while there is nothing to sync, remove or expire.
void Service::keeper_main() {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  sweep_orphans();
  auto next_expiry = steady_clock::now() + milliseconds(limits::kLogExpireMs);
  std::unique_lock lock(keeper_mutex_);
  while (!stop_) {
    keeper_wake_.wait_until(lock, next_expiry, [&] { return stop_ || unsynced_ || has_deleted_; });
    if (std::exchange(has_deleted_, false)) {
      lock.unlock();
      remove_deleted();
      lock.lock();
    }
    if (unsynced_ && !stop_) {
      keeper_wake_.wait_for(lock, milliseconds(limits::kLogSyncMs), [&] { return stop_; });
      unsynced_ = false;
      lock.unlock();
      sync_streams();
      lock.lock();
    }
    if (steady_clock::now() >= next_expiry && !stop_) {
      lock.unlock();
      expire();
      table_.forget_idle();
      lock.lock();
      next_expiry = steady_clock::now() + milliseconds(limits::kLogExpireMs);
    }
  }
}

void Service::sync_streams() {
  for (const StreamPtr& s : table_.loaded()) {
    if (s->idle()) continue;
    if (auto r = s->sync(); !r.ok()) log_warn("logs.sync", {{"error", r.error().message()}});
  }
}

void Service::remove_deleted() {
  for (const StreamPtr& s : table_.take_deleted()) s->remove_files();
}

// Removes folders of streams that have no row: a kill came between the commit of a deletion and the removal. The folders are
// listed first and a folder is made after its row, so every folder that is seen and has no row is an orphan.
void Service::sweep_orphans() {
  std::vector<int64_t> found;
  if (DIR* dir = ::opendir(folder_.c_str())) {
    while (const dirent* e = ::readdir(dir)) {
      if (const auto id = parse_int(e->d_name); id && *id > 0) found.push_back(*id);
    }
    ::closedir(dir);
  }
  if (found.empty()) return;
  const auto rows = store_.all_stream_ids();
  if (!rows.ok()) return log_warn("logs.sweep", {{"error", rows.error().message()}});
  std::vector<int64_t> orphans;
  std::copy_if(found.begin(), found.end(), std::back_inserter(orphans),
               [&](int64_t id) { return !std::binary_search(rows->begin(), rows->end(), id); });
  table_.deleted(orphans);
  remove_deleted();
}

void Service::expire() {
  const auto groups = store_.groups_with_retention();
  if (!groups.ok()) return log_warn("logs.expire", {{"error", groups.error().message()}});
  for (const GroupRow& g : *groups) {
    const int64_t before_ms = retention_start_ms(g, clock_.now_ms());
    const auto streams = table_.of_group(g.id, NameQuery{});
    if (!streams.ok()) continue;
    for (const NamedStream& s : *streams) s.log->expire(before_ms);
  }
}

}  // namespace savia::logs
