#include "services/logs/stream_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/limits.h"
#include "base/random.h"
#include "os/file.h"
#include "services/logs/event_merge.h"

namespace savia::logs {
namespace {

namespace fs = std::filesystem;

class StreamLogTest : public testing::Test {
 protected:
  StreamLogTest() : dir_(std::move(*os::TempDir::create())), guard_(dir_.path(), 0) {}
  std::shared_ptr<StreamLog> open(int64_t id = 1) { return std::make_shared<StreamLog>(dir_.path(), id, files_, guard_); }
  static void put(StreamLog& log, int64_t ms, const std::string& text) {
    const NewEvent e{ms, text};
    ASSERT_TRUE(log.append({&e, 1}, ms + 1).ok());
  }
  static std::vector<std::string> read(const std::vector<std::shared_ptr<StreamLog>>& logs,
                                       Direction direction = Direction::kForward, const Range& range = {}) {
    std::vector<std::string> out;
    EventMerge merge(logs, range, direction);
    while (const auto e = merge.next()) out.emplace_back(e->message);
    return out;
  }
  std::string file(uint32_t n, int64_t id = 1) const {
    char name[32];
    std::snprintf(name, sizeof name, "/%08u.log", n);
    return dir_.path() + "/" + std::to_string(id) + name;
  }

  os::TempDir dir_;
  FileCache files_{4};
  state::DiskGuard guard_;
};

TEST_F(StreamLogTest, ATornTailIsCutAtEveryLength) {
  {
    auto log = open();
    put(*log, 10, "first");
    put(*log, 20, "second");
    put(*log, 30, "third");
    ASSERT_TRUE(log->sync().ok());
  }
  const std::string whole = *os::read_file(file(1));
  const size_t record = kRecordHeaderBytes + kRecordFixedBytes;
  const size_t ends[] = {kSegmentHeaderBytes, kSegmentHeaderBytes + record + 5, kSegmentHeaderBytes + 2 * record + 11,
                         whole.size()};
  for (size_t cut = kSegmentHeaderBytes; cut <= whole.size(); ++cut) {
    files_.forget(file(1));
    std::ofstream(file(1), std::ios::binary | std::ios::trunc) << whole.substr(0, cut);
    const auto kept = static_cast<size_t>(std::upper_bound(std::begin(ends), std::end(ends), cut) - std::begin(ends)) - 1;
    auto log = open();
    EXPECT_EQ(read({log}).size(), kept) << cut;
    put(*log, 40, "after");
    EXPECT_EQ(read({log}).size(), kept + 1) << cut;
    EXPECT_EQ(read({open()}).size(), kept + 1) << cut;
  }
  // Any byte that changed ends the log there.
  for (size_t at = kSegmentHeaderBytes; at < whole.size(); ++at) {
    files_.forget(file(1));
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    std::ofstream(file(1), std::ios::binary | std::ios::trunc) << damaged;
    const auto kept = static_cast<size_t>(std::upper_bound(std::begin(ends), std::end(ends), at) - std::begin(ends)) - 1;
    EXPECT_EQ(read({open()}).size(), kept) << at;
  }
}

TEST_F(StreamLogTest, AHeaderThatNeverReachedTheDiskIsNoSegment) {
  put(*open(), 10, "a");
  std::ofstream(file(2), std::ios::binary) << "SAV";
  auto log = open();
  put(*log, 20, "b");
  EXPECT_EQ(read({log}), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read({open()}), (std::vector<std::string>{"a", "b"}));
}

TEST_F(StreamLogTest, SegmentsAreSealedAndReadByTheirFooters) {
  const std::string line(1000, 'x');
  {
    auto log = open();
    for (int i = 0; i < 10'000; ++i) put(*log, i, line + std::to_string(i));
  }
  EXPECT_TRUE(fs::exists(file(3)));
  auto log = open();
  const Summary s = log->summary();
  EXPECT_EQ(s.events, 10'000U);
  EXPECT_EQ(s.first_ms, 0);
  EXPECT_EQ(s.last_ms, 9999);
  EXPECT_EQ(s.last_ingestion_ms, 10'000);
  Range range;
  range.from_ms = 4000;
  range.to_ms = 4009;
  EventMerge merge({log}, range, Direction::kForward);
  for (int i = 4000; i < 4010; ++i) {
    const auto e = merge.next();
    ASSERT_TRUE(e);
    EXPECT_EQ(e->message.substr(1000), std::to_string(i));
  }
  EXPECT_FALSE(merge.next());
  EXPECT_LE(merge.bytes_read(), 3 * limits::kLogBlockBytes);  // not the whole stream
  EXPECT_EQ(read({log}, Direction::kBackward).front().substr(1000), "9999");
  // A segment that lost its footer is scanned and sealed again.
  const auto size = fs::file_size(file(1));
  fs::resize_file(file(1), size - 10);
  EXPECT_EQ(open()->summary(), s);
  EXPECT_EQ(fs::file_size(file(1)), size);
  // Damage inside a sealed segment costs the rest of its block.
  {
    std::fstream f(file(1), std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(5000);
    f.put('!');
  }
  const size_t left = read({open()}).size();
  EXPECT_LT(left, 10'000U);
  EXPECT_GT(left, 10'000U - limits::kLogBlockBytes / 1000 - 1);
}

TEST_F(StreamLogTest, MergeEqualsSortingForRandomArrival) {
  SeededRandom random(42);
  struct Expected {
    EventKey key;
    std::string text;
  };
  std::vector<std::shared_ptr<StreamLog>> logs;
  for (int64_t id = 1; id <= 5; ++id) logs.push_back(open(id));
  std::vector<std::tuple<int64_t, int64_t, int>> sorted;  // time, stream, arrival
  for (int i = 0; i < 3000; ++i) {
    const auto which = random.below(logs.size());
    const auto ms = static_cast<int64_t>(i / 3 + random.below(random.below(20) == 0 ? 500 : 10));
    put(*logs[which], ms, std::to_string(i) + std::string(random.below(300), '.'));
    sorted.emplace_back(ms, static_cast<int64_t>(which) + 1, i);
  }
  std::sort(sorted.begin(), sorted.end());
  auto numbers = [](const std::vector<std::string>& texts) {
    std::vector<int> out;
    for (const auto& t : texts) out.push_back(std::atoi(t.c_str()));
    return out;
  };
  std::vector<int> expected;
  for (const auto& [ms, stream, i] : sorted) expected.push_back(i);
  EXPECT_EQ(numbers(read(logs)), expected);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(numbers(read(logs, Direction::kBackward)), expected);
  // Going on from any key answers exactly the rest, in both directions.
  std::vector<EventKey> keys;
  EventMerge all(logs, {}, Direction::kForward);
  while (const auto e = all.next()) keys.push_back(e->key);
  ASSERT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  for (size_t i = 0; i < keys.size(); i += 97) {
    ASSERT_EQ(EventKey::parse(keys[i].digits()), keys[i]);
    Range after;
    after.after = keys[i];
    EXPECT_EQ(read(logs, Direction::kForward, after).size(), keys.size() - i - 1);
    Range before;
    before.before = keys[i];
    EXPECT_EQ(read(logs, Direction::kBackward, before).size(), i);
  }
}

TEST_F(StreamLogTest, ReadersAndWritersAtOnce) {
  auto log = open();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    const std::string line(500, 'w');
    for (int i = 0; i < 20'000; ++i) {
      const NewEvent e{i, line};
      ASSERT_TRUE(log->append({&e, 1}, i).ok());
      if (i % 1000 == 0) {
        ASSERT_TRUE(log->sync().ok());
      }
    }
    done = true;
  });
  size_t last = 0;
  while (!done) {
    const size_t n = read({log}).size();
    EXPECT_GE(n, last);
    last = n;
  }
  writer.join();
  EXPECT_EQ(read({log}).size(), 20'000U);
}

TEST_F(StreamLogTest, ADeletedStreamTakesNothingMore) {
  auto log = open();
  put(*log, 1, "x");
  log->mark_deleted();
  log->remove_files();
  const NewEvent e{2, "y"};
  EXPECT_EQ(log->append({&e, 1}, 2).error().kind(), ErrorKind::kNotFound);
  EXPECT_TRUE(log->sync().ok());
  EXPECT_TRUE(read({log}).empty());
  EXPECT_FALSE(fs::exists(dir_.path() + "/1"));
}

}  // namespace
}  // namespace savia::logs
