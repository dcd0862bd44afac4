// What functions write to stdout: lines and telemetry frames, in pieces; no input may make a log that is larger than itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "services/lambda/engine/function_log.h"

namespace {

class Sink final : public savia::ports::LogSink {
 public:
  void append(std::string_view, std::string_view, std::string_view, std::string_view,
              std::vector<savia::ports::LogLine> lines) override {
    for (const savia::ports::LogLine& line : lines) bytes += line.message.size();
  }
  size_t bytes = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto loop = savia::net::Loop::create().value();
  if (size == 0) return 0;
  Sink sink;
  savia::lambda::FunctionLog log(*loop, sink);
  log.set_target(std::make_shared<savia::lambda::FunctionSpec>(), "s");
  savia::lambda::LogPipe pipe(*loop, log, savia::os::Fd());
  const size_t step = 1 + data[0] % 64;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (!text.empty()) {
    pipe.consume(text.substr(0, step));
    text.remove_prefix(std::min(step, text.size()));
  }
  pipe.finish();
  log.flush();
  if (sink.bytes > size) std::abort();
  return 0;
}
