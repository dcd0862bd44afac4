// The server as a whole: the only place that constructs modules and connects them.
//
// Order of start: data folder and its lock; the sandbox helper, forked while there is one thread; the store; services; the
// listeners last, when everything behind them answers. Order of end: listeners stop accepting, requests in flight are
// answered, environments die, services close, the store last.
//
// Threads: the data loop (main thread: first loop of the edge, the Lambda engine and its sandboxes), further edge loops, the
// control loop (AWS front), the control pool, the store's writer, the log writers. The data loop never waits for any other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/config.h"
#include "state/database.h"

namespace savia::server {

class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const Config& config);
  virtual ~Server() = default;
  virtual void run() = 0;  // until SIGTERM or SIGINT; then drains and returns
  // For what people read when it is ready.
  virtual int64_t ready_us() const = 0;      // from the start of the process to listening
  virtual const Config& config() const = 0;  // with the ports that port 0 became
};

// The schemas of every service: whoever opens the store names them all, since state that a program does not know is refused.
std::vector<state::Migration> all_migrations();

}  // namespace savia::server
