// CHECK: an invariant of our own memory or store is broken; going on would make it worse, so the process stops.
// Never used on input: input gets an Error.
#pragma once

namespace savia {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(cond) (static_cast<bool>(cond) ? void(0) : ::savia::check_failed(#cond, __FILE__, __LINE__))
