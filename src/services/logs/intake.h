// Lines of functions on their way to the disk: a bounded buffer that never makes its producer wait, and the thread that
// empties it into segments.
//
// append() costs a lock and a move. The thread takes all that waits, at most once in limits::kLogGatherMs, so under load many
// lines become one write(2) per stream; an idle one sleeps. What does not fit into limits::kLogBufferBytes, or what the disk
// refuses, is dropped and counted, and the stream gets a line that says how many as soon as it can be written.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "ports/log_sink.h"
#include "services/logs/store.h"
#include "services/logs/stream_table.h"

namespace savia::logs {

struct IntakeStats {
  int64_t lines = 0;
  int64_t dropped = 0;
};

class Intake {
 public:
  // `written` is told after lines have reached the page cache and want a sync.
  Intake(Store& store, StreamTable& table, const Clock& clock, std::function<void()> written);
  ~Intake();  // writes what waits
  void append(std::string_view account, std::string_view region, std::string_view group, std::string_view stream,
              std::vector<ports::LogLine> lines);
  void flush();  // waits until everything appended so far can be read or was dropped
  IntakeStats stats() const { return {lines_.load(), dropped_.load()}; }

 private:
  struct Target {
    Scope scope;
    std::string group;
    std::string stream;
    auto key() const { return std::tie(scope.account, scope.region, group, stream); }
    bool operator<(const Target& o) const { return key() < o.key(); }
  };
  struct Batch {
    Target target;
    std::vector<ports::LogLine> lines;
  };

  void run();
  void write(const Target& target, const std::vector<const ports::LogLine*>& lines, int64_t dropped);
  Result<StreamPtr> find_or_create(const Target& target);
  Result<void> write_lines(const Target& target, const std::vector<const ports::LogLine*>& lines);

  Store& store_;
  StreamTable& table_;
  const Clock& clock_;
  const std::function<void()> written_;
  std::atomic<int64_t> lines_{0};
  std::atomic<int64_t> dropped_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable emptied_;
  std::vector<Batch> waiting_;
  std::map<Target, int64_t> lost_;  // lines dropped since the stream was last told
  size_t waiting_bytes_ = 0;
  uint64_t appended_ = 0;  // batches ever
  uint64_t finished_ = 0;
  bool gathering_ = false;  // the thread wakes by itself soon
  bool hurry_ = false;      // flush() waits
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace savia::logs
