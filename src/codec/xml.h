// XML text -> a small tree, and an append-only writer. Element names lose their prefix (AWS documents use one default name
// space); attributes keep theirs. Document types and entities other than the five of XML and character references are
// refused, so no document can refer to files or grow on reading.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace savia {

struct XmlNode {
  std::string name;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string text;  // character data and CDATA joined; white space between child elements is left out
  std::vector<XmlNode> children;

  const XmlNode* child(std::string_view wanted) const;         // first of that name; nullptr when absent
  std::string_view child_text(std::string_view wanted) const;  // "" when absent
  const std::string* attribute(std::string_view wanted) const;
};

Result<XmlNode> parse_xml(std::string_view text, size_t max_depth = limits::kNestingDepth);

void append_xml_text(std::string& out, std::string_view s);       // escaped for content
void append_xml_attribute(std::string& out, std::string_view s);  // escaped for a value in double quotes

// Escapes what it is given; characters that XML 1.0 cannot hold and bytes that are not UTF-8 become U+FFFD.
//
//   XmlWriter w(out);
//   w.open("Response").attribute("xmlns", ns).element("Id", id).close();
class XmlWriter {
 public:
  explicit XmlWriter(std::string& out) : out_(out) {}
  XmlWriter& declaration();  // <?xml version="1.0" encoding="UTF-8"?> and a line feed
  XmlWriter& open(std::string_view name);
  XmlWriter& attribute(std::string_view name, std::string_view value);  // right after open()
  XmlWriter& text(std::string_view s);
  XmlWriter& close();  // the innermost open element; <x/> when it is empty
  XmlWriter& element(std::string_view name, std::string_view s) { return open(name).text(s).close(); }

 private:
  void end_start_tag();
  std::string& out_;
  std::vector<std::pair<size_t, size_t>> open_;  // where in out_ the names of open elements stand: offset, length
  bool in_start_tag_ = false;
};

}  // namespace savia
