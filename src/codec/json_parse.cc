// The JSON reader: recursive descent with a depth limit, one pass, straight into Values.
//
// Why not simdjson: its DOM cannot say where a document breaks, refuses integers beyond uint64 where a number is wanted,
// needs padded input (a copy of up to 10 MB) and then still has to be turned into Values, which is where the time goes. What
// makes it fast matters only inside strings, so strings are scanned 16 bytes at a time here too.
#include <charconv>
#include <cstdlib>

#include "codec/json.h"
#include "codec/json_scan.h"
#include "codec/members.h"
#include "codec/utf8.h"

namespace savia {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// With kBuild false it only judges: nothing is kept, so checking a payload of megabytes costs a scan.
template <bool kBuild>
class Parser {
 public:
  Parser(std::string_view text, size_t max_depth)
      : text_(text), p_(text.data()), end_(p_ + text.size()), max_depth_(max_depth) {}

  Result<Value> document() {
    Value v;
    skip_space();
    if (!value(v, 0)) return failure();
    skip_space();
    if (p_ != end_) {
      error("text after the end of the document");
      return failure();
    }
    return v;
  }

 private:
  // The first error stands; parsing functions answer false and unwind.
  bool error(const char* reason) {
    if (reason_ == nullptr) {
      reason_ = reason;
      at_ = p_;
    }
    return false;
  }
  Error failure() const {
    return Error::invalid(text_position(text_, static_cast<size_t>(at_ - text_.data())) + ": " + reason_);
  }

  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

  bool value(Value& out, size_t depth) {
    if (kBuild && ++values_ > limits::kDocumentValues) return error("document holds too many values");
    if (p_ == end_) return error(text_.empty() ? "empty document" : "unexpected end, expected a value");
    switch (*p_) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string s;
        if (!string(s)) return false;
        if constexpr (kBuild) out = Value(std::move(s));
        return true;
      }
      case 't':
        return literal("true") && (out = Value(true), true);
      case 'f':
        return literal("false") && (out = Value(false), true);
      case 'n':
        return literal("null") && (out = Value(), true);
      default:
        if (*p_ == '-' || is_digit(*p_)) return number(out);
        return error("expected a value");
    }
  }

  bool literal(std::string_view word) {
    if (std::string_view(p_, static_cast<size_t>(end_ - p_)).substr(0, word.size()) != word) return error("expected a value");
    p_ += word.size();
    return true;
  }

  bool array(Value& out, size_t depth) {
    if (depth >= max_depth_) return error("nested too deeply");
    ++p_;
    Value::List list;
    skip_space();
    if (p_ != end_ && *p_ == ']') {
      ++p_;
      out = Value(std::move(list));
      return true;
    }
    while (true) {
      skip_space();
      if constexpr (kBuild) {
        if (!value(list.emplace_back(), depth + 1)) return false;
      } else {
        if (!value(out, depth + 1)) return false;
      }
      skip_space();
      if (p_ == end_) return error("unexpected end inside an array");
      if (*p_ == ']') break;
      if (*p_ != ',') return error("expected ',' or ']' after an element");
      ++p_;
    }
    ++p_;
    out = Value(std::move(list));
    return true;
  }

  bool object(Value& out, size_t depth) {
    if (depth >= max_depth_) return error("nested too deeply");
    ++p_;
    Value::Object members;
    skip_space();
    if (p_ != end_ && *p_ == '}') {
      ++p_;
      out = Value(std::move(members));
      return true;
    }
    while (true) {
      skip_space();
      if (p_ == end_) return error("unexpected end inside an object");
      if (*p_ != '"') return error("expected a member's name in double quotes");
      std::string name;
      if (!string(name)) return false;
      skip_space();
      if (p_ == end_ || *p_ != ':') return error("expected ':' after a member's name");
      ++p_;
      skip_space();
      if constexpr (kBuild) {
        if (!value(members.emplace_back(std::move(name), Value()).second, depth + 1)) return false;
      } else {
        if (!value(out, depth + 1)) return false;
      }
      skip_space();
      if (p_ == end_) return error("unexpected end inside an object");
      if (*p_ == '}') break;
      if (*p_ != ',') return error("expected ',' or '}' after a member");
      ++p_;
    }
    ++p_;
    if constexpr (kBuild) keep_last_of_equal_names(members);
    out = Value(std::move(members));
    return true;
  }

  bool string(std::string& out) {
    ++p_;
    while (true) {
      const char* plain = json_plain_end(p_, end_);
      if constexpr (kBuild) out.append(p_, plain);
      p_ = plain;
      if (p_ == end_) return error("unexpected end inside a string");
      unsigned char c = static_cast<unsigned char>(*p_);
      if (c == '"') {
        ++p_;
        return true;
      }
      if (c == '\\') {
        if (!escape(out)) return false;
      } else if (c < 0x20) {
        return error("control character inside a string (write it as an escape)");
      } else {
        size_t n = utf8_sequence(p_, end_);
        if (n == 0) return error("bytes inside a string that are not UTF-8");
        if constexpr (kBuild) out.append(p_, n);
        p_ += n;
      }
    }
  }

  bool escape(std::string& out) {
    if (end_ - p_ < 2) return error("unexpected end inside a string");
    char c = p_[1];
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u':
        return unicode_escape(out);
      default:
        return error("unknown escape inside a string");
    }
    p_ += 2;
    return true;
  }

  // The four hex digits of the \u at `at`; -1 when it is none.
  int32_t hex4(const char* at) const {
    if (end_ - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
    int32_t v = 0;
    for (int i = 2; i < 6; ++i) {
      char c = at[i];
      int d = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (d < 0) return -1;
      v = v * 16 + d;
    }
    return v;
  }

  bool unicode_escape(std::string& out) {
    int32_t c = hex4(p_);
    if (c < 0) return error("\\u needs four hex digits");
    p_ += 6;
    if (c >= 0xd800 && c <= 0xdbff) {
      int32_t low = hex4(p_);
      if (low >= 0xdc00 && low <= 0xdfff) {
        p_ += 6;
        append_utf8(out, 0x10000U + ((static_cast<uint32_t>(c) - 0xd800U) << 10) + (static_cast<uint32_t>(low) - 0xdc00U));
        return true;
      }
    }
    if (c >= 0xd800 && c <= 0xdfff) {
      out += kReplacementCharacter;
    } else {
      append_utf8(out, static_cast<uint32_t>(c));
    }
    return true;
  }

  bool digits() {
    if (p_ == end_ || !is_digit(*p_)) return error("expected a digit");
    while (p_ != end_ && is_digit(*p_)) ++p_;
    return true;
  }

  bool number(Value& out) {
    const char* start = p_;
    if (*p_ == '-') ++p_;
    if (p_ != end_ && *p_ == '0') {
      ++p_;
      if (p_ != end_ && is_digit(*p_)) return error("number with a leading zero");
    } else if (!digits()) {
      return false;
    }
    bool integer = true;
    if (p_ != end_ && *p_ == '.') {
      integer = false;
      ++p_;
      if (!digits()) return false;
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      integer = false;
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!digits()) return false;
    }
    if (integer) {
      int64_t i = 0;
      if (std::from_chars(start, p_, i).ec == std::errc()) {
        out = Value(i);
        return true;
      }
    }
    double d = 0;
    if (std::from_chars(start, p_, d).ec != std::errc()) {
      // Out of range either way; strtod tells too small (a number near zero) from too large.
      d = std::strtod(std::string(start, p_).c_str(), nullptr);
      if (d > 1 || d < -1) {
        p_ = start;
        return error("number out of range");
      }
    }
    out = Value(d);
    return true;
  }

  std::string_view text_;
  const char* p_;
  const char* end_;
  size_t max_depth_;
  size_t values_ = 0;
  const char* reason_ = nullptr;
  const char* at_ = nullptr;
};

}  // namespace

Result<Value> parse_json(std::string_view text, size_t max_depth) {
  return Parser<true>(text, max_depth).document();
}
Result<void> check_json(std::string_view text, size_t max_depth) {
  auto r = Parser<false>(text, max_depth).document();
  if (!r.ok()) return std::move(r).error();
  return {};
}

}  // namespace savia
