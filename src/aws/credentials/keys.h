// Access keys: who may sign requests, and for which account. Rows of the state database (secrets are needed in clear for
// HMAC; the data folder is the owner's alone), with a copy in memory that is at most kFreshMs old, so that a key made or
// deleted by `savia keys` in another process holds here a moment later.
//
// Besides the rows there are, only where `builtin` is set (everything listens on loopback): `test` with secret `test` for the
// default account, and any 12-digit access key with secret `test`, which names its account.
//
// Temporary credentials (STS) are rows with a token and an expiry; expired ones are swept when new ones are made.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/random.h"
#include "base/result.h"
#include "state/database.h"

namespace savia::aws {

struct AccessKey {
  std::string id;  // AKIA…, ASIA… for temporary ones
  std::string secret;
  std::string token;  // temporary ones
  std::string account;
  std::string principal_arn;  // arn:aws:iam::…:root, arn:aws:sts::…:assumed-role/…
  std::string user_id;
  std::string description;
  int64_t created_ms = 0;
  int64_t expires_ms = 0;  // 0: never
  bool operator==(const AccessKey&) const = default;
};

struct TemporaryKeySpec {
  std::string account;
  std::string principal_arn;
  std::string user_id;
  int64_t duration_s = 3600;
};

// 12 decimal digits.
bool is_account_id(std::string_view text);
// Access key ids carry their account as AWS's do (5 bytes of the base32 text after the prefix). nullopt: not such an id.
std::optional<std::string> account_in_key_id(std::string_view id);
std::string new_key_id(Random& random, std::string_view prefix, std::string_view account);
// "AROA" and 17 letters or digits: ids of roles, stable for a name.
std::string principal_id(std::string_view prefix, std::string_view account, std::string_view name);

class Keys {
 public:
  struct Options {
    std::string default_account = "000000000000";
    bool builtin = false;
  };

  static std::vector<state::Migration> migrations();
  Keys(state::Database& db, const Clock& clock, Random& random, Options options);

  Result<AccessKey> create(std::string_view account, std::string_view description);
  Result<std::vector<AccessKey>> list() const;  // permanent ones, secrets left out
  Result<void> remove(std::string_view id);
  Result<AccessKey> create_temporary(const TemporaryKeySpec& spec);

  // From memory only; nullopt when unknown or not fresh. Never blocks on the store.
  std::optional<AccessKey> cached(const std::string& id) const;
  Result<std::optional<AccessKey>> find(const std::string& id);  // may read the store
  // Signs and checks the program's own presigned URLs; kept in the store, so that they survive a restart.
  Result<AccessKey> internal();
  void forget();  // after the store was wiped

  const std::string& default_account() const { return options_.default_account; }

 private:
  struct Cached {
    AccessKey key;
    int64_t read_us;
  };
  std::optional<AccessKey> builtin(const std::string& id) const;

  state::Database& db_;
  const Clock& clock_;
  Random& random_;
  Options options_;
  Guarded<std::map<std::string, Cached>> cache_;
  Guarded<std::optional<AccessKey>> internal_;
};

}  // namespace savia::aws
