// HTTP/1.1 message parsing (RFC 9112): pure, no I/O, no allocation per message beyond a header table that is reused.
//
// The head parser works on the receive buffer itself. The caller keeps every byte of the head in one contiguous buffer and
// calls parse() with all of it whenever bytes have been added; the parser goes on where it stopped, so each byte is looked
// at once however the head is split, and results are offsets, so the buffer may move between calls.
//
// There is one grammar and one reading of every message, since a server that accepts two readings of a length invites
// request smuggling. Refused, though some servers take them: bare LF or CR, obs-fold, white space before the colon,
// Transfer-Encoding with Content-Length, Content-Length lists or several differing ones, signs and blanks in lengths,
// chunk sizes with anything but hex digits, Transfer-Encoding in HTTP/1.0, more than one Host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace savia::net::http1 {

struct Slice {  // a part of the receive buffer
  uint32_t at = 0, size = 0;
  std::string_view in(const char* base) const { return {base + at, size}; }
};

// Field names that some part of the program treats specially, told apart once, when the line is parsed.
enum class Name : uint8_t {
  kOther,
  kAccept,
  kAcceptEncoding,
  kAuthorization,
  kConnection,
  kContentEncoding,
  kContentLength,
  kContentMd5,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kHost,
  kKeepAlive,
  kMaxForwards,
  kOrigin,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kServer,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kWwwAuthenticate,
  kXAmznRequestId,
  kXAmznTraceId,
  kXForwardedFor,
  kXForwardedPort,
  kXForwardedProto,
};
Name known_name(std::string_view name);
// Fields that belong to one connection and are never passed on (RFC 9110 7.6.1); those that Connection names come on top.
bool is_hop_by_hop(Name name);

struct Field {
  Slice name, value;  // value without surrounding white space
  Name id = Name::kOther;
};

enum class Framing : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct Head {
  // Requests.
  Slice method;
  Slice target;  // origin form; an absolute target is reduced to it; "*" for OPTIONS *
  Slice host;    // authority of an absolute target, else Host's value (RFC 9112 3.2.2)
  bool absolute_target = false;
  bool expect_continue = false;
  // Responses.
  int status = 0;
  Slice reason;
  // Both.
  int minor_version = 1;
  std::vector<Field> fields;
  Framing framing = Framing::kNone;
  int64_t content_length = 0;     // for kLength
  bool keep_alive = true;         // may the connection be used again, by this head?
  bool upgrade = false;           // Connection: upgrade
  bool connection_names = false;  // Connection names further fields
  uint32_t bytes = 0;             // length of the head: the body begins here

  const Field* find(Name id) const;
  void clear();
};

struct Limits {
  size_t head_bytes = 32 * 1024;
  size_t fields = 128;
};

enum class Parse { kMore, kDone, kError };

class HeadParser {
 public:
  enum class Kind { kRequest, kResponse };
  explicit HeadParser(Kind kind, Limits limits = {}) : kind_(kind), limits_(limits) {}

  // `buffer`: everything received of this message so far. After kDone or kError call reset() before the next message.
  // For responses `head_request` tells that the request was HEAD (no body whatever the fields say).
  Parse parse(std::string_view buffer, Head& head, bool head_request = false);
  void reset();
  bool started() const { return started_; }  // has a byte of the message (beyond empty lines) been seen?

  // After kError: the status to answer a request with, and why.
  int error_status() const { return error_status_; }
  const char* error_text() const { return error_text_; }

 private:
  Parse fail(int status, const char* text);
  bool start_line(const char* base, uint32_t begin, uint32_t end, Head& head);
  bool request_line(const char* base, uint32_t begin, uint32_t end, Head& head);
  bool absolute_form(const char* base, Head& head);
  bool status_line(const char* base, uint32_t begin, uint32_t end, Head& head);
  bool field_line(const char* base, uint32_t begin, uint32_t end, Head& head);
  bool note_field(std::string_view value, Field& field, Head& head);
  bool note_length(std::string_view value, Head& head);
  bool note_transfer_encoding(std::string_view value);
  void note_connection(std::string_view value, Head& head);
  bool finish(const char* base, Head& head, bool head_request);

  enum class Transfer : uint8_t { kAbsent, kChunked, kUnsupported };
  Kind kind_;
  Limits limits_;
  uint32_t line_ = 0, scanned_ = 0;  // where the current line begins; up to where no LF was found
  bool started_ = false, in_fields_ = false;
  bool length_seen_ = false, close_ = false, keep_alive_ = false, expectation_failed_ = false;
  Transfer transfer_ = Transfer::kAbsent;
  int hosts_ = 0;
  int empty_lines_ = 0;
  int error_status_ = 0;
  const char* error_text_ = "";
};

// Takes a body out of a byte stream, piece by piece, without copying.
class BodyReader {
 public:
  enum class Event {
    kMore,   // `in` is used up
    kData,   // `data` is the next piece, inside the memory of `in`
    kDone,   // the message ends here; `in` holds what follows it
    kError,  // the framing is broken: the connection cannot be used further
  };
  void start(Framing framing, int64_t content_length);
  Event next(std::string_view& in, std::string_view& data);
  // Fields after a chunked body, without those that may not stand there (framing, routing).
  std::vector<std::pair<std::string, std::string>> take_trailers();
  bool done() const { return state_ == State::kDone; }
  // kUntilClose bodies end with the stream; every other one is cut short by it.
  bool complete_at_close() const { return state_ == State::kUntilClose || state_ == State::kDone; }
  const char* error_text() const { return error_text_; }

 private:
  enum class State : uint8_t {
    kDone,
    kLength,
    kUntilClose,
    kSize,
    kSizeMore,
    kBeforeExt,
    kExt,
    kSizeLf,
    kChunk,
    kChunkCr,
    kChunkLf,
    kTrailer,
    kError
  };
  Event fail(const char* text);
  Event take(std::string_view& in, std::string_view& data, State after);
  bool size_char(char c);
  bool trailer_char(char c);

  State state_ = State::kDone;
  uint64_t left_ = 0;       // bytes of the body or chunk still to come
  uint32_t digits_ = 0;     // of the chunk size
  uint32_t ext_bytes_ = 0;  // of all chunk extensions of the message
  std::string line_;        // a trailer line in the making
  uint32_t trailer_bytes_ = 0;
  std::vector<std::pair<std::string, std::string>> trailers_;
  const char* error_text_ = "";
};

std::string_view reason_phrase(int status);  // "OK"; "Unknown" where RFC 9110 has none
bool is_token(std::string_view text);        // RFC 9110 5.6.2, not empty
bool is_field_value(std::string_view text);  // no control characters but tab
// What a server writes: a name that is a token and a value without line breaks; anything else must not reach the wire.
inline bool is_sendable(std::string_view name, std::string_view value) {
  return is_token(name) && is_field_value(value);
}

}  // namespace savia::net::http1
