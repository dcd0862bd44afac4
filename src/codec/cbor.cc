#include "codec/cbor.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "codec/members.h"

namespace savia {
namespace {

enum Major : unsigned { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kSimple };
constexpr unsigned kIndefinite = 31;
constexpr unsigned char kBreak = 0xff;

double half(uint16_t h) {  // RFC 8949, appendix D
  int exponent = h >> 10 & 0x1f, mantissa = h & 0x3ff;
  double v = exponent == 0    ? std::ldexp(mantissa, -24)
             : exponent != 31 ? std::ldexp(mantissa + 1024, exponent - 25)
             : mantissa == 0  ? std::numeric_limits<double>::infinity()
                              : std::numeric_limits<double>::quiet_NaN();
  return (h & 0x8000) != 0 ? -v : v;
}

class Parser {
 public:
  Parser(std::string_view bytes, size_t max_depth) : bytes_(bytes), max_depth_(max_depth) {}

  Result<Value> document() {
    Value v;
    if (!value(v, 0)) return failure();
    if (at_ != bytes_.size()) {
      error("bytes after the end of the document");
      return failure();
    }
    return v;
  }

 private:
  bool error(const char* reason) {
    if (reason_ == nullptr) {
      reason_ = reason;
      where_ = at_;
    }
    return false;
  }
  Error failure() const { return Error::invalid("byte " + std::to_string(where_) + ": " + reason_); }
  size_t left() const { return bytes_.size() - at_; }

  bool number(unsigned info, uint64_t& out) {
    if (info < 24) {
      out = info;
      return true;
    }
    if (info > 27) return error("reserved length");
    size_t n = size_t{1} << (info - 24);
    if (left() < n) return error("unexpected end");
    out = 0;
    for (size_t i = 0; i < n; ++i) out = out << 8 | static_cast<unsigned char>(bytes_[at_++]);
    return true;
  }

  bool head(unsigned& major, unsigned& info) {
    if (left() == 0) return error("unexpected end");
    unsigned char b = static_cast<unsigned char>(bytes_[at_++]);
    major = b >> 5;
    info = b & 31;
    return true;
  }

  bool at_break() {
    if (left() == 0 || static_cast<unsigned char>(bytes_[at_]) != kBreak) return false;
    ++at_;
    return true;
  }

  bool value(Value& out, size_t depth) {
    if (++values_ > limits::kDocumentValues) return error("document holds too many values");
    unsigned major = 0, info = 0;
    if (!head(major, info)) return false;
    uint64_t n = 0;
    switch (major) {
      case kUnsigned:
        if (!number(info, n)) return false;
        out = n <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ? Value(static_cast<int64_t>(n))
                                                                              : Value(static_cast<double>(n));
        return true;
      case kNegative:
        if (!number(info, n)) return false;
        out = n <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ? Value(-1 - static_cast<int64_t>(n))
                                                                              : Value(-1.0 - static_cast<double>(n));
        return true;
      case kBytes:
      case kText: {
        std::string s;
        if (!string(major, info, s)) return false;
        out = major == kText ? Value(std::move(s)) : Value(Blob{std::move(s)});
        return true;
      }
      case kArray:
        return array(info, out, depth);
      case kMap:
        return map(info, out, depth);
      case kTag:
        return tagged(info, out, depth);
      default:
        return simple(info, out);
    }
  }

  bool string(unsigned major, unsigned info, std::string& out) {
    if (info == kIndefinite) {
      while (!at_break()) {
        unsigned m = 0, i = 0;
        if (!head(m, i)) return false;
        if (m != major || i == kIndefinite) return error("wrong piece inside a string of indefinite length");
        if (!string(m, i, out)) return false;
      }
      return true;
    }
    uint64_t n = 0;
    if (!number(info, n)) return false;
    if (n > left()) return error("string longer than the document");
    std::string_view piece = bytes_.substr(at_, n);
    if (major == kText && !is_utf8(piece)) return error("text that is not UTF-8");
    out.append(piece);
    at_ += n;
    return true;
  }

  // Length of an array or map; each element takes a byte at least, so no length beyond the document is believed.
  bool length(unsigned info, uint64_t bytes_each, uint64_t& n, bool& indefinite) {
    indefinite = info == kIndefinite;
    if (indefinite) return true;
    if (!number(info, n)) return false;
    return n <= left() / bytes_each || error("more elements than the document can hold");
  }

  bool array(unsigned info, Value& out, size_t depth) {
    if (depth >= max_depth_) return error("nested too deeply");
    uint64_t n = 0;
    bool indefinite = false;
    if (!length(info, 1, n, indefinite)) return false;
    Value::List list;
    for (uint64_t i = 0; indefinite ? !at_break() : i < n; ++i) {
      if (!value(list.emplace_back(), depth + 1)) return false;
    }
    out = Value(std::move(list));
    return true;
  }

  bool map(unsigned info, Value& out, size_t depth) {
    if (depth >= max_depth_) return error("nested too deeply");
    uint64_t n = 0;
    bool indefinite = false;
    if (!length(info, 2, n, indefinite)) return false;
    Value::Object members;
    for (uint64_t i = 0; indefinite ? !at_break() : i < n; ++i) {
      unsigned key_major = 0, key_info = 0;
      if (!head(key_major, key_info)) return false;
      if (key_major != kText) return error("map key that is not text");
      Value::Member& m = members.emplace_back();
      if (!string(key_major, key_info, m.first)) return false;
      if (!value(m.second, depth + 1)) return false;
    }
    keep_last_of_equal_names(members);
    out = Value(std::move(members));
    return true;
  }

  bool tagged(unsigned info, Value& out, size_t depth) {
    if (depth >= max_depth_) return error("nested too deeply");
    uint64_t tag = 0;
    if (!number(info, tag) || !value(out, depth + 1)) return false;
    if (tag != 1) return true;
    constexpr double kLastSecond = 9.2e15;  // milliseconds still fit 64 bits
    if (!out.is_number() || !(std::fabs(out.as_double()) < kLastSecond))
      return error("timestamp that is no number, or out of range");
    out = Value(Timestamp{out.is_int() ? out.as_int() * 1000 : static_cast<int64_t>(std::llround(out.as_double() * 1000))});
    return true;
  }

  bool simple(unsigned info, Value& out) {
    uint64_t n = 0;
    switch (info) {
      case 20:
      case 21:
        out = Value(info == 21);
        return true;
      case 22:
      case 23:
        out = Value();
        return true;
      case 25:
        return number(info, n) && (out = Value(half(static_cast<uint16_t>(n))), true);
      case 26:
        return number(info, n) && (out = Value(static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(n)))), true);
      case 27:
        return number(info, n) && (out = Value(std::bit_cast<double>(n)), true);
      default:
        return error("unknown simple value, or a break outside");
    }
  }

  std::string_view bytes_;
  size_t max_depth_;
  size_t at_ = 0;
  size_t values_ = 0;
  const char* reason_ = nullptr;
  size_t where_ = 0;
};

void put_number(std::string& out, uint64_t v, size_t size) {
  for (size_t i = size; i-- > 0;) out += static_cast<char>(v >> (i * 8) & 255);
}

void put_head(std::string& out, unsigned major, uint64_t n) {
  auto first = [&](unsigned info) { out += static_cast<char>(major << 5 | info); };
  if (n < 24) return first(static_cast<unsigned>(n));
  if (n <= 0xff) return first(24), put_number(out, n, 1);
  if (n <= 0xffff) return first(25), put_number(out, n, 2);
  if (n <= 0xffffffff) return first(26), put_number(out, n, 4);
  first(27), put_number(out, n, 8);
}

void put_int(std::string& out, int64_t v) {
  if (v >= 0) return put_head(out, kUnsigned, static_cast<uint64_t>(v));
  put_head(out, kNegative, static_cast<uint64_t>(-(v + 1)));
}

void put_double(std::string& out, double v) {
  out += static_cast<char>(0xfb);
  put_number(out, std::bit_cast<uint64_t>(v), 8);
}

void put_text(std::string& out, std::string_view s) {
  put_head(out, kText, s.size());
  out += s;
}

}  // namespace

Result<Value> parse_cbor(std::string_view bytes, size_t max_depth) {
  return Parser(bytes, max_depth).document();
}

void append_cbor(std::string& out, const Value& v) {
  switch (v.kind()) {
    case Value::Kind::kNull:
      out += static_cast<char>(0xf6);
      return;
    case Value::Kind::kBool:
      out += static_cast<char>(v.as_bool() ? 0xf5 : 0xf4);
      return;
    case Value::Kind::kInt:
      return put_int(out, v.as_int());
    case Value::Kind::kDouble:
      return put_double(out, v.as_double());
    case Value::Kind::kString:
      return put_text(out, v.as_string());
    case Value::Kind::kBlob:
      put_head(out, kBytes, v.as_blob().size());
      out += v.as_blob();
      return;
    case Value::Kind::kTimestamp: {
      put_head(out, kTag, 1);
      int64_t ms = v.as_timestamp_ms();
      if (ms % 1000 == 0) return put_int(out, ms / 1000);
      return put_double(out, static_cast<double>(ms) / 1000);
    }
    case Value::Kind::kList:
      put_head(out, kArray, v.size());
      for (const Value& item : v.as_list()) append_cbor(out, item);
      return;
    case Value::Kind::kObject:
      put_head(out, kMap, v.size());
      for (const Value::Member& m : v.as_object()) {
        put_text(out, m.first);
        append_cbor(out, m.second);
      }
      return;
  }
}

std::string to_cbor(const Value& v) {
  std::string out;
  append_cbor(out, v);
  return out;
}

}  // namespace savia
