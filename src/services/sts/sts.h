// Security Token Service: who is calling, and temporary credentials.
//
// It owns no rows: temporary credentials are access keys with a token and an expiry (aws/credentials). Until there are IAM
// roles, AssumeRole takes any role of the caller's own account by its ARN, as Lambda takes roles by pattern; roles of other
// accounts are refused unless every credential is accepted anyway (open mode), since nothing says whom they trust.
// Arguments that only policies give a meaning (Policy, Tags, ExternalId, MFA) are refused by name.
//
// Threads: bodies run on the control pool. It must not talk to other services.
#pragma once

#include <vector>

#include "aws/credentials/keys.h"
#include "aws/operation.h"
#include "state/database.h"

namespace savia::services {

class Sts {
 public:
  struct Options {
    bool any_account = false;  // AssumeRole into other accounts
  };
  Sts(aws::Keys& keys, Options options) : keys_(keys), options_(options) {}

  static std::vector<state::Migration> migrations() { return {}; }
  std::vector<aws::Operation> operations();

 private:
  aws::Outcome get_caller_identity(const aws::CallContext& c, const Value& in);
  aws::Outcome get_access_key_info(const aws::CallContext& c, const Value& in);
  aws::Outcome assume_role(const aws::CallContext& c, const Value& in);
  aws::Outcome get_session_token(const aws::CallContext& c, const Value& in);

  aws::Keys& keys_;
  Options options_;
};

}  // namespace savia::services
