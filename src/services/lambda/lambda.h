// The Lambda service's control plane: functions, versions, aliases, permissions, tags, layers, and Invoke.
//
// It owns the rows (store.h), the zips and the folders unpacked from them (code_store.h), and tells the engine what may be
// invoked (function_spec.h). An operation validates, prepares folders, commits rows and pushes the new spec to the engine
// before it answers, so what was answered is what the next request runs. A kill at any instruction leaves either all of an
// upload or nothing: rows come last, folders and blobs that no row names are swept at start.
//
// Threads: bodies run on control-plane threads; two operations on the same function wait for each other. Invoke runs on the
// front's loop and never blocks. One worker thread runs accepted events (Invoke with InvocationType Event) and clears up.
//
// It must not: run functions (engine/), check who may call (the front), know HTTP.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "services/lambda/function_spec.h"
#include "state/blobs.h"
#include "state/database.h"

namespace savia::lambda {

struct LambdaOptions {
  std::string data_dir;  // code/ and opt/ live below it
  // A URL for Code.Location and Content.Location; `path` begins with Lambda::kDownloadPrefix. aws::Front::presign_get.
  std::function<Result<std::string>(std::string_view path, const aws::CallContext& context)> presign;
  const Clock* clock = nullptr;  // null: the real one
  Random* random = nullptr;      // null: the kernel's
};

class Lambda {
 public:
  static constexpr std::string_view kDownloadPrefix = "/_savia/lambda/code";

  // All outlive it. Sweeps what no row names.
  static Result<std::unique_ptr<Lambda>> create(state::Database& db, state::Blobs& blobs, FunctionEngine& engine,
                                                LambdaOptions options);
  ~Lambda();
  Lambda(const Lambda&) = delete;
  Lambda& operator=(const Lambda&) = delete;

  static std::vector<state::Migration> migrations();
  std::vector<aws::Operation> operations();

  // Pushes every function to the engine (unpacking code whose folder is gone) and begins to run waiting events.
  Result<void> start();
  void stop();  // before the engine drains; events that are under way stay in the store and run after the next start

  // The file behind a path below kDownloadPrefix.
  Result<std::string> download_file(std::string_view path) const;
  // Digests of the blobs that rows need, for state::Blobs::collect.
  Result<std::vector<std::string>> used_blobs();
  // After Database::wipe(): forgets what is in memory and deletes the folders. The engine is reset by the caller first.
  Result<void> reset();

 private:
  explicit Lambda(std::unique_ptr<class Control> control);
  std::unique_ptr<class Control> control_;
};

}  // namespace savia::lambda
