#include "aws/operation.h"

namespace savia::aws {
namespace {

std::string code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kExhausted:
      return "ServiceException";
    case ErrorKind::kUnavailable:
      return "ServiceUnavailable";
    case ErrorKind::kUnimplemented:
      return "NotImplemented";
    default:
      return "InternalFailure";
  }
}

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kExhausted:
      return 507;
    case ErrorKind::kUnavailable:
      return 503;
    case ErrorKind::kUnimplemented:
      return 501;
    default:
      return 500;
  }
}

}  // namespace

Fault::Fault(const Error& error) : code(code_of(error.kind())), message(error.message()), http_status(status_of(error.kind())) {
  if (error.kind() == ErrorKind::kUnavailable) retry_after_s = 1;
}

}  // namespace savia::aws
