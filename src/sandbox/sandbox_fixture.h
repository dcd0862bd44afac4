// The fixture of sandbox_test.cc and hostile_test.cc.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "sandbox/sandbox_harness.h"

namespace savia::sandbox {

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto dir = os::TempDir::create();
    ASSERT_TRUE(dir.ok());
    dir_.emplace(std::move(*dir));
    world_.emplace(dir_->path() + "/state");
    if (!facilities().user_namespaces) GTEST_SKIP() << facilities().weaker.back();
    ASSERT_TRUE(world_->ok);
  }
  const Facilities& facilities() const { return world_->spawner->facilities(); }

  static Spec program(std::vector<std::string> argv, const std::string& id = "t") {
    Spec s;
    s.id = id;
    s.argv = std::move(argv);
    s.env = {"PATH=/usr/bin:/bin:/usr/sbin", "HOME=/tmp"};
    return s;
  }
  static Spec shell(const std::string& script, const std::string& id = "t") { return program({"/bin/sh", "-c", script}, id); }
  static Spec python(const std::string& script, const std::string& id = "t") {
    return program({"/usr/bin/python3", "-I", "-c", script}, id);
  }
  // Starts, waits for the end, returns what it printed; last_ tells how it ended.
  std::string run(Spec spec, int timeout_ms = 20'000) {
    auto r = world_->start(std::move(spec));
    if (!r.ok()) return "error: " + r.error().message();
    if (!world_->finish(**r, timeout_ms)) return "error: does not end";
    last_ = *(*r)->exit;
    return (*r)->out + (*r)->err;
  }
  // Until it has printed `text`.
  bool printed(Harness::Running& r, const std::string& text) {
    return world_->run_until([&] {
      Harness::drain(r);
      return r.out.find(text) != std::string::npos || r.exit.has_value();
    }) && r.out.find(text) != std::string::npos;
  }
  void pass(int ms) {
    world_->run_until([] { return false; }, ms);
  }

  std::optional<os::TempDir> dir_;
  std::optional<Harness> world_;
  Exit last_;
};

}  // namespace savia::sandbox
