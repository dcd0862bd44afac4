#include "codec/xml.h"

#include <pugixml.hpp>

#include "base/strings.h"
#include "codec/utf8.h"

namespace savia {
namespace {

Error at(std::string_view text, size_t offset, std::string_view reason) {
  return Error::invalid(text_position(text, offset) + ": " + std::string(reason));
}

bool known_reference(std::string_view name) {
  if (name == "amp" || name == "lt" || name == "gt" || name == "quot" || name == "apos") return true;
  if (!name.starts_with('#') || name.size() > 9) return false;
  name.remove_prefix(1);
  bool hex = name.starts_with('x');
  if (hex) name.remove_prefix(1);
  if (name.empty()) return false;
  uint32_t c = 0;
  for (char d : name) {
    int v = d >= '0' && d <= '9'          ? d - '0'
            : hex && d >= 'a' && d <= 'f' ? d - 'a' + 10
            : hex && d >= 'A' && d <= 'F' ? d - 'A' + 10
                                          : -1;
    if (v < 0) return false;
    c = c * (hex ? 16 : 10) + static_cast<uint32_t>(v);
  }
  if (c < 0x20) return c == 0x9 || c == 0xa || c == 0xd;
  return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) && c != 0xfffe && c != 0xffff;
}

// What pugixml lets pass: bytes that are no XML characters, document types, references to entities that nobody declared.
Result<void> check_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    std::string_view rest = text.substr(i);
    if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') return at(text, i, "control character");
    if (c >= 0x80) {
      size_t n = utf8_sequence(text.data() + i, text.data() + text.size());
      if (n == 0) return at(text, i, "bytes that are not UTF-8");
      i += n;
      continue;
    }
    if (c == '<') {
      std::string_view stop = rest.starts_with("<!--")        ? "-->"
                              : rest.starts_with("<![CDATA[") ? "]]>"
                              : rest.starts_with("<?")        ? "?>"
                                                              : "";
      if (!stop.empty()) {
        size_t end = rest.find(stop, 2);
        if (end == std::string_view::npos) return at(text, i, "comment, CDATA or processing instruction without an end");
        std::string_view body = rest.substr(0, end);
        for (char b : body) {
          unsigned char u = static_cast<unsigned char>(b);
          if (u < 0x20 && u != '\t' && u != '\n' && u != '\r') return at(text, i, "control character");
        }
        if (!is_utf8(body)) return at(text, i, "bytes that are not UTF-8");
        i += end + stop.size();
        continue;
      }
      if (rest.starts_with("<!")) return at(text, i, "document types are refused");
    }
    if (c == '&') {
      size_t end = rest.substr(0, 12).find(';');
      if (end == std::string_view::npos || !known_reference(rest.substr(1, end - 1))) return at(text, i, "unknown entity");
    }
    ++i;
  }
  return {};
}

std::string_view local_name(std::string_view name) {
  size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

bool is_blank(std::string_view s) {
  return trim(s).empty();
}

Result<void> convert(const pugi::xml_node& from, XmlNode& to, size_t depth_left) {
  if (depth_left == 0) return Error::invalid("elements nested too deeply");
  to.name = local_name(from.name());
  for (const pugi::xml_attribute& a : from.attributes()) {
    if (to.attribute(a.name()) != nullptr) return Error::invalid("attribute " + std::string(a.name()) + " given twice");
    to.attributes.emplace_back(a.name(), a.value());
  }
  for (const pugi::xml_node& n : from.children()) {
    if (n.type() == pugi::node_element) {
      auto r = convert(n, to.children.emplace_back(), depth_left - 1);
      if (!r.ok()) return r;
    } else if (n.type() == pugi::node_pcdata || n.type() == pugi::node_cdata) {
      to.text += n.value();
    }
  }
  return {};
}

void append_escaped(std::string& out, std::string_view s, bool attribute) {
  const char* p = s.data();
  const char* end = p + s.size();
  while (p != end) {
    unsigned char c = static_cast<unsigned char>(*p);
    if (c >= 0x80) {
      size_t n = utf8_sequence(p, end);
      std::string_view sequence(p, n);
      if (n == 0 || sequence == "\xef\xbf\xbe" || sequence == "\xef\xbf\xbf") {
        out += kReplacementCharacter;
        p += n == 0 ? 1 : n;
      } else {
        out.append(sequence);
        p += n;
      }
      continue;
    }
    ++p;
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\r':  // a reader would turn a bare one into a line feed
        out += "&#xD;";
        break;
      case '"':
        out += attribute ? "&quot;" : "\"";
        break;
      case '\n':
        out += attribute ? "&#xA;" : "\n";
        break;
      case '\t':
        out += attribute ? "&#x9;" : "\t";
        break;
      default:
        if (c < 0x20) {
          out += kReplacementCharacter;
        } else {
          out += static_cast<char>(c);
        }
    }
  }
}

}  // namespace

const XmlNode* XmlNode::child(std::string_view wanted) const {
  for (const XmlNode& c : children) {
    if (c.name == wanted) return &c;
  }
  return nullptr;
}
std::string_view XmlNode::child_text(std::string_view wanted) const {
  const XmlNode* c = child(wanted);
  return c == nullptr ? std::string_view() : std::string_view(c->text);
}
const std::string* XmlNode::attribute(std::string_view wanted) const {
  for (const auto& [n, v] : attributes) {
    if (n == wanted) return &v;
  }
  return nullptr;
}

Result<XmlNode> parse_xml(std::string_view text, size_t max_depth) {
  TRY(check_text(text));
  pugi::xml_document document;
  unsigned flags = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol | pugi::parse_wconv_attribute |
                   pugi::parse_ws_pcdata_single | pugi::parse_fragment;
  pugi::xml_parse_result r = document.load_buffer(text.data(), text.size(), flags, pugi::encoding_utf8);
  if (r.status == pugi::status_out_of_memory) return Error::exhausted("out of memory reading XML");
  if (!r) return at(text, static_cast<size_t>(r.offset), r.description());
  XmlNode root;
  bool found = false;
  for (const pugi::xml_node& n : document.children()) {
    if (n.type() == pugi::node_element) {
      if (found) return at(text, static_cast<size_t>(n.offset_debug()), "a second root element");
      found = true;
      TRY(convert(n, root, max_depth));
    } else if ((n.type() == pugi::node_pcdata || n.type() == pugi::node_cdata) && !is_blank(n.value())) {
      return at(text, static_cast<size_t>(n.offset_debug()), "text outside the root element");
    }
  }
  if (!found) return Error::invalid("no root element");
  return root;
}

void append_xml_text(std::string& out, std::string_view s) {
  append_escaped(out, s, false);
}
void append_xml_attribute(std::string& out, std::string_view s) {
  append_escaped(out, s, true);
}

XmlWriter& XmlWriter::declaration() {
  out_ += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  return *this;
}
void XmlWriter::end_start_tag() {
  if (in_start_tag_) out_ += '>';
  in_start_tag_ = false;
}
XmlWriter& XmlWriter::open(std::string_view name) {
  end_start_tag();
  out_ += '<';
  open_.emplace_back(out_.size(), name.size());
  out_ += name;
  in_start_tag_ = true;
  return *this;
}
XmlWriter& XmlWriter::attribute(std::string_view name, std::string_view value) {
  out_ += ' ';
  out_ += name;
  out_ += "=\"";
  append_xml_attribute(out_, value);
  out_ += '"';
  return *this;
}
XmlWriter& XmlWriter::text(std::string_view s) {
  if (s.empty()) return *this;
  end_start_tag();
  append_xml_text(out_, s);
  return *this;
}
XmlWriter& XmlWriter::close() {
  if (open_.empty()) return *this;
  auto [offset, length] = open_.back();
  open_.pop_back();
  if (in_start_tag_) {
    out_ += "/>";
    in_start_tag_ = false;
    return *this;
  }
  std::string name = out_.substr(offset, length);
  out_ += "</";
  out_ += name;
  out_ += '>';
  return *this;
}

}  // namespace savia
