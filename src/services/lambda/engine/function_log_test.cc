#include "services/lambda/engine/function_log.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "services/lambda/engine/scripted_spawner.h"

namespace savia::lambda {
namespace {

std::string frame(std::string_view message) {
  std::string out("\xa5\x5a\x00\x0f", 4);
  const auto size = static_cast<uint32_t>(message.size());
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  out.append(8, '\0');
  return out.append(message);
}

class FunctionLogTest : public ::testing::Test {
 protected:
  std::vector<std::string> lines_of(std::initializer_list<std::string_view> pieces) {
    testing::MemoryLogs sink;
    FunctionLog log(*loop_, sink);
    log.set_target(std::make_shared<FunctionSpec>(), "s");
    LogPipe pipe(*loop_, log, os::Fd());
    for (std::string_view piece : pieces) pipe.consume(piece);
    pipe.finish();
    log.flush();
    for (std::string& line : sink.all) {  // what is logged as text ends with a line feed, as at AWS
      EXPECT_TRUE(line.ends_with('\n'));
      line.pop_back();
    }
    return sink.all;
  }
  std::unique_ptr<net::Loop> loop_ = net::Loop::create().value();
};

TEST_F(FunctionLogTest, LinesAndFramesWhereverTheyAreSplit) {
  const std::string text =
      "plain\n" + frame("two\nlines\n") + frame("") + "r\xc3\xa9st\n\n\xa5odd\n" + frame("last") + "unfinished";
  const std::vector<std::string> expected = {"plain", "two\nlines", "", "r\xc3\xa9st", "", "\xa5odd", "last", "unfinished"};
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); b += 5) {
      const std::string_view t = text;
      ASSERT_EQ(lines_of({t.substr(0, a), t.substr(a, b - a), t.substr(b)}), expected) << a << " " << b;
    }
  }
}

TEST_F(FunctionLogTest, LyingFramesAndLongLinesAreBounded) {
  // A length over the limit, or negative, is no frame: the bytes are shown as text.
  const std::string lying("\xa5\x5a\x00\x03\xff\xff\xff\xff\0\0\0\0\0\0\0\0text\nnext\n", 25);
  const auto lines = lines_of({lying});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "next");
  const std::string endless(limits::kLogLineBytes * 2 + 10, 'x');
  const auto parts = lines_of({endless});
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].size(), limits::kLogLineBytes);
  EXPECT_EQ(parts[2].size(), 10U);
}

}  // namespace
}  // namespace savia::lambda
