#include "os/fd.h"

#include <unistd.h>

namespace savia::os {

void Fd::reset(int fd) {
  // Linux frees the number even when close reports EINTR, so it is never tried again.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace savia::os
