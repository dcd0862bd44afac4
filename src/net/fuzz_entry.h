// What the fuzz target of the HTTP/1 parser does with bytes; the corpus test runs every file of fuzz/corpus/http1_fuzz/ through
// it. Input: first byte the split, second the kind (bit 0: response), the rest is the wire. However the wire is split, the
// parser must say the same about it, and what it lets through must be fit to be sent.
#pragma once

#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http1.h"

namespace savia::fuzz {

inline std::string http1_body(const net::http1::Head& head, std::string_view wire, size_t step) {
  using Event = net::http1::BodyReader::Event;
  net::http1::BodyReader reader;
  reader.start(head.framing, head.content_length);
  std::string out;
  while (!wire.empty()) {
    std::string_view part = wire.substr(0, step), piece;
    size_t before = part.size();
    Event event;
    while ((event = reader.next(part, piece)) == Event::kData) {
      CHECK(!piece.empty());
      out.append(piece);
    }
    if (event == Event::kDone) return out + "|done|" + std::string(wire.substr(before - part.size()));
    if (event == Event::kError) return out + "|error";
    wire.remove_prefix(before);
  }
  return out + (reader.done() ? "|done|" : "|more");
}

inline void http1(std::string_view bytes) {
  using namespace net::http1;
  if (bytes.size() < 2) return;
  size_t split = static_cast<unsigned char>(bytes[0]);
  auto kind = (bytes[1] & 1) != 0 ? HeadParser::Kind::kResponse : HeadParser::Kind::kRequest;
  std::string wire(bytes.substr(2)), first = wire.substr(0, split);
  HeadParser whole(kind), parts(kind);
  Head a, b;
  Parse result = whole.parse(wire, a);
  Parse again = parts.parse(first, b);
  if (again == Parse::kMore) again = parts.parse(wire, b);
  CHECK(result == again);
  if (result == Parse::kError) CHECK(whole.error_status() == parts.error_status() && whole.error_status() >= 400);
  if (result != Parse::kDone) return;
  CHECK(a.bytes == b.bytes && a.fields.size() == b.fields.size() && a.framing == b.framing &&
        a.content_length == b.content_length);
  for (const Field& f : a.fields) {
    CHECK(f.value.at + f.value.size <= a.bytes && is_sendable(f.name.in(wire.data()), f.value.in(wire.data())));
  }
  std::string_view rest = std::string_view(wire).substr(a.bytes);
  CHECK(http1_body(a, rest, rest.size() + 1) == http1_body(a, rest, split % 7 + 1));
}

}  // namespace savia::fuzz
