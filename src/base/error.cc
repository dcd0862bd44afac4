#include <cerrno>
#include <cstring>

#include "base/result.h"

namespace savia {

Error Error::from_errno(int err, std::string_view what) {
  std::string text = err == ENOSPC || err == EDQUOT ? "disk is full: " : "";
  text += what;
  text += ": ";
  char buf[128];
  text += strerror_r(err, buf, sizeof buf);
  switch (err) {
    case ENOENT:
    case ENOTDIR:
      return not_found(std::move(text));
    case EACCES:
    case EPERM:
    case EROFS:
      return denied(std::move(text));
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return exhausted(std::move(text));
    case EEXIST:
    case EBUSY:
      return conflict(std::move(text));
    case EAGAIN:
    case ECONNREFUSED:
    case ETIMEDOUT:
      return unavailable(std::move(text));
    default:
      return internal(std::move(text));
  }
}

}  // namespace savia
