#include "state/database.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "base/strings.h"
#include "state/disk_guard.h"

namespace savia::state {
namespace {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/savia-state-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const std::vector<Migration> kTables = {{"kv", 1, "CREATE TABLE kv(k TEXT PRIMARY KEY, v INTEGER NOT NULL)"}};

std::unique_ptr<Database> open_kv(const std::string& path, const DatabaseOptions& options = {}) {
  auto db = Database::open(path, kTables, options);
  EXPECT_TRUE(db.ok()) << db.error().message();
  return db.ok() ? std::move(db).value() : nullptr;
}

Result<void> put(Database& db, const std::string& k, int64_t v) {
  return db.write([&](Tx& tx) -> Result<void> {
    TRY(tx.exec("INSERT OR REPLACE INTO kv(k, v) VALUES(?,?)", k, v));
    return {};
  });
}

std::map<std::string, int64_t> all(Database& db) {
  std::map<std::string, int64_t> out;
  auto r = db.read([&](Tx& tx) {
    return tx.query("SELECT k, v FROM kv", [&](const Row& row) { return out[row.text(0)] = row.num(1), true; });
  });
  EXPECT_TRUE(r.ok()) << r.error().message();
  return out;
}

TEST(Database, ParametersAndColumnsKeepTheirKinds) {
  TempFolder dir;
  auto db = Database::open(dir / "a.db", {{"t", 1, "CREATE TABLE t(a, b, c, d, e)"}});
  ASSERT_TRUE(db.ok());
  const std::string bytes("\0x\xff", 3);
  ASSERT_TRUE((*db)
                  ->write([&](Tx& tx) -> Result<void> {
                    EXPECT_EQ(*tx.exec("INSERT INTO t VALUES(?,?,?,?,?)", int64_t{1} << 40, 1.5, "", Bytes{bytes}, nullptr), 1);
                    EXPECT_EQ(tx.exec("INSERT INTO t VALUES(?,?)", 1, 2).error().kind(), ErrorKind::kInternal);
                    EXPECT_EQ(tx.exec("INSERT INTO t(a) VALUES(?)").error().kind(), ErrorKind::kInternal);
                    return {};
                  })
                  .ok());
  int rows = 0;
  ASSERT_TRUE((*db)
                  ->read([&](Tx& tx) {
                    return tx.query("SELECT a, b, c, d, e, typeof(c), typeof(d) FROM t", [&](const Row& row) {
                      EXPECT_EQ(row.num(0), int64_t{1} << 40);
                      EXPECT_EQ(row.real(1), 1.5);
                      EXPECT_FALSE(row.is_null(2));
                      EXPECT_EQ(row.text(3), bytes);
                      EXPECT_TRUE(row.is_null(4));
                      EXPECT_EQ(row.text(5), "text");
                      EXPECT_EQ(row.text(6), "blob");
                      return ++rows, true;
                    });
                  })
                  .ok());
  EXPECT_EQ(rows, 1);
  struct stat st {};
  for (const char* name : {"a.db", "a.db-wal", "a.db-shm"}) {
    ASSERT_EQ(::stat((dir / name).c_str(), &st), 0) << name;
    EXPECT_EQ(st.st_mode & 0777, 0600U) << name;
  }
}

TEST(Database, AFailingRequestHarmsNobodyElse) {
  TempFolder dir;
  auto db = open_kv(dir / "a.db");
  // Holds the writer so that the following requests share one group.
  std::promise<void> gate;
  std::promise<void> entered;
  db->write_async(
      [&](Tx&) -> Result<void> {
        entered.set_value();
        gate.get_future().wait();
        return {};
      },
      [](Result<void>) {});
  entered.get_future().wait();
  std::vector<std::string> order;
  std::atomic<int> answers{0};
  for (int i = 0; i < 10; ++i) {
    db->write_async(
        [&, i](Tx& tx) -> Result<void> {
          TRY(tx.exec("INSERT INTO kv VALUES(?,?)", "k" + std::to_string(i), i));
          tx.after_commit([&order, i] { order.push_back("hook" + std::to_string(i)); });
          if (i == 3) return Error::invalid("no");
          if (i == 5) TRY(tx.exec("INSERT INTO kv VALUES('k4', 1)"));
          return {};
        },
        [&, i](Result<void> r) {
          order.push_back((r.ok() ? "ok" : "error") + std::to_string(i));
          if (i == 5) {
            EXPECT_EQ(r.error().kind(), ErrorKind::kConflict);
          }
          ++answers;
        });
  }
  gate.set_value();
  while (answers < 10) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(all(*db).size(), 8U);
  EXPECT_EQ(db->stats().commits, 2);
  EXPECT_EQ(db->stats().writes, 9);
  EXPECT_EQ(db->stats().failed, 2);
  const std::vector<std::string> expected = {"hook0",  "ok0",   "hook1", "ok1",   "hook2", "ok2",   "error3", "hook4", "ok4",
                                             "error5", "hook6", "ok6",   "hook7", "ok7",   "hook8", "ok8",    "hook9", "ok9"};
  EXPECT_EQ(order, expected);
}

TEST(Database, ManyWritersShareCommits) {
  TempFolder dir;
  auto db = open_kv(dir / "a.db");
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string key = std::to_string(t) + "." + std::to_string(i);
        ASSERT_TRUE(put(*db, key, i).ok());
        // A reader sees what was answered.
        ASSERT_TRUE(db->read([&](Tx& tx) -> Result<void> {
                        EXPECT_EQ(*TRY(tx.num("SELECT v FROM kv WHERE k=?", key)), i);
                        return {};
                      }).ok());
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(all(*db).size(), 800U);
  EXPECT_EQ(db->stats().writes, 800);
  EXPECT_LT(db->stats().commits, 600);
}

TEST(Database, AStatementMayRunInsideItself) {
  TempFolder dir;
  auto db = open_kv(dir / "a.db");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(put(*db, std::to_string(i), i).ok());
  int pairs = 0;
  ASSERT_TRUE(db->read([&](Tx& tx) {
                  return tx.query("SELECT k FROM kv", [&](const Row&) {
                    EXPECT_TRUE(tx.query("SELECT k FROM kv", [&](const Row&) { return ++pairs, true; }).ok());
                    return true;
                  });
                }).ok());
  EXPECT_EQ(pairs, 9);
}

TEST(Database, ReadersCannotWrite) {
  TempFolder dir;
  auto db = open_kv(dir / "a.db");
  auto r = db->read([](Tx& tx) -> Result<void> {
    TRY(tx.exec("DELETE FROM kv"));
    return {};
  });
  EXPECT_FALSE(r.ok());
}

TEST(Database, MigratesForwardAndRefusesNewerState) {
  TempFolder dir;
  std::vector<Migration> v1 = {{"logs", 1, "CREATE TABLE a(x)"}};
  std::vector<Migration> v3 = {{"logs", 3, "INSERT INTO a VALUES(3, 0)"},
                               {"logs", 1, "CREATE TABLE a(x)"},
                               {"logs", 2, "ALTER TABLE a ADD COLUMN y;UPDATE a SET y=1"}};
  ASSERT_TRUE(Database::open(dir / "a.db", v1).ok());
  {
    auto db = Database::open(dir / "a.db", v3);
    ASSERT_TRUE(db.ok()) << db.error().message();
    ASSERT_TRUE((*db)
                    ->read([](Tx& tx) -> Result<void> {
                      EXPECT_EQ(*TRY(tx.num("SELECT version FROM schema WHERE service='logs'")), 3);
                      EXPECT_EQ(*TRY(tx.num("SELECT count(*) FROM a")), 1);
                      return {};
                    })
                    .ok());
  }
  auto old = Database::open(dir / "a.db", v1);
  ASSERT_FALSE(old.ok());
  EXPECT_NE(
      old.error().message().find("state of logs has schema 3, this program (" SAVIA_VERSION ") knows 1: use the newer program"),
      std::string::npos)
      << old.error().message();
  EXPECT_FALSE(Database::open(dir / "a.db", {}).ok());
  EXPECT_FALSE(Database::open(dir / "b.db", {{"x", 2, "CREATE TABLE x(y)"}}).ok());  // step 1 is missing
}

TEST(Database, ABrokenMigrationLeavesTheOldState) {
  TempFolder dir;
  ASSERT_TRUE(Database::open(dir / "a.db", {{"s", 1, "CREATE TABLE a(x)"}}).ok());
  EXPECT_FALSE(
      Database::open(dir / "a.db", {{"s", 1, "CREATE TABLE a(x)"}, {"s", 2, "CREATE TABLE b(x); CREATE TABLE nonsense"}}).ok());
  EXPECT_TRUE(Database::open(dir / "a.db", {{"s", 1, "CREATE TABLE a(x)"}, {"s", 2, "CREATE TABLE b(x)"}}).ok());
}

TEST(Database, BackupIsACopyAndWipeKeepsTheSchema) {
  TempFolder dir;
  auto db = open_kv(dir / "a.db");
  ASSERT_TRUE(put(*db, "a", 1).ok());
  ASSERT_TRUE(db->backup_to(dir / "copy.db").ok());
  EXPECT_EQ(db->backup_to(dir / "copy.db").error().kind(), ErrorKind::kConflict);
  EXPECT_TRUE(std::filesystem::exists(dir / "copy.db"));
  ASSERT_TRUE(db->wipe().ok());
  EXPECT_TRUE(all(*db).empty());
  ASSERT_TRUE(put(*db, "b", 2).ok());
  db.reset();
  EXPECT_EQ(all(*open_kv(dir / "a.db")), (std::map<std::string, int64_t>{{"b", 2}}));
  EXPECT_EQ(all(*open_kv(dir / "copy.db")), (std::map<std::string, int64_t>{{"a", 1}}));
}

TEST(Database, TheLogIsFoldedInUnderConstantWrites) {
  TempFolder dir;
  auto db = Database::open(dir / "a.db", {{"t", 1, "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)"}});
  ASSERT_TRUE(db.ok());
  const std::string block(100'000, 'x');
  int64_t largest = 0;
  for (int i = 0; i < 1500; ++i) {
    ASSERT_TRUE((*db)
                    ->write([&](Tx& tx) -> Result<void> {
                      TRY(tx.exec("INSERT OR REPLACE INTO t VALUES(?,?)", i % 20, Bytes{block}));
                      return {};
                    })
                    .ok());
    largest = std::max<int64_t>(largest, static_cast<int64_t>(std::filesystem::file_size(dir / "a.db-wal")));
  }
  EXPECT_LT(largest, limits::kWalHardBytes + (8 << 20));
}

TEST(DiskGuard, RefusesBelowTheReserve) {
  DiskGuard none("/tmp", 1);
  EXPECT_TRUE(none.check().ok());
  DiskGuard all_of_it("/tmp", int64_t{1} << 60);
  EXPECT_EQ(all_of_it.check().error().kind(), ErrorKind::kExhausted);
}

TEST(Database, BelowTheReserveOnlyWritesThatFreeRun) {
  TempFolder dir;
  ASSERT_TRUE(put(*open_kv(dir / "a.db"), "a", 1).ok());
  DatabaseOptions options;
  options.disk_reserve_bytes = int64_t{1} << 60;
  auto db = open_kv(dir / "a.db", options);
  auto refused = put(*db, "b", 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kExhausted);
  EXPECT_EQ(refused.error().message().rfind("disk is full: ", 0), 0U);
  EXPECT_EQ(all(*db).size(), 1U);
  ASSERT_TRUE(db->write(
                    [](Tx& tx) -> Result<void> {
                      TRY(tx.exec("DELETE FROM kv"));
                      return {};
                    },
                    WriteKind::kFree)
                  .ok());
  EXPECT_EQ(all(*db).size(), 0U);
}

// Writes rows of 64 KiB until the disk refuses; then reads go on, a retry after room was made succeeds, and the file is whole.
void fill_until_refused(const std::string& path, const std::function<void()>& make_room) {
  DatabaseOptions options;
  options.disk_reserve_bytes = 0;
  auto opened = Database::open(path, {{"t", 1, "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB)"}}, options);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  Database& db = **opened;
  const std::string block(65'536, 'x');
  auto insert = [&] {
    return db.write([&](Tx& tx) -> Result<void> {
      TRY(tx.exec("INSERT INTO t(b) VALUES(?)", Bytes{block}));
      return {};
    });
  };
  auto count = [&] {
    int64_t n = -1;
    EXPECT_TRUE(db.read([&](Tx& tx) -> Result<void> {
                    n = *TRY(tx.num("SELECT count(*) FROM t"));
                    return {};
                  }).ok());
    return n;
  };
  int64_t kept = 0;
  Result<void> r;
  while (kept < 2000 && (r = insert()).ok()) ++kept;
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().kind(), ErrorKind::kExhausted) << r.error().message();
  EXPECT_EQ(r.error().message().rfind("disk is full", 0), 0U) << r.error().message();
  EXPECT_EQ(count(), kept);
  EXPECT_FALSE(insert().ok());
  EXPECT_EQ(count(), kept);
  make_room();
  ASSERT_TRUE((r = insert()).ok()) << r.error().message();
  EXPECT_EQ(count(), kept + 1);
  ASSERT_TRUE(db.read([&](Tx& tx) -> Result<void> {
                  EXPECT_EQ(*TRY(tx.text("PRAGMA integrity_check")), "ok");
                  return {};
                }).ok());
}

TEST(Database, AFileSizeLimitIsADiskThatIsFull) {
  TempFolder dir;
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto* handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = old;
  small.rlim_cur = 3 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  fill_until_refused(dir / "a.db", [&] { ::setrlimit(RLIMIT_FSIZE, &old); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  ::signal(SIGXFSZ, handler);
}

TEST(Database, AFullDisk) {
  TempFolder dir;
  if (::mount("savia-test", dir.path().c_str(), "tmpfs", 0, "size=8m") != 0) GTEST_SKIP() << "no right to mount a small tmpfs";
  const std::string ballast = dir / "ballast";
  {
    const int fd = ::open(ballast.c_str(), O_WRONLY | O_CREAT, 0600);
    ASSERT_EQ(::posix_fallocate(fd, 0, 3 << 20), 0);
    ::close(fd);
  }
  fill_until_refused(dir / "a.db", [&] { ::unlink(ballast.c_str()); });
  ::umount2(dir.path().c_str(), MNT_DETACH);
}

// kill -9. A child writes with several threads and journals to a pipe: "+ thread key value" before a write, "= thread" after
// its answer. Whenever it dies, the state is what was answered, plus at most the one write of each thread that was under way.
constexpr int kKillThreads = 4;

[[noreturn]] void kill_child(const std::string& path, int journal, uint64_t seed) {
  auto db = Database::open(path, kTables);
  if (!db.ok()) ::_exit(3);
  std::vector<std::thread> threads;
  for (int t = 0; t < kKillThreads; ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(seed * 100 + static_cast<uint64_t>(t));
      auto say = [&](const std::string& line) {
        if (::write(journal, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(4);
      };
      for (int64_t n = 1;; ++n) {
        const std::string key = std::to_string(t) + "." + std::to_string(random.below(30));
        const int64_t value = random.below(4) == 0 ? 0 : static_cast<int64_t>(seed) * 1'000'000 + n;  // 0 deletes
        say("+ " + std::to_string(t) + " " + key + " " + std::to_string(value) + "\n");
        auto r = (*db)->write([&](Tx& tx) -> Result<void> {
          if (value == 0) TRY(tx.exec("DELETE FROM kv WHERE k=?", key));
          if (value != 0) TRY(tx.exec("INSERT OR REPLACE INTO kv VALUES(?,?)", key, value));
          return {};
        });
        if (!r.ok()) ::_exit(5);
        say("= " + std::to_string(t) + "\n");
      }
    });
  }
  for (auto& t : threads) t.join();
  ::_exit(0);
}

using State = std::map<std::string, int64_t>;
struct Pending {
  std::string key;
  int64_t value = -1;  // -1: nothing under way
};

void replay(const std::string& journal, State& state, std::vector<Pending>& pending) {
  for (std::string_view line : split(journal, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() < 2) continue;
    Pending& p = pending[static_cast<size_t>(*parse_int(words[1]))];
    if (words[0] == "+" && words.size() == 4) p = {std::string(words[2]), *parse_int(words[3])};
    if (words[0] == "=") {
      if (p.value == 0) state.erase(p.key);
      if (p.value != 0) state[p.key] = p.value;
      p.value = -1;
    }
  }
}

TEST(Database, KillNineLosesNothingThatWasAnswered) {
  TempFolder dir;
  const char* wanted = std::getenv("SAVIA_KILL_CYCLES");
  const int cycles = wanted != nullptr ? std::atoi(wanted) : 10;
  SeededRandom random(static_cast<uint64_t>(real_clock().now_ms()));
  State expected;
  size_t answered = 0;
  for (int cycle = 1; cycle <= cycles; ++cycle) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(fds[0]);
      kill_child(dir / "a.db", fds[1], static_cast<uint64_t>(cycle));
    }
    ::close(fds[1]);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(150)));
      ::kill(child, SIGKILL);
    });
    std::string journal;
    char buf[65536];
    for (ssize_t n = 0; (n = ::read(fds[0], buf, sizeof buf)) > 0;) journal.append(buf, static_cast<size_t>(n));
    killer.join();
    ::close(fds[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "child ended by itself: " << status;

    std::vector<Pending> pending(kKillThreads);
    replay(journal, expected, pending);
    auto db = open_kv(dir / "a.db");
    ASSERT_NE(db, nullptr);
    const State found = all(*db);
    for (const Pending& p : pending) {
      if (p.value < 0) continue;
      auto it = found.find(p.key);
      const int64_t value = it == found.end() ? 0 : it->second;
      if (value != p.value) continue;  // it did not happen
      if (value == 0) expected.erase(p.key);
      if (value != 0) expected[p.key] = value;
    }
    ASSERT_EQ(found, expected) << "cycle " << cycle;
    answered += journal.size();
    ASSERT_TRUE(db->read([&](Tx& tx) -> Result<void> {
                    EXPECT_EQ(*TRY(tx.text("PRAGMA integrity_check")), "ok");
                    return {};
                  }).ok());
  }
  EXPECT_GT(answered, 0U);
}

}  // namespace
}  // namespace savia::state
