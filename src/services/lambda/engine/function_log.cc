#include "services/lambda/engine/function_log.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/limits.h"

namespace savia::lambda {
namespace {

// A turn of the loop spends at most this much on one pipe; a function over its limit gets it only every kOverLimitMs, so
// that the full pipe slows the function down and not the server.
constexpr size_t kTurnBytes = 256 * 1024;
constexpr int64_t kOverLimitMs = 20;
constexpr size_t kFlushLines = 512;
constexpr size_t kFrameHead = 16;

uint32_t be32(const char* p) {
  const auto* b = reinterpret_cast<const unsigned char*>(p);
  return (static_cast<uint32_t>(b[0]) << 24) | (static_cast<uint32_t>(b[1]) << 16) | (static_cast<uint32_t>(b[2]) << 8) | b[3];
}

bool frame_begins(std::string_view s) {
  static constexpr char kMagic[] = {'\xa5', '\x5a', '\x00'};
  return s.substr(0, 3) == std::string_view(kMagic, std::min<size_t>(3, s.size()));
}

}  // namespace

void FunctionLog::set_target(std::shared_ptr<const FunctionSpec> spec, std::string stream) {
  spec_ = std::move(spec);
  stream_ = std::move(stream);
  group_ = spec_->log_group.empty() ? "/aws/lambda/" + spec_->name : spec_->log_group;
}

void FunctionLog::begin_invocation(bool keep_tail) {
  keep_tail_ = keep_tail;
  tail_.clear();
  lines_seen_ = bytes_seen_ = 0;
  dropped_ = 0;
}

// CloudWatch keeps the line feed of a line of text, and none of an event in JSON (recorded); the tail always has it.
void FunctionLog::push(int64_t timestamp_ms, std::string message) {
  const bool text = spec_->log_format != "JSON";
  if (text) message += '\n';
  if (keep_tail_) {
    tail_ += message;
    if (!text) tail_ += '\n';
    if (tail_.size() > limits::kLogTailBytes) tail_.erase(0, tail_.size() - limits::kLogTailBytes);
  }
  lines_.push_back({timestamp_ms, std::move(message)});
}

void FunctionLog::add_platform(int64_t timestamp_ms, std::string message) {
  if (spec_ != nullptr) push(timestamp_ms, std::move(message));
}

void FunctionLog::add_output(int64_t timestamp_ms, std::string_view message) {
  if (spec_ == nullptr) return;  // a pooled runtime has nothing to say
  if (lines_seen_ >= limits::kLogLinesPerInvocation || bytes_seen_ + message.size() > limits::kLogBytesPerInvocation) {
    ++dropped_;
    return;
  }
  ++lines_seen_;
  bytes_seen_ += message.size();
  push(timestamp_ms, std::string(message));
  if (lines_.size() >= kFlushLines) flush();
}

int64_t FunctionLog::end_invocation() {
  const int64_t dropped = dropped_;
  if (dropped > 0) {
    add_platform(loop_.now_ms(), "savia: " + std::to_string(dropped) +
                                     " further log lines of this invocation were dropped (limit: " +
                                     std::to_string(limits::kLogLinesPerInvocation) + " lines, " +
                                     std::to_string(limits::kLogBytesPerInvocation) + " bytes)");
  }
  lines_seen_ = bytes_seen_ = 0;  // what comes between invocations is counted anew
  dropped_ = 0;
  return dropped;
}

void FunctionLog::flush() {
  if (lines_.empty()) return;
  sink_.append(spec_->account, spec_->region, group_, stream_, std::move(lines_));
  lines_.clear();
}

LogPipe::LogPipe(net::Loop& loop, FunctionLog& log, os::Fd fd) : loop_(loop), log_(log), fd_(std::move(fd)) {}

LogPipe::~LogPipe() {
  if (again_ != 0) loop_.cancel(again_);
  if (fd_) loop_.remove(fd_.get());
}

void LogPipe::on_io(uint32_t) {
  if (again_ != 0) return;  // it has its appointment
  if (read_some(kTurnBytes)) schedule();
}

void LogPipe::schedule() {
  if (again_ != 0) return;
  again_ = loop_.after(log_.over_limit() ? kOverLimitMs : 1, [this] {
    again_ = 0;
    if (read_some(kTurnBytes)) schedule();
  });
}

void LogPipe::drain() {
  if (!log_.over_limit() && read_some(kTurnBytes)) schedule();
}

void LogPipe::finish() {
  read_some(4 * kTurnBytes);
  if (!rest_.empty() && !frame_begins(rest_)) log_.add_output(loop_.now_ms(), rest_);
  rest_.clear();
}

bool LogPipe::read_some(size_t budget) {
  if (!fd_) return false;
  char buffer[16 * 1024];
  while (budget > 0) {
    const ssize_t n = ::read(fd_.get(), buffer, std::min(sizeof buffer, budget));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      loop_.remove(fd_.get());
      fd_.reset();
      return false;
    }
    consume({buffer, static_cast<size_t>(n)});
    if (static_cast<size_t>(n) < sizeof buffer) return false;  // emptied: the next write brings an edge
    budget -= static_cast<size_t>(n);
  }
  return true;
}

void LogPipe::consume(std::string_view bytes) {
  if (!rest_.empty()) {
    rest_.append(bytes);
    bytes = rest_;
  }
  const int64_t now = loop_.now_ms();
  size_t at = 0;
  while (at < bytes.size()) {
    std::string_view left = bytes.substr(at);
    if (left.size() >= 3 ? frame_begins(left) : (left[0] == '\xa5' && frame_begins(left))) {
      if (left.size() < kFrameHead) break;
      const uint32_t size = be32(left.data() + 4);
      if (size <= limits::kLogLineBytes * 4) {
        if (left.size() < kFrameHead + size) break;
        int64_t us = 0;
        for (int i = 0; i < 8; ++i) us = (us << 8) | static_cast<unsigned char>(left[8 + static_cast<size_t>(i)]);
        std::string_view message = left.substr(kFrameHead, std::min<size_t>(size, limits::kLogLineBytes));
        if (!message.empty() && message.back() == '\n') message.remove_suffix(1);
        const int64_t ms = us / 1000;
        log_.add_output(ms > now - 60'000 && ms < now + 60'000 ? ms : now, message);
        at += kFrameHead + size;
        continue;
      }
    }
    const size_t end = left.find('\n');
    if (end == std::string_view::npos) {
      if (left.size() < limits::kLogLineBytes) break;
      log_.add_output(now, left.substr(0, limits::kLogLineBytes));
      at += limits::kLogLineBytes;
      continue;
    }
    log_.add_output(now, left.substr(0, std::min(end, limits::kLogLineBytes)));
    at += end + 1;
  }
  std::string rest(bytes.substr(at));
  rest_ = std::move(rest);
}

}  // namespace savia::lambda
