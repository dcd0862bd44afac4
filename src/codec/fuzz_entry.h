// One function a fuzz target: the libFuzzer program calls it, and codec_corpus_test runs every file of fuzz/corpus/<target>/
// through it. Each reads input as bytes from a stranger, writes what it understood, reads that again and expects the same.
#pragma once

#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/base64.h"
#include "codec/cbor.h"
#include "codec/form.h"
#include "codec/json.h"
#include "codec/xml.h"
#include "codec/yaml.h"
#include "codec/zip.h"

namespace savia::fuzz {

inline void json(std::string_view bytes) {
  auto v = parse_json(bytes);
  CHECK(check_json(bytes, limits::kNestingDepth).ok() == v.ok());
  if (!v.ok()) return;
  std::string once = to_json(*v);  // 1.0 becomes 1: texts are compared, not kinds
  auto again = parse_json(once);
  CHECK(again.ok());
  CHECK(to_json(*again) == once);
  CHECK(parse_json(to_json_pretty(*v)).ok());
}

inline void cbor(std::string_view bytes) {
  auto v = parse_cbor(bytes);
  if (!v.ok()) return;
  std::string once = to_cbor(*v);
  auto again = parse_cbor(once, limits::kNestingDepth + 1);
  CHECK(again.ok());
  CHECK(to_cbor(*again) == once);
}

inline void append_node(XmlWriter& w, const XmlNode& n) {
  w.open("n");  // names are the caller's constants; the reader's may hold what the writer does not escape
  for (const auto& [name, value] : n.attributes) w.attribute("a" + std::to_string(&value - &n.attributes[0].second), value);
  w.text(n.text);
  for (const XmlNode& c : n.children) append_node(w, c);
  w.close();
}
inline void xml(std::string_view bytes) {
  auto r = parse_xml(bytes);
  if (!r.ok()) return;
  std::string out;
  XmlWriter w(out);
  append_node(w, *r);
  CHECK(parse_xml(out).ok());
}

inline void form(std::string_view bytes) {
  auto pairs = parse_form(bytes);
  if (!pairs.ok()) return;
  auto again = parse_form(build_form(*pairs));
  CHECK(again.ok());
  CHECK(*again == *pairs);
}

inline void base64(std::string_view bytes) {
  auto plain = base64_decode(bytes);
  if (plain.ok()) CHECK(base64_encode(*plain) == bytes);
  auto url = base64url_decode(bytes);
  if (url.ok()) CHECK(base64url_encode(*url) == bytes);
}

inline void zip(std::string_view bytes) {
  constexpr uint64_t kSmall = 1 << 20;  // keeps runs fast; the limits themselves are tested elsewhere
  auto r = ZipReader::open(bytes, {.entries = 1000, .unpacked_bytes = kSmall});
  if (!r.ok()) return;
  CHECK(r->unpacked_bytes() <= kSmall);
  for (const ZipEntry& e : r->entries()) {
    CHECK(!e.name.empty() && e.name[0] != '/' && e.name != ".." && !e.name.starts_with("../") &&
          e.name.find("/../") == std::string::npos);
    auto content = r->read_all(e);
    if (content.ok()) CHECK(content->size() == e.size);
  }
}

inline void yaml(std::string_view bytes) {
  auto n = parse_yaml(bytes);
  if (n.ok()) CHECK(parse_json(to_json(n->to_value()), 2 * limits::kNestingDepth).ok());
}

}  // namespace savia::fuzz
