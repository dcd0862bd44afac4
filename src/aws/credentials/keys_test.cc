#include "aws/credentials/keys.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace savia::aws {
namespace {

struct Store {
  Store() {
    char name[] = "/tmp/savia_keys_XXXXXX";
    folder = mkdtemp(name);
    db = state::Database::open(folder + "/state.db", Keys::migrations()).value();
  }
  ~Store() {
    db.reset();
    std::filesystem::remove_all(folder);
  }
  std::string folder;
  std::unique_ptr<state::Database> db;
  FakeClock clock;
  SeededRandom random{7};
};

TEST(Keys, CreateListRemove) {
  Store s;
  Keys keys(*s.db, s.clock, s.random, {});
  AccessKey key = keys.create("123456789012", "laptop").value();
  EXPECT_EQ(key.id.size(), 20u);
  EXPECT_EQ(key.id.substr(0, 4), "AKIA");
  EXPECT_EQ(key.secret.size(), 40u);
  EXPECT_EQ(key.principal_arn, "arn:aws:iam::123456789012:root");
  EXPECT_EQ(account_in_key_id(key.id), "123456789012");
  auto list = keys.list().value();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].id, key.id);
  EXPECT_EQ(list[0].secret, "");
  EXPECT_EQ(keys.cached(key.id), std::nullopt);
  EXPECT_EQ(keys.find(key.id).value()->secret, key.secret);
  EXPECT_NE(keys.cached(key.id), std::nullopt);
  EXPECT_TRUE(keys.remove(key.id).ok());
  EXPECT_EQ(keys.find(key.id).value(), std::nullopt);
  EXPECT_EQ(keys.remove(key.id).error().kind(), ErrorKind::kNotFound);
  EXPECT_FALSE(keys.create("12345678901", "").ok());
}

TEST(Keys, AnotherProcessIsSeenWithinASecond) {
  Store s;
  Keys here(*s.db, s.clock, s.random, {});
  auto other_db = state::Database::open(s.folder + "/state.db", Keys::migrations()).value();
  Keys there(*other_db, s.clock, s.random, {});
  AccessKey key = there.create("000000000000", "").value();
  EXPECT_NE(here.find(key.id).value(), std::nullopt);
  EXPECT_TRUE(there.remove(key.id).ok());
  s.clock.advance_ms(1001);
  EXPECT_EQ(here.find(key.id).value(), std::nullopt);
}

TEST(Keys, BuiltinOnlyWhereAsked) {
  Store s;
  Keys closed(*s.db, s.clock, s.random, {});
  EXPECT_EQ(closed.find("test").value(), std::nullopt);
  EXPECT_EQ(closed.find("111122223333").value(), std::nullopt);
  Keys open(*s.db, s.clock, s.random, {.default_account = "999999999999", .builtin = true});
  EXPECT_EQ(open.find("test").value()->account, "999999999999");
  EXPECT_EQ(open.find("111122223333").value()->account, "111122223333");
  EXPECT_EQ(open.find("111122223333").value()->secret, "test");
  EXPECT_EQ(open.find("11112222333").value(), std::nullopt);
}

TEST(Keys, TemporaryAndInternal) {
  Store s;
  Keys keys(*s.db, s.clock, s.random, {});
  AccessKey t = keys.create_temporary({"123456789012", "arn:aws:sts::123456789012:assumed-role/r/s", "AROA:s", 900}).value();
  EXPECT_EQ(t.id.substr(0, 4), "ASIA");
  EXPECT_EQ(t.expires_ms, s.clock.now_ms() + 900'000);
  EXPECT_EQ(keys.find(t.id).value()->token, t.token);
  EXPECT_TRUE(keys.list().value().empty());
  s.clock.advance_ms(2 * 86'400'000);
  EXPECT_TRUE(keys.create_temporary({"123456789012", "arn", "id", 900}).ok());
  EXPECT_EQ(keys.find(t.id).value(), std::nullopt);

  AccessKey mine = keys.internal().value();
  Keys restarted(*s.db, s.clock, s.random, {});
  EXPECT_EQ(restarted.internal().value().secret, mine.secret);
}

TEST(Keys, AccountOfPublishedKeyIds) {
  // From public write-ups of the encoding.
  EXPECT_EQ(account_in_key_id("ASIAQNZGKIQY56JQ7WML"), "029608264753");
  EXPECT_EQ(account_in_key_id("AKIAIOSFODNN7EXAMPLE"), std::nullopt);
  EXPECT_EQ(account_in_key_id("short"), std::nullopt);
}

}  // namespace
}  // namespace savia::aws
