// Group commit.
//
// A durable commit costs one fdatasync of the write-ahead log, 0.1-0.3 ms on a common disk, whatever it carries. So the
// writer thread takes all requests that wait, runs them in one transaction and syncs once; while it syncs, the next group
// gathers. One client sees the latency of a sync, sixty-four see about the same and share it.
//
//   queue: a b c ──> BEGIN; SAVEPOINT a RELEASE; SAVEPOINT b ROLLBACK TO (b failed); SAVEPOINT c RELEASE; COMMIT
//                    └─ hooks of a, answer a · answer b with its error · hooks of c, answer c
//
// Each request runs inside its own savepoint: a failing one is undone alone. What may fail the whole group is the disk:
//   - SQLite undoes the transaction by itself (full disk, I/O error) in the middle of request n: requests before n in this
//     group were not committed, so they and n are answered with the error; those after n get a new transaction.
//   - COMMIT fails: the transaction is rolled back, and all that had succeeded are answered with the error.
// Nothing is answered before its group is on disk, so an answer never promises what a crash could take back.
//
// The write-ahead log is folded into the main file by a checkpoint thread with a connection of its own (PASSIVE: it waits
// for nobody and nobody waits for it) once it is longer than kWalCheckpointBytes. Under writes that never pause such a
// checkpoint never reaches the log's end, and SQLite starts the log over only from there. So when the thread is done, the
// writer folds in the few pages that came meanwhile, between two groups. Starting over matters: a log that is written
// again in place costs half of a sync that also makes the file longer (112 µs against 236 µs, ext4). Above kWalHardBytes,
// when the checkpoint thread cannot keep up, the writer does all of it.
#include "state/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "state/connection.h"
#include "state/disk_guard.h"
#include "state/migrate.h"
#include "state/writer.h"

namespace savia::state {
namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// Makes the file with its final mode before SQLite sees it: the log and shared-memory files copy that mode.
Result<void> make_private(const std::string& path, int extra_flags) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | extra_flags, 0600);
  if (fd < 0) return Error::from_errno(errno, "open " + path);
  const int rc = ::fchmod(fd, 0600);
  const int err = errno;
  ::close(fd);
  if (rc != 0) return Error::from_errno(err, "chmod " + path);
  return {};
}

Result<void> sync_path(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return Error::from_errno(errno, "open " + path);
  const int rc = ::fsync(fd);
  const int err = errno;
  ::close(fd);
  if (rc != 0) return Error::from_errno(err, "fsync " + path);
  return {};
}

}  // namespace

// Reader connections: made when needed, the warmest lent first, few kept while idle.
class ReaderPool {
 public:
  ReaderPool(std::string path, size_t max) : path_(std::move(path)), max_(max) {}

  Result<std::unique_ptr<Connection>> take() {
    {
      std::unique_lock lock(mutex_);
      freed_.wait(lock, [&] { return !idle_.empty() || lent_ < max_; });
      ++lent_;
      if (!idle_.empty()) {
        auto c = std::move(idle_.back());
        idle_.pop_back();
        return c;
      }
    }
    auto made = Connection::open(path_, ConnectionMode::kReader);
    if (!made.ok()) give(nullptr);
    return made;
  }

  void give(std::unique_ptr<Connection> c) {
    {
      std::lock_guard lock(mutex_);
      --lent_;
      if (c != nullptr && idle_.size() < limits::kIdleReaders) idle_.push_back(std::move(c));
    }
    freed_.notify_one();
  }

 private:
  const std::string path_;
  const size_t max_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  size_t lent_ = 0;
};

class DatabaseImpl final : public Database {
 public:
  DatabaseImpl(std::string path, std::unique_ptr<Connection> writer, const DatabaseOptions& options)
      : path_(std::move(path)),
        connection_(std::move(writer)),
        guard_(folder_of(path_), options.disk_reserve_bytes),
        readers_(path_, options.max_readers) {
    sqlite3_wal_hook(
        connection_->handle(),
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<DatabaseImpl*>(self)->wal_bytes_ = static_cast<int64_t>(pages) * 4096;
          return SQLITE_OK;
        },
        this);
    writer_ = std::thread([this] { writer_main(); });
    checkpointer_ = std::thread([this] { checkpointer_main(); });
  }

  ~DatabaseImpl() override {
    queue_.stop();
    writer_.join();
    {
      std::lock_guard lock(checkpoint_mutex_);
      checkpoint_stop_ = true;
    }
    checkpoint_wake_.notify_one();
    checkpointer_.join();
  }

  Result<void> write(const WriteFn& fn, WriteKind kind) override {
    CHECK(std::this_thread::get_id() != writer_.get_id());  // it would wait for itself
    WriteRequest request;
    request.fn = &fn;
    request.kind = kind;
    queue_.push(&request);
    std::unique_lock lock(request.mutex);
    request.answered.wait(lock, [&] { return request.is_answered; });
    return std::move(request.outcome);
  }

  void write_async(WriteFn fn, std::function<void(Result<void>)> done, WriteKind kind) override {
    auto* request = new WriteRequest;  // deleted by answer()
    request->owned_fn = std::move(fn);
    request->fn = &request->owned_fn;
    request->done = std::move(done);
    request->kind = kind;
    queue_.push(request);
  }

  Result<void> read(const ReadFn& fn) override {
    std::unique_ptr<Connection> c = TRY(readers_.take());
    Result<void> out = c->run("BEGIN");
    if (out.ok()) {
      Tx tx(*c);
      out = fn(tx);
      if (!c->run("COMMIT").ok() && c->in_transaction()) c.reset();  // a connection in doubt is not lent again
    }
    readers_.give(std::move(c));
    return out;
  }

  Result<void> backup_to(const std::string& path) override { return copy_database(path_, path); }

  Result<void> wipe() override {
    return write(
        [](Tx& tx) -> Result<void> {
          TRY(tx.exec("PRAGMA defer_foreign_keys=ON"));
          std::vector<std::string> tables;
          // sqlite_sequence stays: numbers that name things outside the database (folders) are never given twice.
          TRY(tx.query(
              "SELECT name FROM sqlite_master WHERE type='table' AND name<>'schema' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
              [&](const Row& row) { return tables.push_back(row.text(0)), true; }));
          for (const std::string& name : tables) TRY(tx.exec("DELETE FROM \"" + name + "\""));
          return {};
        },
        WriteKind::kFree);
  }

  DatabaseStats stats() const override { return {writes_.load(), commits_.load(), failed_.load()}; }

 private:
  void writer_main() {
    std::vector<WriteRequest*> taken;
    while (queue_.take(taken)) {
      size_t next = 0;
      while (next < taken.size()) next = run_group(taken, next);
      request_checkpoint();
    }
  }

  // Runs requests from `first` on in one transaction and answers them; answers where the next group starts.
  size_t run_group(const std::vector<WriteRequest*>& all, size_t first) {
    const size_t end = std::min(all.size(), first + limits::kGroupCommitRequests);
    Result<void> begun = connection_->run("BEGIN IMMEDIATE");
    if (!begun.ok()) {
      for (size_t i = first; i < end; ++i) all[i]->outcome = begun;
      return answer_group(all, first, end), end;
    }
    const Result<void> room = guard_.check();
    for (size_t i = first; i < end; ++i) {
      WriteRequest& r = *all[i];
      if (!room.ok() && r.kind == WriteKind::kGrow) {
        r.outcome = room;
      } else {
        run_request(r);
      }
      if (connection_->in_transaction()) continue;
      fail_group(all, first, i + 1, r.outcome);  // the transaction is gone, and with it what ran before
      return answer_group(all, first, i + 1), i + 1;
    }
    Result<void> committed = connection_->run("COMMIT");
    if (committed.ok()) {
      commits_.fetch_add(1, std::memory_order_relaxed);
    } else {
      if (connection_->in_transaction()) (void)connection_->run("ROLLBACK");
      fail_group(all, first, end, committed);
    }
    return answer_group(all, first, end), end;
  }

  // One request inside its savepoint. Where even undoing fails, the transaction is given up: the caller sees it closed.
  void run_request(WriteRequest& r) {
    r.outcome = connection_->run("SAVEPOINT request");
    if (!r.outcome.ok()) return give_up();
    Tx tx(*connection_);
    r.outcome = (*r.fn)(tx);
    if (!connection_->in_transaction()) {
      if (r.outcome.ok()) r.outcome = Error::internal("the transaction was undone");
      return;
    }
    if (!r.outcome.ok() && !connection_->run("ROLLBACK TO request").ok()) return give_up();
    if (Result<void> released = connection_->run("RELEASE request"); !released.ok()) {
      if (r.outcome.ok()) r.outcome = released;
      return give_up();
    }
    if (r.outcome.ok()) r.hooks = std::move(tx.after_commit_);
  }

  void give_up() {
    if (connection_->in_transaction()) (void)connection_->run("ROLLBACK");
  }

  static void fail_group(const std::vector<WriteRequest*>& all, size_t first, size_t end, const Result<void>& why) {
    for (size_t i = first; i < end; ++i) {
      if (!all[i]->outcome.ok()) continue;
      all[i]->outcome = why;
      all[i]->hooks.clear();
    }
  }

  // Hooks in commit order, each request's before its answer.
  void answer_group(const std::vector<WriteRequest*>& all, size_t first, size_t end) {
    for (size_t i = first; i < end; ++i) {
      WriteRequest& r = *all[i];
      (r.outcome.ok() ? writes_ : failed_).fetch_add(1, std::memory_order_relaxed);
      for (auto& hook : r.hooks) hook();
      if (r.done) {
        r.done(std::move(r.outcome));
        delete &r;
        continue;
      }
      std::lock_guard lock(r.mutex);
      r.is_answered = true;
      r.answered.notify_one();  // under the lock: the request dies with the caller's stack frame
    }
  }

  void request_checkpoint() {
    const int64_t bytes = wal_bytes_.load(std::memory_order_relaxed);
    if (bytes < limits::kWalCheckpointBytes) return;
    if (checkpoint_finish_.exchange(false) || bytes >= limits::kWalHardBytes) {
      sqlite3_wal_checkpoint_v2(connection_->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
      wal_bytes_ = 0;  // until the next commit tells
      return;
    }
    {
      std::lock_guard lock(checkpoint_mutex_);
      if (checkpoint_wanted_) return;
      checkpoint_wanted_ = true;
    }
    checkpoint_wake_.notify_one();
  }

  // The connection lives only while there is something to fold in, so an idle server does not pay for it.
  void checkpointer_main() {
    std::unique_lock lock(checkpoint_mutex_);
    while (true) {
      checkpoint_wake_.wait(lock, [&] { return checkpoint_wanted_ || checkpoint_stop_; });
      if (checkpoint_stop_) return;
      lock.unlock();
      auto c = Connection::open(path_, ConnectionMode::kWriter);
      int rc = SQLITE_OK;
      if (c.ok()) rc = sqlite3_wal_checkpoint_v2((*c)->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
      if (!c.ok()) {
        log_warn("state.checkpoint", {{"error", c.error().message()}});
      } else if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        log_warn("state.checkpoint", {{"error", (*c)->error(rc).message()}});
      }
      c = Error::internal("closed");
      lock.lock();
      checkpoint_finish_ = rc == SQLITE_OK;
      checkpoint_wanted_ = false;
    }
  }

  const std::string path_;
  std::unique_ptr<Connection> connection_;  // the writer thread's
  DiskGuard guard_;
  ReaderPool readers_;
  WriteQueue queue_;
  std::atomic<int64_t> wal_bytes_{0};
  std::atomic<int64_t> writes_{0};
  std::atomic<int64_t> commits_{0};
  std::atomic<int64_t> failed_{0};
  std::atomic<bool> checkpoint_finish_{false};
  std::mutex checkpoint_mutex_;
  std::condition_variable checkpoint_wake_;
  bool checkpoint_wanted_ = false;
  bool checkpoint_stop_ = false;
  std::thread writer_;
  std::thread checkpointer_;
};

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const std::vector<Migration>& migrations,
                                                 const DatabaseOptions& options) {
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);  // refused once SQLite runs, which is as good: it only saves a lock
  TRY(make_private(path, 0));
  auto connection = TRY(Connection::open(path, ConnectionMode::kWriter));
  TRY_CONTEXT(migrate(*connection, migrations), path);
  return std::unique_ptr<Database>(std::make_unique<DatabaseImpl>(path, std::move(connection), options));
}

Result<void> copy_database(const std::string& from, const std::string& to) {
  TRY(make_private(to, O_EXCL));
  auto copy = [&]() -> Result<void> {
    auto c = TRY(Connection::open(from, ConnectionMode::kWriter));
    auto lease = TRY(c->prepare("VACUUM INTO ?"));
    sqlite3_bind_text(lease.stmt, 1, to.data(), static_cast<int>(to.size()), SQLITE_STATIC);
    const int rc = sqlite3_step(lease.stmt);
    if (rc != SQLITE_DONE) return c->error(rc, "back up to " + to);
    TRY(sync_path(to, O_RDONLY));
    return sync_path(folder_of(to), O_RDONLY | O_DIRECTORY);
  };
  Result<void> out = copy();
  if (!out.ok()) ::unlink(to.c_str());
  return out;
}

}  // namespace savia::state
