// Which StreamLog belongs to which name: at most one object for a stream id, made when first needed, gone for good when the
// stream is deleted.
//
// The rows say which streams exist; this table only remembers. A look-up that misses reads the rows while it holds the table's
// lock, and deletion takes the same lock after its commit: so a stream that was deleted cannot come back through a look-up
// that had read the rows before. Nothing writes rows while it holds the lock (the commit's hook wants it).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/logs/store.h"
#include "services/logs/stream_log.h"

namespace savia::logs {

using StreamPtr = std::shared_ptr<StreamLog>;

struct NamedStream {
  std::string name;
  int64_t created_ms = 0;
  StreamPtr log;
};

class StreamTable {
 public:
  StreamTable(std::string root, Store& store, FileCache& files, state::DiskGuard& guard)
      : root_(std::move(root)), store_(store), files_(files), guard_(guard) {}

  // Null when there is no such group or stream.
  Result<StreamPtr> find(const Scope& scope, const std::string& group, const std::string& stream);
  Result<std::vector<NamedStream>> of_group(int64_t group, const NameQuery& query);
  Result<StreamPtr> of_group(int64_t group, const std::string& stream);

  void deleted(const std::vector<int64_t>& ids);  // after the commit that removed their rows
  std::vector<StreamPtr> take_deleted();          // whose files are to be removed
  std::vector<StreamPtr> loaded();                // all that are in memory
  void forget_idle();                             // keeps memory bounded (limits::kLogStreamsInMemory)
  void clear();                                   // all rows are gone

 private:
  StreamPtr open_locked(int64_t id);

  const std::string root_;
  Store& store_;
  FileCache& files_;
  state::DiskGuard& guard_;
  std::mutex mutex_;
  std::unordered_map<int64_t, StreamPtr> by_id_;
  std::unordered_map<std::string, int64_t> by_name_;  // account, region, group and stream, NUL between
  std::vector<StreamPtr> deleted_;
};

}  // namespace savia::logs
