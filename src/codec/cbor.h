// CBOR (RFC 8949), the part that AWS's rpc-v2-cbor uses, both ways.
//
// Reading: all integers (beyond int64: kDouble), half, single and double floats, text, bytes, arrays, maps with text keys, of
// definite and indefinite length; null and undefined are kNull; tag 1 is a timestamp, other tags are passed over. Of equal keys
// the last one wins. Errors name the byte. Writing: definite lengths, shortest integers, timestamps as tag 1.
#pragma once

#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"
#include "codec/value.h"

namespace savia {

Result<Value> parse_cbor(std::string_view bytes, size_t max_depth = limits::kNestingDepth);
std::string to_cbor(const Value& v);
void append_cbor(std::string& out, const Value& v);

}  // namespace savia
