#include "net/http1.h"

#include <array>
#include <cstring>

#include "base/strings.h"

namespace savia::net::http1 {
namespace {

// One table of character classes instead of arithmetic on characters: `c - 'a' + 10` style code takes ":;<=>?@Gg" for hex
// digits somewhere, sooner or later.
enum Class : uint8_t { kTokenChar = 1, kTargetChar = 2, kValueChar = 4, kHostChar = 8, kDigit = 16, kHexDigit = 32 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> t{};
  auto mark = [&t](std::string_view chars, uint8_t c) {
    for (char ch : chars) t[static_cast<unsigned char>(ch)] |= c;
  };
  constexpr std::string_view kAlnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  mark(kAlnum, kTokenChar | kHostChar);
  mark("!#$%&'*+-.^_`|~", kTokenChar);
  mark("-._~!$&'()*+,;=%:[]", kHostChar);
  mark("0123456789", kDigit | kHexDigit);
  mark("abcdefABCDEF", kHexDigit);
  for (size_t c = 0x21; c < 0x7f; ++c) t[c] |= kTargetChar;
  // Beyond RFC 3986: clients send raw UTF-8 in targets; nothing downstream frames by it.
  for (size_t c = 0x80; c < 0x100; ++c) t[c] |= kTargetChar | kValueChar;
  for (size_t c = 0x20; c < 0x7f; ++c) t[c] |= kValueChar;
  t['\t'] |= kValueChar;
  return t;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();
bool is(char c, uint8_t cls) {
  return (kClasses[static_cast<unsigned char>(c)] & cls) != 0;
}

bool all(std::string_view s, uint8_t cls) {
  for (char c : s) {
    if (!is(c, cls)) return false;
  }
  return true;
}

constexpr std::array<int8_t, 256> make_hex() {
  std::array<int8_t, 256> t{};
  for (auto& v : t) v = -1;
  for (int8_t i = 0; i < 10; ++i) t[static_cast<size_t>('0' + i)] = i;
  for (int8_t i = 0; i < 6; ++i) {
    t[static_cast<size_t>('a' + i)] = static_cast<int8_t>(10 + i);
    t[static_cast<size_t>('A' + i)] = static_cast<int8_t>(10 + i);
  }
  return t;
}
constexpr std::array<int8_t, 256> kHex = make_hex();

constexpr int kEmptyLines = 4;            // before a request line (RFC 9112 2.2 asks for at least one)
constexpr uint32_t kExtBytes = 4096;      // chunk extensions of one message
constexpr uint32_t kTrailerBytes = 8192;  // trailer section
constexpr uint32_t kChunkDigits = 15;     // 60 bits: no overflow, and more than anybody sends

// `lower` is lower case; names are tokens, in which `| 0x20` folds letters and makes no other character equal to one of ours.
bool same(std::string_view name, std::string_view lower) {
  for (size_t i = 0; i < lower.size(); ++i) {
    if ((name[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

struct KnownName {
  std::string_view lower;
  Name id;
};
constexpr KnownName kKnown[] = {
    {"te", Name::kTe},
    {"host", Name::kHost},
    {"date", Name::kDate},
    {"accept", Name::kAccept},
    {"cookie", Name::kCookie},
    {"expect", Name::kExpect},
    {"origin", Name::kOrigin},
    {"server", Name::kServer},
    {"trailer", Name::kTrailer},
    {"upgrade", Name::kUpgrade},
    {"connection", Name::kConnection},
    {"keep-alive", Name::kKeepAlive},
    {"user-agent", Name::kUserAgent},
    {"content-md5", Name::kContentMd5},
    {"content-type", Name::kContentType},
    {"max-forwards", Name::kMaxForwards},
    {"authorization", Name::kAuthorization},
    {"content-length", Name::kContentLength},
    {"x-amzn-trace-id", Name::kXAmznTraceId},
    {"accept-encoding", Name::kAcceptEncoding},
    {"x-forwarded-for", Name::kXForwardedFor},
    {"content-encoding", Name::kContentEncoding},
    {"x-amzn-requestid", Name::kXAmznRequestId},
    {"x-forwarded-port", Name::kXForwardedPort},
    {"proxy-connection", Name::kProxyConnection},
    {"www-authenticate", Name::kWwwAuthenticate},
    {"transfer-encoding", Name::kTransferEncoding},
    {"x-forwarded-proto", Name::kXForwardedProto},
    {"proxy-authenticate", Name::kProxyAuthenticate},
    {"proxy-authorization", Name::kProxyAuthorization},
};
constexpr size_t kLongestKnown = 19;
// First entry of each length in kKnown, which is sorted by length.
constexpr std::array<uint8_t, kLongestKnown + 2> make_first() {
  std::array<uint8_t, kLongestKnown + 2> t{};
  for (size_t len = 0; len < t.size(); ++len) {
    uint8_t i = 0;
    while (i < std::size(kKnown) && kKnown[i].lower.size() < len) ++i;
    t[len] = i;
  }
  return t;
}
constexpr std::array<uint8_t, kLongestKnown + 2> kFirst = make_first();

std::string_view trim_ows(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// The next element of a comma-separated list.
std::string_view next_element(std::string_view& list) {
  size_t comma = list.find(',');
  std::string_view element = trim_ows(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  return element;
}

}  // namespace

Name known_name(std::string_view name) {
  if (name.size() > kLongestKnown) return Name::kOther;
  for (uint8_t i = kFirst[name.size()]; i < kFirst[name.size() + 1]; ++i) {
    if (same(name, kKnown[i].lower)) return kKnown[i].id;
  }
  return Name::kOther;
}

bool is_hop_by_hop(Name name) {
  switch (name) {
    case Name::kConnection:
    case Name::kKeepAlive:
    case Name::kProxyAuthenticate:
    case Name::kProxyAuthorization:
    case Name::kProxyConnection:
    case Name::kTe:
    case Name::kTrailer:
    case Name::kTransferEncoding:
    case Name::kUpgrade:
      return true;
    default:
      return false;
  }
}

const Field* Head::find(Name id) const {
  for (const Field& f : fields) {
    if (f.id == id) return &f;
  }
  return nullptr;
}

void Head::clear() {
  method = target = host = reason = {};
  absolute_target = expect_continue = upgrade = connection_names = false;
  status = 0;
  minor_version = 1;
  fields.clear();
  framing = Framing::kNone;
  content_length = 0;
  keep_alive = true;
  bytes = 0;
}

void HeadParser::reset() {
  *this = HeadParser(kind_, limits_);
}

Parse HeadParser::fail(int status, const char* text) {
  error_status_ = status;
  error_text_ = text;
  return Parse::kError;
}

Parse HeadParser::parse(std::string_view buffer, Head& head, bool head_request) {
  const char* base = buffer.data();
  if (error_status_ != 0) return Parse::kError;
  if (scanned_ == 0) head.clear();
  for (;;) {
    const void* found = scanned_ < buffer.size() ? std::memchr(base + scanned_, '\n', buffer.size() - scanned_) : nullptr;
    size_t seen = found != nullptr ? static_cast<size_t>(static_cast<const char*>(found) - base) : buffer.size();
    if (seen > limits_.head_bytes) {
      return in_fields_ ? fail(431, "request header fields too large") : fail(414, "request target too long");
    }
    if (found == nullptr) {
      scanned_ = static_cast<uint32_t>(buffer.size());
      started_ = started_ || scanned_ > line_;
      return Parse::kMore;
    }
    uint32_t lf = static_cast<uint32_t>(seen);
    if (lf == line_ || base[lf - 1] != '\r') return fail(400, "line feed without carriage return");
    uint32_t begin = line_, end = lf - 1;
    line_ = scanned_ = lf + 1;
    if (!in_fields_) {
      if (begin == end && kind_ == Kind::kRequest && ++empty_lines_ <= kEmptyLines) continue;
      started_ = true;
      if (!start_line(base, begin, end, head)) return Parse::kError;
      in_fields_ = true;
    } else if (begin == end) {
      head.bytes = scanned_;
      return finish(base, head, head_request) ? Parse::kDone : Parse::kError;
    } else if (!field_line(base, begin, end, head)) {
      return Parse::kError;
    }
  }
}

bool HeadParser::start_line(const char* base, uint32_t begin, uint32_t end, Head& head) {
  return kind_ == Kind::kRequest ? request_line(base, begin, end, head) : status_line(base, begin, end, head);
}

bool HeadParser::request_line(const char* base, uint32_t begin, uint32_t end, Head& head) {
  auto bad = [this](int status, const char* text) { return fail(status, text) == Parse::kDone; };
  uint32_t at = begin;
  while (at < end && is(base[at], kTokenChar)) ++at;
  head.method = {begin, at - begin};
  if (head.method.size == 0 || at == end || base[at] != ' ') return bad(400, "invalid method");
  uint32_t target = ++at;
  while (at < end && is(base[at], kTargetChar)) ++at;
  head.target = {target, at - target};
  if (head.target.size == 0 || at == end || base[at] != ' ') return bad(400, "invalid request target");
  std::string_view version(base + at + 1, end - at - 1);
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !is(version[5], kDigit) || version[6] != '.' ||
      !is(version[7], kDigit)) {
    return bad(400, "invalid protocol version");
  }
  if (version[5] != '1') return bad(505, "HTTP version not supported");
  head.minor_version = version[7] == '0' ? 0 : 1;
  std::string_view method = head.method.in(base);
  if (method == "CONNECT") return bad(501, "CONNECT is not supported");
  if (base[target] == '/') return true;
  if (head.target.size == 1 && base[target] == '*') return method == "OPTIONS" || bad(400, "invalid request target");
  return absolute_form(base, head) || bad(400, "invalid request target");
}

// "http://host:port/path?query" (RFC 9112 3.2.2). An absolute target without a path must end with the authority: there is
// no "/" in the buffer that the reduced target could point at otherwise.
bool HeadParser::absolute_form(const char* base, Head& head) {
  std::string_view target = head.target.in(base);
  size_t skip = 0;
  if (target.size() > 7 && iequals(target.substr(0, 7), "http://")) skip = 7;
  if (target.size() > 8 && iequals(target.substr(0, 8), "https://")) skip = 8;
  if (skip == 0) return false;
  size_t end = target.find_first_of("/?#", skip);
  std::string_view authority = target.substr(skip, end == std::string_view::npos ? end : end - skip);
  if (authority.empty() || !all(authority, kHostChar)) return false;
  head.absolute_target = true;
  head.host = {head.target.at + static_cast<uint32_t>(skip), static_cast<uint32_t>(authority.size())};
  if (end == std::string_view::npos) {
    head.target = {head.target.at + static_cast<uint32_t>(skip) - 1, 1};  // the second "/" of "://"
    return true;
  }
  if (target[end] != '/') return false;
  head.target = {head.target.at + static_cast<uint32_t>(end), static_cast<uint32_t>(target.size() - end)};
  return true;
}

bool HeadParser::status_line(const char* base, uint32_t begin, uint32_t end, Head& head) {
  std::string_view line(base + begin, end - begin);
  bool good = line.size() >= 12 && line.substr(0, 7) == "HTTP/1." && is(line[7], kDigit) && line[8] == ' ' && line[9] >= '1' &&
              line[9] <= '9' && is(line[10], kDigit) && is(line[11], kDigit) && (line.size() == 12 || line[12] == ' ');
  if (!good || !all(line, kValueChar)) return fail(502, "invalid status line") == Parse::kDone;
  head.minor_version = line[7] == '0' ? 0 : 1;
  head.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (line.size() > 13) head.reason = {begin + 13, end - begin - 13};
  return true;
}

bool HeadParser::field_line(const char* base, uint32_t begin, uint32_t end, Head& head) {
  auto bad = [this](const char* text) { return fail(400, text) == Parse::kDone; };
  uint32_t at = begin;
  while (at < end && is(base[at], kTokenChar)) ++at;
  if (at == begin || at == end || base[at] != ':') {
    return bad(base[begin] == ' ' || base[begin] == '\t' ? "folded header field" : "invalid header field name");
  }
  Field field;
  field.name = {begin, at - begin};
  ++at;
  while (at < end && (base[at] == ' ' || base[at] == '\t')) ++at;
  uint32_t last = end;
  while (last > at && (base[last - 1] == ' ' || base[last - 1] == '\t')) --last;
  std::string_view value(base + at, last - at);
  if (!all(value, kValueChar)) return bad("invalid character in header field value");
  field.value = {at, last - at};
  field.id = known_name(field.name.in(base));
  if (head.fields.size() >= limits_.fields) return fail(431, "too many header fields") == Parse::kDone;
  if (field.id != Name::kOther && !note_field(value, field, head)) return false;
  head.fields.push_back(field);
  return true;
}

bool HeadParser::note_field(std::string_view value, Field& field, Head& head) {
  switch (field.id) {
    case Name::kHost:
      if (++hosts_ > 1) return fail(400, "more than one Host") == Parse::kDone;
      if (!all(value, kHostChar)) return fail(400, "invalid Host") == Parse::kDone;
      if (!head.absolute_target) head.host = field.value;
      return true;
    case Name::kContentLength:
      return note_length(value, head);
    case Name::kTransferEncoding:
      return note_transfer_encoding(value);
    case Name::kConnection:
      note_connection(value, head);
      return true;
    case Name::kExpect:
      if (iequals(value, "100-continue")) {
        head.expect_continue = true;
      } else {
        expectation_failed_ = true;
      }
      return true;
    default:
      return true;
  }
}

bool HeadParser::note_length(std::string_view value, Head& head) {
  if (value.empty() || !all(value, kDigit)) return fail(400, "invalid Content-Length") == Parse::kDone;
  while (value.size() > 1 && value.front() == '0') value.remove_prefix(1);
  if (value.size() > 18) return fail(413, "content too large") == Parse::kDone;
  int64_t length = 0;
  for (char c : value) length = length * 10 + (c - '0');
  if (length_seen_ && length != head.content_length) return fail(400, "differing Content-Length fields") == Parse::kDone;
  length_seen_ = true;
  head.content_length = length;
  return true;
}

bool HeadParser::note_transfer_encoding(std::string_view value) {
  // A second field, or any coding besides one final "chunked", would need a second reading of where the body ends.
  if (transfer_ != Transfer::kAbsent) return fail(400, "more than one Transfer-Encoding") == Parse::kDone;
  if (iequals(value, "chunked")) {
    transfer_ = Transfer::kChunked;
    return true;
  }
  std::string_view list = value, last;
  size_t chunked = 0;
  while (!list.empty()) {
    last = next_element(list);
    chunked += iequals(last, "chunked") ? 1 : 0;
  }
  if (chunked != 1 || !iequals(last, "chunked")) return fail(400, "chunked is not the final transfer coding") == Parse::kDone;
  transfer_ = Transfer::kUnsupported;
  return true;
}

void HeadParser::note_connection(std::string_view value, Head& head) {
  while (!value.empty()) {
    std::string_view option = next_element(value);
    if (option.empty()) continue;
    if (iequals(option, "close")) {
      close_ = true;
    } else if (iequals(option, "keep-alive")) {
      keep_alive_ = true;
    } else if (iequals(option, "upgrade")) {
      head.upgrade = true;
    } else {
      head.connection_names = true;
    }
  }
}

bool HeadParser::finish(const char* base, Head& head, bool head_request) {
  (void)base;
  auto bad = [this](int status, const char* text) { return fail(status, text) == Parse::kDone; };
  head.keep_alive = !close_ && (head.minor_version >= 1 || keep_alive_);
  if (transfer_ != Transfer::kAbsent && length_seen_) return bad(400, "Transfer-Encoding with Content-Length");
  if (transfer_ != Transfer::kAbsent && head.minor_version == 0) return bad(400, "Transfer-Encoding in HTTP/1.0");
  if (transfer_ == Transfer::kUnsupported) return bad(501, "transfer coding not supported");
  if (kind_ == Kind::kRequest) {
    if (hosts_ == 0 && head.minor_version >= 1) return bad(400, "missing Host");
    if (expectation_failed_ && head.minor_version >= 1) return bad(417, "unknown expectation");
    if (head.minor_version == 0) head.expect_continue = false;
    head.framing = transfer_ == Transfer::kChunked ? Framing::kChunked : length_seen_ ? Framing::kLength : Framing::kNone;
  } else {
    // RFC 9112 6.3, in its order.
    bool bodiless = head_request || head.status < 200 || head.status == 204 || head.status == 304;
    head.framing = bodiless                          ? Framing::kNone
                   : transfer_ == Transfer::kChunked ? Framing::kChunked
                   : length_seen_                    ? Framing::kLength
                                                     : Framing::kUntilClose;
    if (head.framing == Framing::kUntilClose) head.keep_alive = false;
  }
  if (head.framing == Framing::kLength && head.content_length == 0) head.framing = Framing::kNone;
  return true;
}

// ---- bodies ----------------------------------------------------------------------------------------------------------

void BodyReader::start(Framing framing, int64_t content_length) {
  left_ = static_cast<uint64_t>(content_length);
  digits_ = ext_bytes_ = trailer_bytes_ = 0;
  line_.clear();
  trailers_.clear();
  error_text_ = "";
  switch (framing) {
    case Framing::kNone:
      state_ = State::kDone;
      break;
    case Framing::kLength:
      state_ = left_ > 0 ? State::kLength : State::kDone;
      break;
    case Framing::kChunked:
      state_ = State::kSize;
      left_ = 0;
      break;
    case Framing::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

BodyReader::Event BodyReader::fail(const char* text) {
  state_ = State::kError;
  error_text_ = text;
  return Event::kError;
}

BodyReader::Event BodyReader::take(std::string_view& in, std::string_view& data, State after) {
  size_t n = in.size() < left_ ? in.size() : static_cast<size_t>(left_);
  data = in.substr(0, n);
  in.remove_prefix(n);
  left_ -= n;
  if (left_ == 0) state_ = after;
  return Event::kData;
}

// One character of "chunk-size [ext] CRLF" (RFC 9112 7.1).
bool BodyReader::size_char(char c) {
  switch (state_) {
    case State::kSize:
    case State::kSizeMore: {
      int8_t digit = kHex[static_cast<unsigned char>(c)];
      if (digit >= 0) {
        if (++digits_ > kChunkDigits) return false;
        left_ = left_ << 4 | static_cast<uint64_t>(digit);
        state_ = State::kSizeMore;
        return true;
      }
      if (state_ == State::kSize) return false;
      state_ = c == '\r' ? State::kSizeLf : c == ';' ? State::kExt : State::kBeforeExt;
      return c == '\r' || c == ';' || c == ' ' || c == '\t';
    }
    case State::kBeforeExt:  // blanks may stand before an extension, and only there
      if (c == ';') state_ = State::kExt;
      return (c == ';' || c == ' ' || c == '\t') && ++ext_bytes_ <= kExtBytes;
    case State::kExt:
      if (c == '\r') {
        state_ = State::kSizeLf;
        return true;
      }
      return is(c, kValueChar) && ++ext_bytes_ <= kExtBytes;
    case State::kSizeLf:
      if (c != '\n') return false;
      state_ = left_ == 0 ? State::kTrailer : State::kChunk;
      return true;
    default:
      return false;
  }
}

// One character of the trailer section; the empty line ends the message.
bool BodyReader::trailer_char(char c) {
  if (++trailer_bytes_ > kTrailerBytes) return false;
  if (c != '\n') {
    line_ += c;
    return true;
  }
  if (line_.empty() || line_.back() != '\r') return false;
  line_.pop_back();
  if (line_.empty()) {
    state_ = State::kDone;
    return true;
  }
  size_t colon = line_.find(':');
  if (colon == std::string::npos) return false;
  std::string_view name = std::string_view(line_).substr(0, colon), value = trim_ows(std::string_view(line_).substr(colon + 1));
  if (!is_token(name) || !is_field_value(value)) return false;
  Name id = known_name(name);
  bool forbidden =
      is_hop_by_hop(id) || id == Name::kContentLength || id == Name::kHost || id == Name::kExpect || id == Name::kContentType;
  if (!forbidden) trailers_.emplace_back(name, value);
  line_.clear();
  return true;
}

BodyReader::Event BodyReader::next(std::string_view& in, std::string_view& data) {
  for (;;) {
    if (state_ == State::kDone) return Event::kDone;
    if (state_ == State::kError) return Event::kError;
    if (in.empty()) return Event::kMore;
    switch (state_) {
      case State::kLength:
        return take(in, data, State::kDone);
      case State::kChunk:
        return take(in, data, State::kChunkCr);
      case State::kUntilClose:
        data = std::exchange(in, {});
        return Event::kData;
      case State::kChunkCr:
        if (in.front() != '\r') return fail("chunk longer than its size");
        state_ = State::kChunkLf;
        break;
      case State::kChunkLf:
        if (in.front() != '\n') return fail("chunk longer than its size");
        state_ = State::kSize;
        digits_ = 0;
        break;
      case State::kTrailer:
        if (!trailer_char(in.front())) return fail("invalid trailer section");
        break;
      default:
        if (!size_char(in.front())) return fail("invalid chunk size");
        break;
    }
    in.remove_prefix(1);
  }
}

std::vector<std::pair<std::string, std::string>> BodyReader::take_trailers() {
  return std::exchange(trailers_, {});
}

// ---- helpers ---------------------------------------------------------------------------------------------------------

bool is_token(std::string_view text) {
  return !text.empty() && all(text, kTokenChar);
}
bool is_field_value(std::string_view text) {
  return all(text, kValueChar);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 203:
      return "Non-Authoritative Information";
    case 204:
      return "No Content";
    case 205:
      return "Reset Content";
    case 206:
      return "Partial Content";
    case 207:
      return "Multi-Status";
    case 300:
      return "Multiple Choices";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 407:
      return "Proxy Authentication Required";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 418:
      return "I'm a teapot";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Entity";
    case 423:
      return "Locked";
    case 424:
      return "Failed Dependency";
    case 425:
      return "Too Early";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 451:
      return "Unavailable For Legal Reasons";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    case 511:
      return "Network Authentication Required";
    default:
      return "Unknown";
  }
}

}  // namespace savia::net::http1
