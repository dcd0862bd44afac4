// CloudWatch Logs: groups, streams, events, retention and tags, and the place where functions' output goes.
//
// Owns the tables log_group, log_stream and log_tag (store.h) and a folder of append-only segments, one sub-folder a stream
// (stream_log.h). Events are never rows. A copy of the folder taken at any time is a valid backup of it.
//
// Threads: operations run on control-plane threads and may block on the disk. append() (ports::LogSink) never does: it moves
// lines into a bounded buffer, whose own thread writes them (intake.h), within a few milliseconds of their arrival. A keeper
// thread syncs those writes once a second, removes expired segments and what deleted streams left. PutLogEvents is answered
// after its own fdatasync.
//
// What survives: kill -9 loses no line that a reader could have seen; power loss at most the last second of functions' lines,
// and nothing of an answered PutLogEvents.
//
// Must not: wait for the disk in append(), hold the table's lock while writing rows (stream_table.h), answer events that
// retention has ended even if their segment is still there.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "base/clock.h"
#include "ports/log_sink.h"
#include "state/database.h"

namespace savia::logs {

struct LogsStats {
  int64_t lines = 0;    // of functions, written
  int64_t dropped = 0;  // of functions, because the buffer or the disk was full
};

class Logs : public ports::LogSink {
 public:
  // `folder` is made when it does not exist. The database must outlive the object, and no operation may run when it goes.
  static Result<std::unique_ptr<Logs>> open(state::Database& db, const std::string& folder, const Clock& clock);
  static std::vector<state::Migration> migrations();

  virtual std::vector<aws::Operation> operations() = 0;
  virtual void flush() = 0;   // waits until all lines appended so far can be read
  virtual void reset() = 0;   // after Database::wipe(): forgets and removes everything
  virtual void expire() = 0;  // what the keeper thread does once a minute
  virtual LogsStats stats() const = 0;
};

}  // namespace savia::logs
