// What the readers share about members of objects.
#pragma once

#include "codec/value.h"

namespace savia {

// Of members with equal names the last one's value stays, in the first one's place. n log n: a hostile object of a million
// names must not cost a million squared.
void keep_last_of_equal_names(Value::Object& members);

}  // namespace savia
