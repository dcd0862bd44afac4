#include "services/logs/stream_table.h"

#include "base/limits.h"

namespace savia::logs {
namespace {

std::string name_key(const Scope& scope, const std::string& group, const std::string& stream) {
  std::string key;
  key.reserve(scope.account.size() + scope.region.size() + group.size() + stream.size() + 3);
  key.append(scope.account).append(1, '\0').append(scope.region).append(1, '\0').append(group).append(1, '\0').append(stream);
  return key;
}

}  // namespace

StreamPtr StreamTable::open_locked(int64_t id) {
  StreamPtr& p = by_id_[id];
  if (p == nullptr) p = std::make_shared<StreamLog>(root_, id, files_, guard_);
  return p;
}

Result<StreamPtr> StreamTable::find(const Scope& scope, const std::string& group, const std::string& stream) {
  const std::string key = name_key(scope, group, stream);
  std::lock_guard lock(mutex_);
  auto it = by_name_.find(key);
  if (it != by_name_.end()) {
    auto open = by_id_.find(it->second);
    if (open != by_id_.end()) return open->second;
    by_name_.erase(it);  // forgotten or deleted: ask the rows
  }
  const std::optional<GroupRow> g = TRY(store_.group(scope, group));
  if (!g) return StreamPtr();
  const std::optional<StreamRow> s = TRY(store_.stream(g->id, stream));
  if (!s) return StreamPtr();
  by_name_[key] = s->id;
  return open_locked(s->id);
}

Result<std::vector<NamedStream>> StreamTable::of_group(int64_t group, const NameQuery& query) {
  std::lock_guard lock(mutex_);
  std::vector<NamedStream> out;
  for (StreamRow& row : TRY(store_.streams(group, query)))
    out.push_back({std::move(row.name), row.created_ms, open_locked(row.id)});
  return out;
}

Result<StreamPtr> StreamTable::of_group(int64_t group, const std::string& stream) {
  std::lock_guard lock(mutex_);
  const std::optional<StreamRow> row = TRY(store_.stream(group, stream));
  return row ? open_locked(row->id) : StreamPtr();
}

void StreamTable::deleted(const std::vector<int64_t>& ids) {
  std::lock_guard lock(mutex_);
  for (const int64_t id : ids) {
    const StreamPtr p = open_locked(id);  // one that was never opened may have files too
    p->mark_deleted();
    deleted_.push_back(p);
    by_id_.erase(id);
  }
}

std::vector<StreamPtr> StreamTable::take_deleted() {
  std::lock_guard lock(mutex_);
  return std::exchange(deleted_, {});
}

std::vector<StreamPtr> StreamTable::loaded() {
  std::lock_guard lock(mutex_);
  std::vector<StreamPtr> out;
  out.reserve(by_id_.size());
  for (const auto& [id, p] : by_id_) out.push_back(p);
  return out;
}

void StreamTable::forget_idle() {
  std::lock_guard lock(mutex_);
  if (by_id_.size() <= limits::kLogStreamsInMemory) return;
  // Only the table holds it, so nobody can be about to write through it.
  std::erase_if(by_id_, [](const auto& entry) { return entry.second.use_count() == 1 && entry.second->idle(); });
  std::erase_if(by_name_, [&](const auto& entry) { return !by_id_.contains(entry.second); });
}

void StreamTable::clear() {
  std::lock_guard lock(mutex_);
  for (auto& [id, p] : by_id_) {
    p->mark_deleted();
    deleted_.push_back(p);
  }
  by_id_.clear();
  by_name_.clear();
}

}  // namespace savia::logs
