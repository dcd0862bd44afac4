// What one environment writes: lines of its function and of the platform, collected into events of its log stream, bounded
// per invocation so that a function that writes without end harms only its own log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/loop.h"
#include "os/fd.h"
#include "ports/log_sink.h"
#include "services/lambda/function_spec.h"

namespace savia::lambda {

class FunctionLog {
 public:
  FunctionLog(net::Loop& loop, ports::LogSink& sink) : loop_(loop), sink_(sink) {}
  void set_target(std::shared_ptr<const FunctionSpec> spec, std::string stream);
  const std::string& stream() const { return stream_; }

  void begin_invocation(bool keep_tail);
  void add_output(int64_t timestamp_ms, std::string_view message);  // the function's; counted against the limits
  void add_platform(int64_t timestamp_ms, std::string message);     // ours; always kept
  bool over_limit() const { return dropped_ > 0; }
  // Says how many lines were dropped, if any; returns their number.
  int64_t end_invocation();
  std::string take_tail() { return std::move(tail_); }
  void flush();
  bool has_lines() const { return !lines_.empty(); }

 private:
  void push(int64_t timestamp_ms, std::string message);

  net::Loop& loop_;
  ports::LogSink& sink_;
  std::shared_ptr<const FunctionSpec> spec_;  // shared with the environment; null before a function is known
  std::string group_, stream_;
  std::vector<ports::LogLine> lines_;
  std::string tail_;
  bool keep_tail_ = false;
  size_t lines_seen_ = 0, bytes_seen_ = 0;
  int64_t dropped_ = 0;
};

// Reads one pipe (stdout or stderr) into a FunctionLog: lines, and frames of the telemetry format
// (u32 0xa55a0003 or 0xa55a0002 with level bits, i32 length, i64 microseconds, big-endian, then the message).
class LogPipe final : public net::IoHandler {
 public:
  LogPipe(net::Loop& loop, FunctionLog& log, os::Fd fd);
  ~LogPipe() override;
  void on_io(uint32_t events) override;
  void drain();   // everything that is there now, within the budget of one turn
  void finish();  // as drain(), then what is left of an unfinished line
  void consume(std::string_view bytes);

 private:
  bool read_some(size_t budget);  // true when more may be there
  void schedule();

  net::Loop& loop_;
  FunctionLog& log_;
  os::Fd fd_;
  std::string rest_;  // an unfinished line or frame
  net::TimerId again_ = 0;
};

}  // namespace savia::lambda
