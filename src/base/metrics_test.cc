#include "base/metrics.h"

#include <gtest/gtest.h>

namespace savia {
namespace {

TEST(Metrics, PrometheusText) {
  Metrics m;
  Counter& c = m.counter("a_total", "Things.", {{"x", "q\"uo\\te\n"}});
  c.add(2);
  EXPECT_EQ(&c, &m.counter("a_total", "Things.", {{"x", "q\"uo\\te\n"}}));
  m.gauge("b", "Level.", {}, [] { return 1.5; });
  Histogram& h = m.histogram("c_seconds", "Time.");
  h.observe_us(50);
  h.observe_us(51);
  h.observe_us(60'000'000);
  h.observe_us(-5);
  EXPECT_EQ(h.count(), 4u);
  std::string text = m.prometheus();
  EXPECT_NE(text.find("# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"q\\\"uo\\\\te\\n\"} 2\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("# TYPE b gauge\nb 1.5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("c_seconds_bucket{le=\"5e-05\"} 2\nc_seconds_bucket{le=\"0.0001\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("c_seconds_bucket{le=\"+Inf\"} 4\n"), std::string::npos) << text;
  EXPECT_NE(text.find("c_seconds_count 4\n"), std::string::npos) << text;
  m.remove("b", {});
  EXPECT_EQ(m.prometheus().find("# TYPE b "), std::string::npos);
}

}  // namespace
}  // namespace savia
