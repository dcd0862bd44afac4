#include "services/logs/logs.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/limits.h"
#include "base/strings.h"
#include "codec/json.h"
#include "os/file.h"

namespace savia::logs {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kNow = 1'795'521'600'000;

class LogsTest : public testing::Test {
 protected:
  LogsTest() : dir_(std::move(*os::TempDir::create())) { start(); }
  void start() {
    stop();
    auto db = state::Database::open(dir_.path() + "/state.db", Logs::migrations());
    ASSERT_TRUE(db.ok()) << db.error().message();
    db_ = std::move(db).value();
    logs_ = std::move(*Logs::open(*db_, dir_.path() + "/logs", clock_));
    for (auto& op : logs_->operations()) operations_[std::string(op.name)] = op.body;
  }
  void stop() {
    operations_.clear();
    logs_.reset();
    db_.reset();
  }
  aws::Outcome call_in(const std::string& region, const std::string& operation, const Value& in) {
    aws::CallContext c;
    c.service = "logs";
    c.operation = operation;
    c.account = "000000000000";
    c.region = region;
    c.now_ms = clock_.now_ms();
    return operations_.at(operation)(c, in);
  }
  aws::Outcome call(const std::string& operation, const Value& in) { return call_in("us-east-1", operation, in); }
  aws::Outcome call_json(const std::string& operation, const std::string& json) {
    auto in = parse_json(json);
    EXPECT_TRUE(in.ok()) << json;
    return call(operation, *in);
  }
  Value ok(const std::string& operation, const std::string& json) {
    aws::Outcome r = call_json(operation, json);
    EXPECT_TRUE(r.ok()) << operation << " " << json << ": " << (r.ok() ? "" : r.error().code + " " + r.error().message);
    return r.ok() ? *r : Value();
  }
  std::string error(const std::string& operation, const std::string& json) {
    aws::Outcome r = call_json(operation, json);
    EXPECT_FALSE(r.ok()) << operation << " " << json;
    return r.ok() ? to_json(*r) : r.error().code + ": " + r.error().message;
  }
  void group_and_stream() {
    ok("CreateLogGroup", R"({"logGroupName":"g"})");
    ok("CreateLogStream", R"({"logGroupName":"g","logStreamName":"s"})");
  }
  // Puts messages at kNow + the given milliseconds.
  Value put(const std::vector<std::pair<int64_t, std::string>>& events, const std::string& stream = "s") {
    Value in = Value::object();
    Value list = Value::list();
    for (const auto& [ms, text] : events) list.push(Value::object().set("timestamp", kNow + ms).set("message", text));
    in.set("logGroupName", "g").set("logStreamName", stream).set("logEvents", list);
    auto r = call("PutLogEvents", in);
    EXPECT_TRUE(r.ok()) << r.error().message;
    return r.ok() ? *r : Value();
  }
  static std::string messages(const Value& answer) {
    std::vector<std::string> out;
    for (const Value& e : *answer.list_at("events")) out.push_back(e.str_or("message", "?"));
    return join(out, ",");
  }
  std::string filter(const std::string& more) {
    return messages(ok("FilterLogEvents", R"({"logGroupName":"g")" + (more.empty() ? "" : "," + more) + "}"));
  }

  FakeClock clock_{kNow};
  os::TempDir dir_;
  std::unique_ptr<state::Database> db_;
  std::unique_ptr<Logs> logs_;
  std::map<std::string, aws::Body> operations_;
};

TEST_F(LogsTest, GroupsAreNamedPerAccountAndRegion) {
  ok("CreateLogGroup", R"({"logGroupName":"g","tags":{"a":"1"}})");
  EXPECT_TRUE(call_in("eu-west-1", "CreateLogGroup", *parse_json(R"({"logGroupName":"g"})")).ok());
  EXPECT_EQ(error("CreateLogGroup", R"({"logGroupName":"g"})"),
            "ResourceAlreadyExistsException: The specified log group already exists");
  const Value groups = ok("DescribeLogGroups", "{}");
  EXPECT_EQ(to_json(groups),
            R"({"logGroups":[{"logGroupName":"g","creationTime":1795521600000,"metricFilterCount":0,)"
            R"("arn":"arn:aws:logs:us-east-1:000000000000:log-group:g:*","storedBytes":0,"deletionProtectionEnabled":false,)"
            R"("logGroupClass":"STANDARD","logGroupArn":"arn:aws:logs:us-east-1:000000000000:log-group:g"}]})");
  ok("DeleteLogGroup", R"({"logGroupName":"g"})");
  EXPECT_EQ(error("DeleteLogGroup", R"({"logGroupName":"g"})"),
            "ResourceNotFoundException: The specified log group does not exist.");
  EXPECT_EQ((*call_in("eu-west-1", "DescribeLogGroups", Value::object())).list_at("logGroups")->size(), 1U);
}

TEST_F(LogsTest, GroupsArePagedAndSearched) {
  for (int i = 0; i < 120; ++i) ok("CreateLogGroup", R"({"logGroupName":"/aws/lambda/f)" + std::to_string(1000 + i) + "\"}");
  ok("CreateLogGroup", R"({"logGroupName":"other"})");
  size_t seen = 0;
  std::string token;
  std::string last;
  do {
    const Value page = ok("DescribeLogGroups", R"({"logGroupNamePrefix":"/aws/lambda/")" +
                                                   (token.empty() ? "" : R"(,"nextToken":")" + token + "\"") + "}");
    for (const Value& g : *page.list_at("logGroups")) {
      EXPECT_LT(last, g.str_or("logGroupName", ""));
      last = g.str_or("logGroupName", "");
      ++seen;
    }
    token = page.str_or("nextToken", "");
  } while (!token.empty());
  EXPECT_EQ(seen, 120U);
  const Value found = ok("DescribeLogGroups", R"({"logGroupNamePattern":"f1007"})");
  ASSERT_EQ(found.list_at("logGroups")->size(), 1U);
  EXPECT_FALSE((*found.list_at("logGroups"))[0].has("storedBytes"));
  EXPECT_EQ(ok("DescribeLogGroups", R"({"logGroupNamePattern":"OTHER"})").list_at("logGroups")->size(), 0U);
  EXPECT_EQ(error("DescribeLogGroups", R"({"logGroupNamePattern":"a","logGroupNamePrefix":"b"})"),
            "InvalidParameterException: LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
  EXPECT_EQ(error("DescribeLogGroups", R"({"nextToken":"nonsense"})"),
            "InvalidParameterException: The specified nextToken is invalid.");
  EXPECT_EQ(ok("ListLogGroups", R"({"logGroupNamePattern":"^oth|f1003|^lambda"})").list_at("logGroups")->size(), 2U);
  const Value page = ok("ListLogGroups", R"({"limit":100})");
  EXPECT_EQ(page.list_at("logGroups")->size(), 100U);
  EXPECT_EQ(ok("ListLogGroups", R"({"nextToken":")" + page.str_or("nextToken", "") + "\"}").list_at("logGroups")->size(), 21U);
}

TEST_F(LogsTest, WhatIsNotBuiltIsRefusedByName) {
  EXPECT_EQ(error("CreateLogGroup", R"({"logGroupName":"g","kmsKeyId":"arn:aws:kms:x"})"),
            "NotImplemented: savia does not implement kmsKeyId of logs:CreateLogGroup (docs/coverage.md)");
  EXPECT_EQ(
      error("CreateLogGroup", R"({"logGroupName":"g","logGroupClass":"INFREQUENT_ACCESS"})"),
      "NotImplemented: savia does not implement logGroupClass INFREQUENT_ACCESS of logs:CreateLogGroup (docs/coverage.md)");
  EXPECT_EQ(ok("DescribeLogGroups", "{}").list_at("logGroups")->size(), 0U);
}

TEST_F(LogsTest, LongNamesAreRefusedInTheServicesWords) {
  const std::string wrong =
      "InvalidParameterException: Invalid LogGroup or LogStream, both must have length less than or equal to 512.";
  EXPECT_EQ(error("CreateLogGroup", R"({"logGroupName":")" + std::string(513, 'g') + "\"}"), wrong);
  ok("CreateLogGroup", R"({"logGroupName":")" + std::string(512, 'g') + "\"}");
  ok("CreateLogGroup", R"({"logGroupName":"g"})");
  EXPECT_EQ(error("CreateLogStream", R"({"logGroupName":"g","logStreamName":")" + std::string(513, 's') + "\"}"), wrong);
}

TEST_F(LogsTest, DeletionProtectionHolds) {
  ok("CreateLogGroup", R"({"logGroupName":"g","deletionProtectionEnabled":true})");
  EXPECT_EQ(error("DeleteLogGroup", R"({"logGroupName":"g"})").substr(0, 20), "ValidationException:");
  ok("PutLogGroupDeletionProtection", R"({"logGroupIdentifier":"g","deletionProtectionEnabled":false})");
  ok("DeleteLogGroup", R"({"logGroupName":"g"})");
}

TEST_F(LogsTest, StreamsAreDescribedByNameAndByLastEvent) {
  ok("CreateLogGroup", R"({"logGroupName":"g"})");
  for (const char* s : {"b", "a", "c", "d"})
    ok("CreateLogStream", R"({"logGroupName":"g","logStreamName":")" + std::string(s) + "\"}");
  EXPECT_EQ(error("CreateLogStream", R"({"logGroupName":"g","logStreamName":"a"})"),
            "ResourceAlreadyExistsException: The specified log stream already exists");
  put({{-30, "x"}}, "c");
  put({{-20, "x"}}, "a");
  auto names = [&](const std::string& in, size_t limit) {
    std::string out;
    std::string token;
    do {
      const Value page =
          ok("DescribeLogStreams", R"({"logGroupIdentifier":"arn:aws:logs:us-east-1:000000000000:log-group:g:*")" + in +
                                       R"(,"limit":)" + std::to_string(limit) +
                                       (token.empty() ? "" : R"(,"nextToken":")" + token + "\"") + "}");
      for (const Value& s : *page.list_at("logStreams")) out += s.str_or("logStreamName", "?");
      token = page.str_or("nextToken", "");
    } while (!token.empty());
    return out;
  };
  for (const size_t limit : {1U, 2U, 3U, 50U}) {
    EXPECT_EQ(names("", limit), "abcd");
    EXPECT_EQ(names(R"(,"descending":true)", limit), "dcba");
    EXPECT_EQ(names(R"(,"orderBy":"LastEventTime","descending":true)", limit), "acdb");
    EXPECT_EQ(names(R"(,"orderBy":"LastEventTime")", limit), "bdca");
    EXPECT_EQ(names(R"(,"logStreamNamePrefix":"b")", limit), "b");
  }
  const Value page = ok("DescribeLogStreams", R"({"logGroupName":"g"})");
  EXPECT_EQ(
      to_json((*page.list_at("logStreams"))[1]),
      R"({"logStreamName":"b","creationTime":1795521600000,"arn":"arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:b",)"
      R"("storedBytes":0})");
  EXPECT_EQ((*page.list_at("logStreams"))[0].num("lastEventTimestamp"), kNow - 20);
  EXPECT_EQ((*page.list_at("logStreams"))[0].num("firstEventTimestamp"), kNow - 20);
  EXPECT_EQ(error("DescribeLogStreams", R"({"logGroupName":"g","logGroupIdentifier":"g"})"),
            "ValidationException: LogGroup name and LogGroup ARN are mutually exclusive parameters.");
  EXPECT_EQ(error("DescribeLogStreams", R"({"logGroupName":"nope"})"),
            "ResourceNotFoundException: The specified log group does not exist.");
  ok("DeleteLogStream", R"({"logGroupName":"g","logStreamName":"a"})");
  EXPECT_EQ(error("DeleteLogStream", R"({"logGroupName":"g","logStreamName":"a"})"),
            "ResourceNotFoundException: The specified log stream does not exist.");
  EXPECT_EQ(names("", 50), "bcd");
}

TEST_F(LogsTest, PutChecksTheBatch) {
  group_and_stream();
  EXPECT_EQ(error("PutLogEvents", R"({"logGroupName":"g","logStreamName":"nope","logEvents":[]})"),
            "ResourceNotFoundException: The specified log stream does not exist.");
  EXPECT_EQ(error("PutLogEvents", R"({"logGroupName":"no","logStreamName":"s","logEvents":[]})"),
            "ResourceNotFoundException: The specified log group does not exist.");
  EXPECT_EQ(
      error(
          "PutLogEvents",
          R"({"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":2,"message":"a"},{"timestamp":1,"message":"b"}]})"),
      "InvalidParameterException: Log events in a single PutLogEvents request must be in chronological order.");
  const std::string big(limits::kLogEventBytes - limits::kLogEventOverheadBytes, 'x');
  put({{0, big}});
  EXPECT_EQ(error("PutLogEvents",
                  R"({"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"y)" + big + "\"}]}"),
            "InvalidParameterException: Log event too large: 262145 bytes exceeds limit of 262144");
  std::string events;
  for (int i = 0; i < 5; ++i) events += (i == 0 ? "" : ",") + (R"({"timestamp":1,"message":")" + big + "\"}");
  EXPECT_EQ(error("PutLogEvents", R"({"logGroupName":"g","logStreamName":"s","logEvents":[)" + events + "]}"),
            "InvalidParameterException: Upload too large: 1310720 bytes exceeds limit of 1048576");
  EXPECT_EQ(
      error(
          "PutLogEvents",
          R"({"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"a"},{"timestamp":86400002,"message":"b"}]})")
          .substr(0, 70),
      "InvalidParameterException: The batch of log events in a single PutLogE");
}

TEST_F(LogsTest, PutRejectsWhatIsTooOldExpiredOrTooNew) {
  group_and_stream();
  constexpr int64_t kHour = 3'600'000;
  Value r = put({{-15 * 24 * kHour, "old"}, {-14 * 24 * kHour, "kept"}});
  EXPECT_EQ(to_json(*r.find("rejectedLogEventsInfo")), R"({"tooOldLogEventEndIndex":1})");
  r = put({{0, "now"}, {2 * kHour, "soon"}, {2 * kHour + 1, "too new"}});
  EXPECT_EQ(to_json(*r.find("rejectedLogEventsInfo")), R"({"tooNewLogEventStartIndex":2})");
  EXPECT_EQ(r.str_or("nextSequenceToken", "").size(), 56U);
  EXPECT_FALSE(put({{1, "x"}}).has("rejectedLogEventsInfo"));
  EXPECT_EQ(filter(""), "kept,now,x,soon");
  ok("PutRetentionPolicy", R"({"logGroupName":"g","retentionInDays":7})");
  EXPECT_EQ(filter(""), "now,x,soon");
  r = put({{-8 * 24 * kHour, "expired"}, {-8 * 24 * kHour + 1, "expired"}, {-7 * 24 * kHour, "just kept"}});
  EXPECT_EQ(to_json(*r.find("rejectedLogEventsInfo")), R"({"expiredLogEventEndIndex":2})");
  EXPECT_EQ(filter(""), "just kept,now,x,soon");
}

TEST_F(LogsTest, EventsAreReadFromBothEndsByTokens) {
  group_and_stream();
  const std::string base = R"({"logGroupName":"g","logStreamName":"s")";
  Value empty = ok("GetLogEvents", base + "}");
  EXPECT_EQ(messages(empty), "");
  // Written out of order, in several batches.
  put({{50, "5"}, {70, "7"}, {90, "9"}});
  put({{10, "1"}, {30, "3"}, {50, "5b"}});
  put({{20, "2"}, {80, "8"}});
  const std::string all = "1,2,3,5,5b,7,8,9";
  EXPECT_EQ(messages(ok("GetLogEvents", base + "}")), all);
  EXPECT_EQ(messages(ok("GetLogEvents", base + R"(,"nextToken":")" + empty.str_or("nextForwardToken", "") + "\"}")), all);
  EXPECT_EQ(messages(ok("GetLogEvents", base + R"(,"limit":3})")), "7,8,9");
  EXPECT_EQ(messages(ok("GetLogEvents", base + R"(,"limit":3,"startFromHead":true})")), "1,2,3");
  auto walk = [&](bool forward, size_t limit) {
    std::vector<std::string> pages;
    std::string token;
    while (true) {
      const Value page =
          ok("GetLogEvents", base + R"(,"startFromHead":)" + (forward ? "true" : "false") + R"(,"limit":)" +
                                 std::to_string(limit) + (token.empty() ? "" : R"(,"nextToken":")" + token + "\"") + "}");
      const std::string next = page.str_or(forward ? "nextForwardToken" : "nextBackwardToken", "");
      if (next == token) {
        EXPECT_EQ(messages(page), "");
        break;
      }
      EXPECT_NE(messages(page), "");
      pages.insert(forward ? pages.end() : pages.begin(), messages(page));
      token = next;
      if (pages.size() > 20) break;
    }
    return join(pages, ",");
  };
  for (const size_t limit : {1U, 2U, 3U, 5U, 8U, 100U}) {
    EXPECT_EQ(walk(true, limit), all) << limit;
    EXPECT_EQ(walk(false, limit), all) << limit;
  }
  // Turning around: back from the end answers the same events again.
  const Value tail = ok("GetLogEvents", base + R"(,"limit":2})");
  const Value end = ok("GetLogEvents", base + R"(,"nextToken":")" + tail.str_or("nextForwardToken", "") + "\"}");
  EXPECT_EQ(messages(end), "");
  EXPECT_EQ(messages(ok("GetLogEvents", base + R"(,"limit":2,"nextToken":")" + end.str_or("nextBackwardToken", "") + "\"}")),
            "8,9");
  const std::string from = std::to_string(kNow + 20);
  const std::string to = std::to_string(kNow + 70);
  EXPECT_EQ(messages(ok("GetLogEvents", base + R"(,"startTime":)" + from + R"(,"endTime":)" + to + "}")), "2,3,5,5b");
  EXPECT_EQ(error("GetLogEvents", base + R"(,"nextToken":"f/12"})"),
            "InvalidParameterException: The specified nextToken is invalid.");
  EXPECT_EQ(error("GetLogEvents", R"({"logGroupName":"g","logStreamName":"x"})"),
            "ResourceNotFoundException: The specified log stream does not exist.");
}

TEST_F(LogsTest, FilterInterleavesStreamsAndPages) {
  group_and_stream();
  ok("CreateLogStream", R"({"logGroupName":"g","logStreamName":"t1"})");
  ok("CreateLogStream", R"({"logGroupName":"g","logStreamName":"t2"})");
  put({{0, "a"}, {30, "d ERROR"}}, "s");
  put({{10, "b"}, {40, "e"}}, "t1");
  put({{20, "c ERROR"}, {50, "f"}}, "t2");
  EXPECT_EQ(filter(""), "a,b,c ERROR,d ERROR,e,f");
  EXPECT_EQ(filter(R"("startFromHead":false,"limit":2)"), "f,e");
  EXPECT_EQ(filter(R"("logStreamNamePrefix":"t")"), "b,c ERROR,e,f");
  EXPECT_EQ(filter(R"("logStreamNames":["s","t2","s"])"), "a,c ERROR,d ERROR,f");
  EXPECT_EQ(filter(R"("filterPattern":"ERROR")"), "c ERROR,d ERROR");
  EXPECT_EQ(filter(R"("startTime":)" + std::to_string(kNow + 10) + R"(,"endTime":)" + std::to_string(kNow + 30)),
            "b,c ERROR,d ERROR");
  std::string seen;
  std::string token;
  std::map<std::string, int> ids;
  do {
    const Value page = ok("FilterLogEvents", R"({"logGroupName":"g","limit":2,"interleaved":true)" +
                                                 (token.empty() ? "" : R"(,"nextToken":")" + token + "\"") + "}");
    for (const Value& e : *page.list_at("events")) {
      seen += e.str_or("message", "?")[0];
      ++ids[e.str_or("eventId", "")];
      EXPECT_TRUE(e.has("logStreamName") && e.has("ingestionTime") && e.has("timestamp"));
    }
    token = page.str_or("nextToken", "");
  } while (!token.empty());
  EXPECT_EQ(seen, "abcdef");
  EXPECT_EQ(ids.size(), 6U);
  EXPECT_EQ(error("FilterLogEvents", R"({"logGroupName":"g","nextToken":"foo"})"),
            "InvalidParameterException: The specified nextToken is invalid.");
  EXPECT_EQ(error("FilterLogEvents", R"({"logGroupName":"g","logStreamNames":["nope"]})"),
            "ResourceNotFoundException: The specified log stream does not exist.");
  EXPECT_EQ(error("FilterLogEvents", R"({"logGroupName":"g","filterPattern":"{ $.a"})").substr(0, 25),
            "InvalidParameterException");
}

TEST_F(LogsTest, AnswersStayBelowOneMegabyte) {
  group_and_stream();
  const std::string line(200'000, 'x');
  for (int i = 0; i < 12; ++i) put({{i, line}});
  for (const char* operation : {"GetLogEvents", "FilterLogEvents"}) {
    Value in = Value::object();
    in.set("logGroupName", "g").set("startFromHead", true);
    if (operation[0] == 'G') in.set("logStreamName", "s");
    const Value page = *call(operation, in);
    EXPECT_EQ(page.list_at("events")->size(), 5U) << operation;
  }
}

TEST_F(LogsTest, TagsByNameAndByArn) {
  ok("CreateLogGroup", R"({"logGroupName":"g","tags":{"env":"testing1"}})");
  const std::string arn = R"("resourceArn":"arn:aws:logs:us-east-1:000000000000:log-group:g")";
  ok("TagResource", "{" + arn + R"(,"tags":{"test1":"val1","test2":"val2"}})");
  ok("TagLogGroup", R"({"logGroupName":"g","tags":{"test3":"val3"}})");
  const std::string expected = R"({"tags":{"env":"testing1","test1":"val1","test2":"val2","test3":"val3"}})";
  EXPECT_EQ(to_json(ok("ListTagsLogGroup", R"({"logGroupName":"g"})")), expected);
  EXPECT_EQ(to_json(ok("ListTagsForResource", "{" + arn + "}")), expected);
  ok("UntagLogGroup", R"({"logGroupName":"g","tags":["env","test1"]})");
  ok("UntagResource", "{" + arn + R"(,"tagKeys":["test3"]})");
  EXPECT_EQ(to_json(ok("ListTagsForResource", "{" + arn + "}")), R"({"tags":{"test2":"val2"}})");
  std::string many;
  for (int i = 0; i < 50; ++i) many += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":\"v\"";
  EXPECT_EQ(error("TagResource", "{" + arn + ",\"tags\":{" + many + "}}").substr(0, 20), "TooManyTagsException");
  EXPECT_EQ(to_json(ok("ListTagsForResource", "{" + arn + "}")), R"({"tags":{"test2":"val2"}})");
  EXPECT_EQ(error("ListTagsForResource", R"({"resourceArn":"arn:aws:logs:eu-west-1:000000000000:log-group:g"})"),
            "ResourceNotFoundException: The specified log group does not exist.");
}

TEST_F(LogsTest, RetentionRemovesSegments) {
  group_and_stream();
  EXPECT_EQ(error("PutRetentionPolicy", R"({"logGroupName":"g","retentionInDays":2})"),
            "InvalidParameterException: 1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy "
            "constraint: Member must "
            "satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, "
            "2922, 3288, "
            "3653]");
  ok("PutRetentionPolicy", R"({"logGroupName":"g","retentionInDays":1})");
  EXPECT_EQ((*ok("DescribeLogGroups", "{}").list_at("logGroups"))[0].num("retentionInDays"), 1);
  put({{0, "old"}});
  auto size = [&] {
    uintmax_t bytes = 0;
    for (const auto& e : fs::recursive_directory_iterator(dir_.path() + "/logs"))
      bytes += e.is_regular_file() ? e.file_size() : 0;
    return bytes;
  };
  clock_.advance_ms(23LL * 3600 * 1000);
  logs_->expire();
  EXPECT_EQ(filter(""), "old");
  clock_.advance_ms(2LL * 3600 * 1000);
  EXPECT_EQ(filter(""), "");  // hidden at once
  EXPECT_GT(size(), 40U);
  logs_->expire();
  EXPECT_EQ(size(), 16U);  // the header of the next segment
  start();
  put({{25 * 3600'000LL, "new"}});
  EXPECT_EQ(filter(""), "new");
  ok("DeleteRetentionPolicy", R"({"logGroupName":"g"})");
  EXPECT_FALSE((*ok("DescribeLogGroups", "{}").list_at("logGroups"))[0].has("retentionInDays"));
}

TEST_F(LogsTest, FunctionsLinesAppearAndSurviveARestart) {
  const auto begin = real_clock().monotonic_us();
  logs_->append("000000000000", "us-east-1", "g", "2026/11/24/[$LATEST]ab", {{kNow, "START"}, {kNow + 1, "hello"}});
  while (!call_json("FilterLogEvents", R"({"logGroupName":"g"})").ok() || filter("") != "START,hello") {
    ASSERT_LT(real_clock().monotonic_us() - begin, 5'000'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  logs_->append("000000000000", "us-east-1", "g", "2026/11/24/[$LATEST]ab", {{kNow + 2, "END"}});
  logs_->append("000000000000", "us-east-1", "g", "other", {{kNow + 1, std::string(600'000, 'y')}});
  logs_->flush();
  EXPECT_EQ(ok("FilterLogEvents", R"({"logGroupName":"g"})").list_at("events")->size(), 6U);  // the long line is three events
  EXPECT_EQ(logs_->stats().lines, 4);
  start();
  EXPECT_EQ(filter(R"("logStreamNamePrefix":"2026")"), "START,hello,END");
  EXPECT_GT((*ok("DescribeLogGroups", "{}").list_at("logGroups"))[0].num_or("storedBytes", 0), 600'000);
}

TEST_F(LogsTest, AFloodIsDroppedCountedAndTold) {
  const std::string line(1000, 'z');
  int64_t sent = 0;
  for (int i = 0; i < 400; ++i) {
    logs_->append("000000000000", "us-east-1", "g", "s", std::vector<ports::LogLine>(1000, {kNow, line}));
    sent += 1000;
  }
  logs_->flush();
  EXPECT_EQ(logs_->stats().lines + logs_->stats().dropped, sent);
  if (logs_->stats().dropped == 0) GTEST_SKIP() << "the disk took everything";
  logs_->append("000000000000", "us-east-1", "g", "s", {{kNow + 1, "after"}});
  logs_->flush();
  EXPECT_NE(filter(R"("filterPattern":"dropped")").find("log lines were dropped"), std::string::npos);
}

TEST_F(LogsTest, DeletedStreamsLeaveNoFilesAndLoggingGoesOn) {
  group_and_stream();
  put({{0, "x"}});
  ok("DeleteLogGroup", R"({"logGroupName":"g"})");
  for (int i = 0; i < 2000 && !fs::is_empty(dir_.path() + "/logs"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(fs::is_empty(dir_.path() + "/logs"));
  logs_->append("000000000000", "us-east-1", "g", "s", {{kNow, "again"}});
  logs_->flush();
  EXPECT_EQ(filter(""), "again");
  // What a kill between commit and removal leaves goes at the next start.
  stop();
  fs::create_directory(dir_.path() + "/logs/77");
  std::ofstream(dir_.path() + "/logs/77/00000001.log") << "x";
  start();
  for (int i = 0; i < 2000 && fs::exists(dir_.path() + "/logs/77"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(fs::exists(dir_.path() + "/logs/77"));
  EXPECT_EQ(filter(""), "again");
  ASSERT_TRUE(db_->wipe().ok());
  logs_->reset();
  EXPECT_EQ(ok("DescribeLogGroups", "{}").list_at("logGroups")->size(), 0U);
  EXPECT_TRUE(fs::is_empty(dir_.path() + "/logs"));
  group_and_stream();
  put({{0, "new"}});
  EXPECT_EQ(filter(""), "new");
}

TEST_F(LogsTest, AFullDiskRefusesEventsAndKeepsTheRest) {
  group_and_stream();
  put({{0, "kept"}});
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit old {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  struct rlimit small = old;
  small.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Value in = Value::object();
  in.set("logGroupName", "g").set("logStreamName", "s");
  in.set("logEvents", Value::list().push(Value::object().set("timestamp", kNow + 1).set("message", std::string(9000, 'x'))));
  const auto r = call("PutLogEvents", in);
  logs_->append("000000000000", "us-east-1", "g", "s", {{kNow + 2, std::string(9000, 'y')}});
  logs_->flush();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_FALSE(r.ok());
  EXPECT_EQ(logs_->stats().dropped, 1);
  EXPECT_EQ(filter(""), "kept");
  put({{3, "later"}});
  start();
  EXPECT_EQ(filter(""), "kept,later");
}

// A child writes acknowledged batches and function lines until it is killed; what it had said is there afterwards.
TEST_F(LogsTest, KillNineLosesNothingThatWasAnswered) {
  group_and_stream();
  for (int cycle = 0; cycle < 5; ++cycle) {
    stop();
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(fds[0]);
      start();
      for (int i = 0;; ++i) {
        const std::string text = std::to_string(cycle) + "." + std::to_string(i);
        put({{cycle * 100'000 + i, text}});
        logs_->append("000000000000", "us-east-1", "g", "f", {{kNow + cycle * 100'000 + i, "f" + text}});
        logs_->flush();
        const std::string line = text + "\n";
        if (::write(fds[1], line.data(), line.size()) < 0) ::_exit(1);
      }
    }
    ::close(fds[1]);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(60 + cycle * 13));
      ::kill(child, SIGKILL);
    });
    std::string journal;
    char buf[4096];
    for (ssize_t n = 0; (n = ::read(fds[0], buf, sizeof buf)) > 0;) journal.append(buf, static_cast<size_t>(n));
    killer.join();
    ::close(fds[0]);
    ::waitpid(child, nullptr, 0);
    start();
    size_t answered = 0;
    for (const auto line : split(trim(journal), '\n')) answered += line.empty() ? 0 : 1;
    for (const char* stream : {"s", "f"}) {
      const std::string in =
          R"("logStreamNames":[")" + std::string(stream) + R"("],"startTime":)" + std::to_string(kNow + cycle * 100'000);
      const auto found = call("FilterLogEvents", *parse_json(R"({"logGroupName":"g",)" + in + "}"));
      const size_t kept = found.ok() ? found->list_at("events")->size() : 0;
      EXPECT_GE(kept, answered) << stream;
      EXPECT_LE(kept, answered + 1) << stream;
    }
  }
}

}  // namespace
}  // namespace savia::logs
