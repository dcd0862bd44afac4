#include "services/lambda/engine/cpu_load.h"

#include <gtest/gtest.h>

namespace savia::lambda {
namespace {

TEST(CpuLoad, ReadsTheFirstLine) {
  const auto s = CpuLoad::parse("cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 1 1 1\n");
  ASSERT_TRUE(s.has_value());
  EXPECT_EQ(s->idle, 450);
  EXPECT_EQ(s->total, 531);
  EXPECT_FALSE(CpuLoad::parse("").has_value());
  EXPECT_FALSE(CpuLoad::parse("cpu  1 2 x 4 5\n").has_value());
  EXPECT_FALSE(CpuLoad::parse("cpu  1 2 3\n").has_value());
  EXPECT_FALSE(CpuLoad::parse("intr 1 2 3 4 5 6\n").has_value());
}

TEST(CpuLoad, SaturatedBelowTenPercentIdle) {
  EXPECT_FALSE(CpuLoad::saturated({100, 1000}, {110, 1100}));
  EXPECT_TRUE(CpuLoad::saturated({100, 1000}, {109, 1100}));
  EXPECT_FALSE(CpuLoad::saturated({100, 1000}, {100, 1000}));  // no time has passed
}

}  // namespace
}  // namespace savia::lambda
