// Durable writes a second of state::Database against a bare group-commit loop over the same rows: the price of savepoints,
// hooks, callbacks and statement lookup. Rounds alternate, so that a disk that changes its mood hits both.
//
//   build/bench/bench_group_commit [SECONDS per round = 1] [FOLDER = .]
//
// One line a setting: clients, writes a second of both, p50 in µs of both, ratio of rates (ours / bare; goal >= 0.5).
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "state/database.h"

namespace {

using savia::Result;

constexpr char kTable[] = "CREATE TABLE row(id INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL)";
constexpr char kInsert[] = "INSERT INTO row(id, name, body) VALUES(?,?,?)";
constexpr int kRounds = 5;

struct Row {
  int64_t id;
  std::string name;
  std::string body;
};

Row make_row(int64_t id) {
  return {id, "function-" + std::to_string(id), std::string(160, static_cast<char>('a' + id % 26))};
}

class Target {
 public:
  virtual ~Target() = default;
  virtual void write(const Row& row) = 0;
};

class Ours final : public Target {
 public:
  explicit Ours(const std::string& path) {
    auto db = savia::state::Database::open(path, {{"bench", 1, kTable}});
    if (!db.ok()) std::abort();
    db_ = std::move(db).value();
  }
  void write(const Row& row) override {
    auto r = db_->write([&](savia::state::Tx& tx) -> Result<void> {
      TRY(tx.exec(kInsert, row.id, row.name, row.body));
      return {};
    });
    if (!r.ok()) std::abort();
  }

 private:
  std::unique_ptr<savia::state::Database> db_;
};

// Nothing but a list of rows, one prepared insert, and one wake-up for all.
class Bare final : public Target {
 public:
  explicit Bare(const std::string& path) {
    must(sqlite3_open(path.c_str(), &db_));
    must(sqlite3_exec(db_, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL", nullptr, nullptr, nullptr));
    must(sqlite3_exec(db_, kTable, nullptr, nullptr, nullptr));
    must(sqlite3_prepare_v2(db_, kInsert, -1, &insert_, nullptr));
    thread_ = std::thread([this] { run(); });
  }
  ~Bare() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }
  void write(const Row& row) override {
    bool done = false;
    std::unique_lock lock(mutex_);
    waiting_.push_back({&row, &done});
    wake_.notify_one();
    answered_.wait(lock, [&] { return done; });
  }

 private:
  static void must(int rc) {
    if (rc != SQLITE_OK && rc != SQLITE_DONE) std::abort();
  }
  void run() {
    std::unique_lock lock(mutex_);
    std::vector<std::pair<const Row*, bool*>> group;
    while (true) {
      wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      group.clear();
      group.swap(waiting_);
      lock.unlock();
      must(sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr));
      for (auto& [row, done] : group) {
        sqlite3_bind_int64(insert_, 1, row->id);
        sqlite3_bind_text(insert_, 2, row->name.data(), static_cast<int>(row->name.size()), SQLITE_STATIC);
        sqlite3_bind_text(insert_, 3, row->body.data(), static_cast<int>(row->body.size()), SQLITE_STATIC);
        must(sqlite3_step(insert_));
        sqlite3_reset(insert_);
      }
      must(sqlite3_exec(db_, "COMMIT", nullptr, nullptr, nullptr));
      lock.lock();
      for (auto& [row, done] : group) *done = true;
      answered_.notify_all();
    }
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable answered_;
  std::vector<std::pair<const Row*, bool*>> waiting_;
  bool stop_ = false;
  std::thread thread_;
};

struct Measure {
  double per_second = 0;
  double p50_us = 0;
};

Measure measure(Target& target, int clients, double seconds) {
  static std::atomic<int64_t> next_id{1};
  const savia::Clock& clock = savia::real_clock();
  std::vector<std::vector<int64_t>> times(static_cast<size_t>(clients));
  const int64_t start = clock.monotonic_us();
  const int64_t end = start + static_cast<int64_t>(seconds * 1e6);
  std::vector<std::thread> threads;
  for (auto& mine : times) {
    threads.emplace_back([&] {
      for (int64_t now = clock.monotonic_us(); now < end;) {
        target.write(make_row(next_id.fetch_add(1)));
        const int64_t after = clock.monotonic_us();
        mine.push_back(after - now);
        now = after;
      }
    });
  }
  for (auto& t : threads) t.join();
  const double took = static_cast<double>(clock.monotonic_us() - start) / 1e6;
  std::vector<int64_t> all;
  for (auto& t : times) all.insert(all.end(), t.begin(), t.end());
  std::nth_element(all.begin(), all.begin() + static_cast<long>(all.size() / 2), all.end());
  return {static_cast<double>(all.size()) / took, static_cast<double>(all[all.size() / 2])};
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  std::string folder = std::string(argc > 2 ? argv[2] : ".") + "/savia-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return std::perror("mkdtemp"), 1;
  {
    Ours ours(folder + "/ours.db");
    Bare bare(folder + "/bare.db");
    for (const int clients : {1, 16, 64}) {
      std::vector<double> rate[2];
      std::vector<double> p50[2];
      for (int round = 0; round < kRounds; ++round) {
        for (int which = 0; which < 2; ++which) {
          const Measure m = measure(which == 0 ? static_cast<Target&>(ours) : bare, clients, seconds);
          rate[which].push_back(m.per_second);
          p50[which].push_back(m.p50_us);
        }
      }
      std::printf("group_commit clients=%d ours_per_s=%.0f bare_per_s=%.0f ours_p50_us=%.0f bare_p50_us=%.0f ratio=%.2f\n",
                  clients, median(rate[0]), median(rate[1]), median(p50[0]), median(p50[1]), median(rate[0]) / median(rate[1]));
      std::fflush(stdout);
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
