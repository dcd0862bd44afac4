// Host names to addresses without blocking a loop: one thread asks the system's resolver, answers are kept for a while.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "net/loop.h"

namespace savia::net {

class Resolver {
 public:
  Resolver() = default;
  ~Resolver();  // waits for a question that is being asked

  // The numeric address itself, "localhost", or what is remembered.
  std::optional<std::string> known(const std::string& host);
  // `done` runs on `loop`, which must outlive this object or be stopped.
  void resolve(const std::string& host, Loop& loop, std::function<void(Result<std::string>)> done);

 private:
  static constexpr int64_t kKeepMs = 30'000;
  static constexpr size_t kRemembered = 1024;
  struct Question {
    std::string host;
    Loop* loop;
    std::function<void(Result<std::string>)> done;
  };
  struct Entry {
    std::string ip;
    int64_t until_us;
  };
  void work();

  std::mutex mutex_;  // of everything below
  std::condition_variable wake_;
  std::deque<Question> questions_;
  std::map<std::string, Entry> remembered_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace savia::net
