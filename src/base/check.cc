#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace savia {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "savia: internal invariant broken: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace savia
