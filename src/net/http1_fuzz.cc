// Any bytes, split at any point, parse the same as in one piece, and never crash; what follows is the body reader's.
// Input: first byte the split, second the kind (bit 0: response), the rest is the wire.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "net/http1.h"

using namespace savia::net::http1;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::string drain(const Head& head, std::string_view wire, size_t step) {
  BodyReader reader;
  reader.start(head.framing, head.content_length);
  std::string out;
  while (!wire.empty()) {
    std::string_view part = wire.substr(0, step);
    size_t before = part.size();
    std::string_view piece;
    for (;;) {
      BodyReader::Event event = reader.next(part, piece);
      if (event == BodyReader::Event::kData) {
        require(!piece.empty());
        out.append(piece);
        continue;
      }
      if (event == BodyReader::Event::kDone) return out + "|done|" + std::string(wire.substr(before - part.size()));
      if (event == BodyReader::Event::kError) return out + "|error";
      break;
    }
    wire.remove_prefix(before);
  }
  return out + "|more";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string wire(reinterpret_cast<const char*>(data) + 2, size - 2);
  auto kind = (data[1] & 1) != 0 ? HeadParser::Kind::kResponse : HeadParser::Kind::kRequest;
  HeadParser whole(kind), split(kind);
  Head a, b;
  Parse result = whole.parse(wire, a);
  std::string first = wire.substr(0, data[0]);
  Parse again = split.parse(first, b);
  if (again == Parse::kMore) again = split.parse(wire, b);
  require(result == again);
  if (result == Parse::kError) require(whole.error_status() == split.error_status() && whole.error_status() >= 400);
  if (result != Parse::kDone) return 0;
  require(a.bytes == b.bytes && a.fields.size() == b.fields.size() && a.framing == b.framing &&
          a.content_length == b.content_length);
  for (const Field& f : a.fields) {
    require(f.value.at + f.value.size <= a.bytes && is_sendable(f.name.in(wire.data()), f.value.in(wire.data())));
  }
  std::string_view rest = std::string_view(wire).substr(a.bytes);
  require(drain(a, rest, rest.size() + 1) == drain(a, rest, size_t{data[0]} % 7 + 1));
  return 0;
}
