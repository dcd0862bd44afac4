// How commands reach AWS operations: the public API, signed, over HTTP. The deployer knows no other way in, so it works
// against whatever answers it.
#pragma once

#include <string>
#include <string_view>

#include "aws/operation.h"
#include "codec/value.h"

namespace savia::cli {

class Cloud {
 public:
  virtual ~Cloud() = default;
  // "lambda", "CreateFunction", input shaped by the model.
  virtual aws::Outcome call(std::string_view service, std::string_view operation, const Value& input,
                            std::string_view region) = 0;
  // A request to the users' APIs, through the edge. Answers the status, or an error when nothing answered.
  virtual Result<int> get(const std::string& host, const std::string& path) = 0;
  virtual std::string edge_port() = 0;  // "8080"
};

}  // namespace savia::cli
