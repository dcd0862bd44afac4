// The control plane's rows: one SQLite file in WAL mode, synchronous=FULL; one writer thread that takes every waiting
// request into one transaction (group commit), each inside its own savepoint so that one failure harms nobody else; readers
// on connections of their own.
//
//   TRY(db.write([&](Tx& tx) -> Result<void> {
//     TRY(tx.exec("INSERT INTO log_group(account, region, name, created_ms) VALUES(?,?,?,?)", account, region, name, now));
//     tx.after_commit([this, name] { feed_.notify(name); });   // on the writer thread, in commit order, before write() returns
//     return {};
//   }));                                                        // durable when it returns
//   auto row = TRY(db.read([&](Tx& tx) { return tx.one<std::string>("SELECT json FROM fn WHERE name=?", name); }));
//
// A full disk is Error kExhausted ("disk is full: …"); nothing of that request is kept and later requests may succeed. A
// reserve (limits::kDiskReserveBytes) is kept for writes that free something (WriteKind::kFree) and for the log's own growth.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

struct sqlite3_stmt;

namespace savia::state {

// Steps from one schema of a service to the next. Versions start at 1 and only grow; a released step is never edited.
struct Migration {
  std::string_view service;
  int version;
  std::string_view sql;
};

// One row of a running query; columns from 0. Valid until the callback returns.
class Row {
 public:
  explicit Row(sqlite3_stmt* s) : s_(s) {}
  int64_t num(int column) const;
  double real(int column) const;
  std::string text(int column) const;  // text or blob bytes; "" for NULL
  bool is_null(int column) const;

 private:
  sqlite3_stmt* s_;
};

// What can be bound to a '?'. Text is bound as TEXT; Bytes as BLOB.
struct Bytes {
  std::string_view view;
};
class Param {
 public:
  Param(std::nullptr_t) : kind_(Kind::kNull) {}                          // NOLINT(google-explicit-constructor)
  Param(int v) : kind_(Kind::kInt), int_(v) {}                           // NOLINT(google-explicit-constructor)
  Param(int64_t v) : kind_(Kind::kInt), int_(v) {}                       // NOLINT(google-explicit-constructor)
  Param(size_t v) : kind_(Kind::kInt), int_(static_cast<int64_t>(v)) {}  // NOLINT(google-explicit-constructor)
  Param(bool v) : kind_(Kind::kInt), int_(v ? 1 : 0) {}                  // NOLINT(google-explicit-constructor)
  Param(double v) : kind_(Kind::kReal), real_(v) {}                      // NOLINT(google-explicit-constructor)
  Param(std::string_view v) : kind_(Kind::kText), text_(v) {}            // NOLINT(google-explicit-constructor)
  Param(const std::string& v) : kind_(Kind::kText), text_(v) {}          // NOLINT(google-explicit-constructor)
  Param(const char* v) : kind_(Kind::kText), text_(v) {}                 // NOLINT(google-explicit-constructor)
  Param(Bytes v) : kind_(Kind::kBlob), text_(v.view) {}                  // NOLINT(google-explicit-constructor)

 private:
  friend class Tx;
  enum class Kind { kNull, kInt, kReal, kText, kBlob };
  Kind kind_;
  int64_t int_ = 0;
  double real_ = 0;
  std::string_view text_;  // borrowed for the call
};

// A transaction as its callback sees it: statements are prepared once per connection and kept.
class Tx {
 public:
  // Runs a statement; answers the number of changed rows. A broken UNIQUE or PRIMARY KEY is Error kConflict.
  template <class... A>
  Result<int64_t> exec(std::string_view sql, const A&... args) {
    const Param params[] = {Param(args)..., Param(nullptr)};
    return run(sql, params, sizeof...(A), {});
  }
  // Calls `each` per row until it answers false.
  template <class... A>
  Result<void> query(std::string_view sql, const std::function<bool(const Row&)>& each, const A&... args) {
    const Param params[] = {Param(args)..., Param(nullptr)};
    auto r = run(sql, params, sizeof...(A), each);
    if (!r.ok()) return fail(std::move(r).error());
    return {};
  }
  // The first column of the first row as text / number.
  template <class... A>
  Result<std::optional<std::string>> text(std::string_view sql, const A&... args) {
    std::optional<std::string> out;
    auto r = query(
        sql, [&](const Row& row) { return out = row.text(0), false; }, args...);
    if (!r.ok()) return fail(std::move(r).error());
    return out;
  }
  template <class... A>
  Result<std::optional<int64_t>> num(std::string_view sql, const A&... args) {
    std::optional<int64_t> out;
    auto r = query(
        sql, [&](const Row& row) { return out = row.num(0), false; }, args...);
    if (!r.ok()) return fail(std::move(r).error());
    return out;
  }
  // Only inside write(): runs on the writer thread after the commit, in commit order, before the writer is answered.
  void after_commit(std::function<void()> fn);

 private:
  friend class DatabaseImpl;
  explicit Tx(class Connection& c) : connection_(c) {}
  Result<int64_t> run(std::string_view sql, const Param* params, size_t count, const std::function<bool(const Row&)>& each);
  class Connection& connection_;
  std::vector<std::function<void()>> after_commit_;
};

struct DatabaseStats {
  int64_t writes = 0;   // requests that are durable
  int64_t commits = 0;  // transactions that carried them
  int64_t failed = 0;   // requests that were answered with an error
};

// Whether a write may use the last megabytes of the disk: deleting must stay possible when there is no room to create.
enum class WriteKind { kGrow, kFree };

struct DatabaseOptions {
  int64_t disk_reserve_bytes = limits::kDiskReserveBytes;
  size_t max_readers = limits::kReaderConnections;
};

class Database {
 public:
  // Opens or makes the file, runs the missing migrations. State made by a newer program is refused:
  // "state of logs has schema 4, this program (0.1.0) knows 3: use the newer program".
  // The file is private to its owner (0600). Migrations run in one transaction: all of them or none.
  static Result<std::unique_ptr<Database>> open(const std::string& path, const std::vector<Migration>& migrations,
                                                const DatabaseOptions& options = {});
  virtual ~Database() = default;

  using WriteFn = std::function<Result<void>(Tx&)>;
  using ReadFn = std::function<Result<void>(Tx&)>;
  // Any thread but the writer's; blocks until durable. `fn` runs once, on the writer thread, and must be short.
  virtual Result<void> write(const WriteFn& fn, WriteKind kind = WriteKind::kGrow) = 0;
  virtual Result<void> read(const ReadFn& fn) = 0;  // any thread; a consistent view that holds every answered write
  // The same without blocking a thread: `done` runs on the writer thread.
  virtual void write_async(WriteFn fn, std::function<void(Result<void>)> done, WriteKind kind = WriteKind::kGrow) = 0;
  virtual Result<void> backup_to(
      const std::string& path) = 0;  // a consistent, durable copy (VACUUM INTO); no file may be there
  virtual Result<void> wipe() = 0;   // every row of every service table goes; AUTOINCREMENT goes on counting
  virtual DatabaseStats stats() const = 0;
};

// A consistent, durable copy of a database file that another process may have open; for backups beside a running server.
Result<void> copy_database(const std::string& from, const std::string& to);

}  // namespace savia::state
