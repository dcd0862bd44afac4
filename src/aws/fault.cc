#include "aws/operation.h"

namespace savia::aws {

namespace {

struct Class {
  const char* code;
  int http_status;
};

// Which answer tells the caller what to do: free space, try again, do without, or report us.
Class class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kExhausted:
      return {"ServiceException", 507};
    case ErrorKind::kUnavailable:
      return {"ServiceUnavailable", 503};
    case ErrorKind::kUnimplemented:
      return {"NotImplemented", 501};
    default:
      return {"InternalFailure", 500};
  }
}

}  // namespace

Fault::Fault(const Error& error) : Fault(class_of(error.kind()).code, error.message(), class_of(error.kind()).http_status) {}

}  // namespace savia::aws
