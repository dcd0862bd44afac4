#include "services/logs/intake.h"

#include <algorithm>
#include <chrono>

#include "base/limits.h"
#include "base/log.h"

namespace savia::logs {
namespace {

constexpr size_t kMaxMessage = limits::kLogEventBytes - limits::kLogEventOverheadBytes;

// Longer lines become several events, cut between characters.
void split_line(const ports::LogLine& line, std::vector<NewEvent>& out) {
  std::string_view rest = line.message;
  while (rest.size() > kMaxMessage) {
    size_t cut = kMaxMessage;
    while (cut > kMaxMessage - 4 && (static_cast<unsigned char>(rest[cut]) & 0xC0) == 0x80) --cut;
    out.push_back({line.timestamp_ms, rest.substr(0, cut)});
    rest.remove_prefix(cut);
  }
  out.push_back({line.timestamp_ms, rest});
}

}  // namespace

Intake::Intake(Store& store, StreamTable& table, const Clock& clock, std::function<void()> written)
    : store_(store), table_(table), clock_(clock), written_(std::move(written)), thread_([this] { run(); }) {}

Intake::~Intake() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Intake::append(std::string_view account, std::string_view region, std::string_view group, std::string_view stream,
                    std::vector<ports::LogLine> lines) {
  if (lines.empty()) return;
  size_t bytes = 0;
  for (const auto& l : lines) bytes += l.message.size() + sizeof(ports::LogLine);
  Batch batch{{{std::string(account), std::string(region)}, std::string(group), std::string(stream)}, std::move(lines)};
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (waiting_bytes_ + bytes > limits::kLogBufferBytes) {
      const auto count = static_cast<int64_t>(batch.lines.size());
      dropped_.fetch_add(count, std::memory_order_relaxed);
      auto it = lost_.find(batch.target);
      if (it != lost_.end()) it->second += count;
      if (it == lost_.end() && lost_.size() < limits::kLogLostStreams) lost_.emplace(std::move(batch.target), count);
      return;
    }
    waiting_bytes_ += bytes;
    ++appended_;
    waiting_.push_back(std::move(batch));
    wake = !gathering_ || waiting_bytes_ > limits::kLogGatherBytes;
  }
  if (wake) wake_.notify_one();
}

void Intake::flush() {
  std::unique_lock lock(mutex_);
  const uint64_t until = appended_;
  hurry_ = true;
  wake_.notify_one();
  emptied_.wait(lock, [&] { return finished_ >= until; });
}

void Intake::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    hurry_ = false;
    std::vector<Batch> batches = std::exchange(waiting_, {});
    std::map<Target, int64_t> lost = std::exchange(lost_, {});
    lock.unlock();

    std::map<Target, std::vector<const ports::LogLine*>> by_target;
    for (const Batch& b : batches) {
      auto& lines = by_target[b.target];
      for (const auto& l : b.lines) lines.push_back(&l);
    }
    for (const auto& [target, count] : lost) by_target[target];
    for (const auto& [target, lines] : by_target) {
      auto it = lost.find(target);
      write(target, lines, it == lost.end() ? 0 : it->second);
    }
    written_();

    lock.lock();
    for (const Batch& b : batches) {
      for (const auto& l : b.lines) waiting_bytes_ -= l.message.size() + sizeof(ports::LogLine);
    }
    finished_ += batches.size();
    emptied_.notify_all();
    // The first lines after a rest are written at once; those behind them gather, or each would cost a switch to this thread.
    gathering_ = true;
    wake_.wait_for(lock, std::chrono::milliseconds(limits::kLogGatherMs),
                   [&] { return stop_ || hurry_ || waiting_bytes_ > limits::kLogGatherBytes; });
    gathering_ = false;
  }
}

void Intake::write(const Target& target, const std::vector<const ports::LogLine*>& lines, int64_t dropped) {
  ports::LogLine notice;
  std::vector<const ports::LogLine*> all = lines;
  if (dropped > 0) {
    notice.timestamp_ms = lines.empty() ? clock_.now_ms() : lines.back()->timestamp_ms;
    notice.message =
        "[savia] " + std::to_string(dropped) + " log lines were dropped: they came faster than the disk takes them";
    all.push_back(&notice);
  }
  const Result<void> done = write_lines(target, all);
  if (done.ok()) {
    lines_.fetch_add(static_cast<int64_t>(lines.size()), std::memory_order_relaxed);
    return;
  }
  dropped_.fetch_add(static_cast<int64_t>(lines.size()), std::memory_order_relaxed);
  log_warn("logs.intake.dropped",
           {{"group", target.group}, {"lines", std::to_string(lines.size())}, {"error", done.error().message()}});
  std::lock_guard lock(mutex_);
  if (lost_.size() < limits::kLogLostStreams) lost_[target] += dropped + static_cast<int64_t>(lines.size());
}

Result<StreamPtr> Intake::find_or_create(const Target& t) {
  StreamPtr log = TRY(table_.find(t.scope, t.group, t.stream));
  if (log != nullptr) return log;
  std::optional<GroupRow> group = TRY(store_.group(t.scope, t.group));
  if (!group) {
    TRY(store_.create_group(t.scope, t.group, clock_.now_ms(), {}, false));
    group = TRY(store_.group(t.scope, t.group));
    if (!group) return Error::conflict("the log group was deleted");
  }
  TRY(store_.create_stream(group->id, t.stream, clock_.now_ms()));
  log = TRY(table_.find(t.scope, t.group, t.stream));
  if (log == nullptr) return Error::conflict("the log stream was deleted");
  return log;
}

// A stream that is deleted between look-up and write is made anew, as AWS does for functions that go on logging.
Result<void> Intake::write_lines(const Target& target, const std::vector<const ports::LogLine*>& lines) {
  std::vector<NewEvent> events;
  for (const auto* l : lines) split_line(*l, events);
  size_t at = 0;
  int attempts = 0;
  while (at < events.size()) {
    const StreamPtr log = TRY(find_or_create(target));
    size_t bytes = 0;
    size_t end = at;
    while (end < events.size() && (end == at || bytes + events[end].message.size() <= limits::kLogBatchBytes)) {
      bytes += events[end++].message.size() + kRecordHeaderBytes + kRecordFixedBytes;
    }
    Result<void> done = log->append({events.data() + at, end - at}, clock_.now_ms());
    if (!done.ok() && done.error().kind() == ErrorKind::kNotFound && ++attempts < 3) continue;
    TRY(done);
    at = end;
  }
  return {};
}

}  // namespace savia::logs
