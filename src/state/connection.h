// One SQLite connection with its prepared statements; internal to src/state. Not thread-safe: the writer thread owns one,
// each reader borrows one for the length of a read.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace savia::state {

enum class ConnectionMode { kWriter, kReader };

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, ConnectionMode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // A statement ready to bind. One that is being stepped (a callback runs the same text again) is never handed out twice:
  // the second user gets a fresh one that is dropped after use.
  struct Lease {
    sqlite3_stmt* stmt = nullptr;
    bool temporary = false;
    Lease() = default;
    Lease(Lease&& o) noexcept : stmt(std::exchange(o.stmt, nullptr)), temporary(o.temporary) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
  };
  Result<Lease> prepare(std::string_view sql);
  Result<void> run(std::string_view sql);       // a cached statement without parameters or rows
  Result<void> script(const std::string& sql);  // several statements, not cached
  Error error(int rc, std::string_view doing = {}) const;
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  sqlite3* handle() const { return db_; }

 private:
  explicit Connection(sqlite3* db) : db_(db) {}
  void drop_statements();
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  sqlite3* db_;
  std::unordered_map<std::string, sqlite3_stmt*, Hash, std::equal_to<>> statements_;
};

}  // namespace savia::state
