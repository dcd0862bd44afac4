#include <charconv>
#include <cmath>

#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

namespace savia {
namespace {

void append_escape(std::string& out, unsigned char c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

void append_timestamp(std::string& out, int64_t ms) {
  uint64_t magnitude = ms < 0 ? 0 - static_cast<uint64_t>(ms) : static_cast<uint64_t>(ms);
  if (ms < 0) out += '-';
  out += std::to_string(magnitude / 1000);
  uint64_t fraction = magnitude % 1000;
  if (fraction == 0) return;
  char digits[4] = {'.', static_cast<char>('0' + fraction / 100), static_cast<char>('0' + fraction / 10 % 10),
                    static_cast<char>('0' + fraction % 10)};
  size_t n = 4;
  while (digits[n - 1] == '0') --n;
  out.append(digits, n);
}

void new_line(std::string& out, int indent, int depth) {
  if (indent == 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
}

void append_value(std::string& out, const Value& v, int indent, int depth) {
  switch (v.kind()) {
    case Value::Kind::kNull:
      out += "null";
      return;
    case Value::Kind::kBool:
      out += v.as_bool() ? "true" : "false";
      return;
    case Value::Kind::kInt:
      return append_json_int(out, v.as_int());
    case Value::Kind::kDouble:
      return append_json_double(out, v.as_double());
    case Value::Kind::kString:
      return append_json_string(out, v.as_string());
    case Value::Kind::kBlob:
      out += '"';
      append_base64(out, v.as_blob());
      out += '"';
      return;
    case Value::Kind::kTimestamp:
      return append_timestamp(out, v.as_timestamp_ms());
    case Value::Kind::kList: {
      const Value::List& list = v.as_list();
      out += '[';
      for (size_t i = 0; i < list.size(); ++i) {
        if (i != 0) out += ',';
        new_line(out, indent, depth + 1);
        append_value(out, list[i], indent, depth + 1);
      }
      if (!list.empty()) new_line(out, indent, depth);
      out += ']';
      return;
    }
    case Value::Kind::kObject: {
      const Value::Object& members = v.as_object();
      out += '{';
      for (size_t i = 0; i < members.size(); ++i) {
        if (i != 0) out += ',';
        new_line(out, indent, depth + 1);
        append_json_string(out, members[i].first);
        out += indent == 0 ? ":" : ": ";
        append_value(out, members[i].second, indent, depth + 1);
      }
      if (!members.empty()) new_line(out, indent, depth);
      out += '}';
      return;
    }
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view s) {
  out += '"';
  const char* p = s.data();
  const char* end = p + s.size();
  while (p != end) {
    const char* plain = json_plain_end(p, end);
    out.append(p, plain);
    p = plain;
    if (p == end) break;
    unsigned char c = static_cast<unsigned char>(*p);
    if (c < 0x80) {
      append_escape(out, c);
      ++p;
    } else if (size_t n = utf8_sequence(p, end); n != 0) {
      out.append(p, n);
      p += n;
    } else {
      out += kReplacementCharacter;
      ++p;
    }
  }
  out += '"';
}

void append_json_int(std::string& out, int64_t v) {
  char buf[24];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  out.append(buf, r.ptr);
}

void append_json_double(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "\"NaN\"";
  } else if (std::isinf(v)) {
    out += v > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    if (v == 0 && std::signbit(v)) {
      out += "-0.0";  // "-0" would be read as the integer 0
      return;
    }
    // As ECMAScript: plain digits between 1e-6 and 1e21, else an exponent.
    double magnitude = std::fabs(v);
    bool plain = magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21);
    char buf[40];
    auto r = std::to_chars(buf, buf + sizeof buf, v, plain ? std::chars_format::fixed : std::chars_format::scientific);
    out.append(buf, r.ptr);
  }
}

JsonWriter& JsonWriter::base64(std::string_view bytes) {
  comma();
  out_ += '"';
  append_base64(out_, bytes);
  out_ += '"';
  return done();
}

void append_json(std::string& out, const Value& v) {
  append_value(out, v, 0, 0);
}
std::string to_json(const Value& v) {
  std::string out;
  append_json(out, v);
  return out;
}
std::string to_json_pretty(const Value& v, int indent) {
  std::string out;
  append_value(out, v, indent, 0);
  return out;
}

}  // namespace savia
