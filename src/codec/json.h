// JSON text <-> Value, and an append-only writer for whoever builds JSON without a Value (the edge's Lambda events).
//
// Reading (RFC 8259, strict): integers that fit int64 are kInt, all other numbers kDouble (beyond the double's range: an
// error); of equal member names the last one's value wins; a lone surrogate escape becomes U+FFFD; bytes that are not UTF-8
// are refused. Errors are kInvalid and say "line 3 column 7: expected ':' after a member's name".
// Writing: compact, members in order; bytes that are not UTF-8 become U+FFFD; blobs are base64, timestamps epoch seconds with
// a millisecond fraction, NaN and the infinities the strings "NaN", "Infinity", "-Infinity" (AWS JSON protocol).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"
#include "codec/value.h"

namespace savia {

// `max_depth`: arrays and objects inside each other; deeper documents are refused.
Result<Value> parse_json(std::string_view text, size_t max_depth = limits::kNestingDepth);
// Is it JSON? The same grammar, but nothing is built and the number of values is not limited: for payloads that pass through.
Result<void> check_json(std::string_view text, size_t max_depth = limits::kPayloadDepth);

std::string to_json(const Value& v);
void append_json(std::string& out, const Value& v);
std::string to_json_pretty(const Value& v,
                           int indent = 4);  // as `aws` and people like it: one member a line, no line feed at the end

void append_json_string(std::string& out, std::string_view s);  // with quotes
void append_json_int(std::string& out, int64_t v);
void append_json_double(std::string& out, double v);  // shortest text that reads back equal

// Appends to a string that the caller owns and reuses. Commas are its business; balance is the caller's.
//
//   JsonWriter w(out);
//   w.begin_object().field("path", path).key("headers").begin_object();
//   ...
//   w.end_object().end_object();
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name) {
    comma();
    append_json_string(out_, name);
    out_ += ':';
    comma_ = false;
    return *this;
  }
  JsonWriter& value(std::string_view v) { return comma(), append_json_string(out_, v), done(); }
  JsonWriter& value(const char* v) { return value(std::string_view(v)); }
  JsonWriter& value(const std::string& v) { return value(std::string_view(v)); }
  JsonWriter& value(int64_t v) { return comma(), append_json_int(out_, v), done(); }
  JsonWriter& value(int v) { return value(static_cast<int64_t>(v)); }
  JsonWriter& value(double v) { return comma(), append_json_double(out_, v), done(); }
  JsonWriter& value(bool v) { return raw(v ? "true" : "false"); }
  JsonWriter& value(const Value& v) { return comma(), append_json(out_, v), done(); }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& base64(std::string_view bytes);                                            // a string holding the base64 of bytes
  JsonWriter& raw(std::string_view json) { return comma(), out_.append(json), done(); }  // JSON text already
  template <class T>
  JsonWriter& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }

 private:
  JsonWriter& open(char c) {
    comma();
    out_ += c;
    comma_ = false;
    return *this;
  }
  JsonWriter& close(char c) {
    out_ += c;
    return done();
  }
  void comma() {
    if (comma_) out_ += ',';
  }
  JsonWriter& done() {
    comma_ = true;
    return *this;
  }
  std::string& out_;
  bool comma_ = false;
};

}  // namespace savia
