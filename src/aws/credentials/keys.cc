#include "aws/credentials/keys.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/digest.h"

namespace savia::aws {
namespace {

constexpr int64_t kFreshUs = 1'000'000;  // how long a key is believed without looking at its row
constexpr size_t kCachedKeys = 1024;
constexpr size_t kSecretLetters = 40;  // as AWS's
constexpr size_t kKeys = 1000;         // permanent ones
constexpr std::string_view kInternalName = "presign";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

constexpr state::Migration kMigrations[] = {
    {"keys", 1,
     "CREATE TABLE access_key(id TEXT PRIMARY KEY, secret TEXT NOT NULL, token TEXT NOT NULL, account TEXT NOT NULL,"
     " principal_arn TEXT NOT NULL, user_id TEXT NOT NULL, description TEXT NOT NULL, created_ms INTEGER NOT NULL,"
     " expires_ms INTEGER NOT NULL) WITHOUT ROWID;"
     "CREATE INDEX access_key_expiry ON access_key(expires_ms);"
     "CREATE TABLE internal_key(name TEXT PRIMARY KEY, id TEXT NOT NULL, secret TEXT NOT NULL) WITHOUT ROWID;"},
};

constexpr std::string_view kColumns =
    "SELECT id, secret, token, account, principal_arn, user_id, description, created_ms, expires_ms FROM access_key ";

AccessKey from_row(const state::Row& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6), row.num(7), row.num(8)};
}

AccessKey root_key(std::string_view id, std::string_view secret, std::string_view account) {
  AccessKey key;
  key.id = id;
  key.secret = secret;
  key.account = account;
  key.principal_arn = "arn:aws:iam::" + key.account + ":root";
  key.user_id = key.account;
  return key;
}

Result<void> insert(state::Tx& tx, const AccessKey& key) {
  TRY(
      tx.exec("INSERT INTO access_key(id, secret, token, account, principal_arn, user_id, description, created_ms, expires_ms)"
              " VALUES(?,?,?,?,?,?,?,?,?)",
              key.id, key.secret, key.token, key.account, key.principal_arn, key.user_id, key.description, key.created_ms,
              key.expires_ms));
  return {};
}

std::string base32(std::string_view bytes) {  // whole groups of 5 bytes
  std::string out;
  uint64_t bits = 0;
  int have = 0;
  for (char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 5; have -= 5) out += kBase32[bits >> (have - 5) & 31];
  }
  return out;
}

}  // namespace

bool is_account_id(std::string_view text) {
  return text.size() == 12 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// AWS's ids since 2019: after the prefix, 80 bits in base32; the first bit is set, then 40 bits of account, then 39 random
// ones.
std::string new_key_id(Random& random, std::string_view prefix, std::string_view account) {
  uint64_t number = static_cast<uint64_t>(parse_int(account).value_or(0)) & 0xff'ffff'ffff;
  uint64_t head = uint64_t{1} << 47 | number << 7 | random.below(128);  // 48 bits
  std::string bytes;
  for (int i = 5; i >= 0; --i) bytes += static_cast<char>(head >> (8 * i) & 0xff);
  char tail[4];
  random.fill(tail, sizeof tail);
  return std::string(prefix) + base32(bytes + std::string(tail, sizeof tail));
}

std::optional<std::string> account_in_key_id(std::string_view id) {
  if (id.size() != 20) return std::nullopt;
  uint64_t bits = 0;
  for (char c : id.substr(4, 10)) {  // 50 bits
    size_t at = kBase32.find(c);
    if (at == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | at;
  }
  for (char c : id.substr(14)) {
    if (kBase32.find(c) == std::string_view::npos) return std::nullopt;
  }
  bits >>= 2;
  if ((bits >> 47 & 1) == 0) return std::nullopt;  // an older id, which does not tell
  std::string digits = std::to_string(bits >> 7 & 0xff'ffff'ffff);
  if (digits.size() > 12) return std::nullopt;
  return std::string(12 - digits.size(), '0') + digits;
}

std::string principal_id(std::string_view prefix, std::string_view account, std::string_view name) {
  std::string hash = sha256(std::string(account) + "/" + std::string(name));
  return std::string(prefix) + base32(std::string_view(hash).substr(0, 15)).substr(0, 17);
}

std::vector<state::Migration> Keys::migrations() {
  return {std::begin(kMigrations), std::end(kMigrations)};
}

Keys::Keys(state::Database& db, const Clock& clock, Random& random, Options options)
    : db_(db), clock_(clock), random_(random), options_(std::move(options)) {}

Result<AccessKey> Keys::create(std::string_view account, std::string_view description) {
  if (!is_account_id(account)) return Error::invalid("an account is 12 digits, not '" + std::string(account) + "'");
  if (description.size() > 256) return Error::invalid("a key's description has at most 256 characters");
  AccessKey key = root_key(new_key_id(random_, "AKIA", account), new_key_text(random_, kSecretLetters), account);
  key.description = description;
  key.created_ms = clock_.now_ms();
  TRY(db_.write([&](state::Tx& tx) -> Result<void> {
    int64_t have = TRY(tx.num("SELECT count(*) FROM access_key WHERE expires_ms=0")).value_or(0);
    if (have >= static_cast<int64_t>(kKeys)) {
      return Error::exhausted("there are " + std::to_string(have) + " access keys already: delete some (savia keys delete)");
    }
    return insert(tx, key);
  }));
  return key;
}

Result<std::vector<AccessKey>> Keys::list() const {
  std::vector<AccessKey> out;
  TRY(db_.read([&](state::Tx& tx) {
    return tx.query(std::string(kColumns) + "WHERE expires_ms=0 ORDER BY created_ms, id", [&](const state::Row& row) {
      out.push_back(from_row(row));
      out.back().secret.clear();
      return true;
    });
  }));
  return out;
}

Result<void> Keys::remove(std::string_view id) {
  TRY(db_.write([&](state::Tx& tx) -> Result<void> {
    int64_t gone = TRY(tx.exec("DELETE FROM access_key WHERE id=?", id));
    if (gone == 0) return Error::not_found("there is no access key '" + std::string(id) + "'");
    return {};
  }));
  cache_.with([&](auto& cache) { cache.erase(std::string(id)); });
  return {};
}

Result<AccessKey> Keys::create_temporary(const TemporaryKeySpec& spec) {
  AccessKey key;
  key.id = new_key_id(random_, "ASIA", spec.account);
  key.secret = new_key_text(random_, kSecretLetters);
  key.token = "SAVIA" + new_key_text(random_, 251);
  key.account = spec.account;
  key.principal_arn = spec.principal_arn;
  key.user_id = spec.user_id;
  key.created_ms = clock_.now_ms();
  key.expires_ms = key.created_ms + spec.duration_s * 1000;
  TRY(db_.write([&](state::Tx& tx) -> Result<void> {
    // A day longer than they are valid, so that a late request is told "expired" rather than "unknown".
    TRY(tx.exec("DELETE FROM access_key WHERE expires_ms>0 AND expires_ms<?", key.created_ms - 86'400'000));
    return insert(tx, key);
  }));
  return key;
}

std::optional<AccessKey> Keys::builtin(const std::string& id) const {
  if (!options_.builtin) return std::nullopt;
  if (id == "test") return root_key(id, "test", options_.default_account);
  if (is_account_id(id)) return root_key(id, "test", id);
  return std::nullopt;
}

std::optional<AccessKey> Keys::cached(const std::string& id) const {
  if (auto key = builtin(id)) return key;
  const int64_t now = clock_.monotonic_us();
  return cache_.with([&](const auto& cache) -> std::optional<AccessKey> {
    auto it = cache.find(id);
    if (it == cache.end() || now - it->second.read_us > kFreshUs) return std::nullopt;
    return it->second.key;
  });
}

Result<std::optional<AccessKey>> Keys::find(const std::string& id) {
  if (auto key = cached(id)) return key;
  const int64_t now = clock_.monotonic_us();
  std::optional<AccessKey> found;
  TRY(db_.read([&](state::Tx& tx) {
    return tx.query(
        std::string(kColumns) + "WHERE id=?",
        [&](const state::Row& row) {
          found = from_row(row);
          return false;
        },
        id);
  }));
  cache_.with([&](auto& cache) {
    if (!found) {
      cache.erase(id);
      return;
    }
    if (cache.size() >= kCachedKeys) cache.clear();
    cache.insert_or_assign(id, Cached{*found, now});
  });
  return found;
}

Result<AccessKey> Keys::internal() {
  if (auto key = internal_.with([](auto& k) { return k; })) return *key;
  AccessKey key = root_key(new_key_id(random_, "AKIA", options_.default_account), new_key_text(random_, kSecretLetters),
                           options_.default_account);
  TRY(db_.write([&](state::Tx& tx) -> Result<void> {
    TRY(tx.exec("INSERT OR IGNORE INTO internal_key(name, id, secret) VALUES(?,?,?)", kInternalName, key.id, key.secret));
    return tx.query(
        "SELECT id, secret FROM internal_key WHERE name=?",
        [&](const state::Row& row) {
          key.id = row.text(0);
          key.secret = row.text(1);
          return false;
        },
        kInternalName);
  }));
  internal_.with([&](auto& k) { k = key; });
  return key;
}

void Keys::forget() {
  cache_.with([](auto& cache) { cache.clear(); });
  internal_.with([](auto& key) { key.reset(); });
}

}  // namespace savia::aws
