#include "codec/xml.h"

#include <gtest/gtest.h>

namespace savia {
namespace {

TEST(Xml, Reads) {
  auto r = parse_xml(
      "<?xml version='1.0'?><!-- c --><a:Root xmlns:a=\"u\" k='1 &lt;'>\n  <Name>x &amp; <![CDATA[<y>]]>&#x41;&#66;</Name>"
      "<Empty/><Blank>  </Blank><Item>1</Item><Item>2</Item>\n</a:Root>\n");
  ASSERT_TRUE(r.ok()) << r.error().message();
  EXPECT_EQ(r->name, "Root");
  EXPECT_EQ(*r->attribute("k"), "1 <");
  EXPECT_EQ(*r->attribute("xmlns:a"), "u");
  EXPECT_EQ(r->child_text("Name"), "x & <y>AB");
  EXPECT_EQ(r->child_text("Blank"), "  ");
  EXPECT_EQ(r->child_text("Empty"), "");
  EXPECT_EQ(r->children.size(), 5U);
  EXPECT_EQ(r->text, "");
  EXPECT_EQ(r->child("None"), nullptr);
}

TEST(Xml, Refuses) {
  const char* bad[] = {"",
                       "   ",
                       "<a>",
                       "<a></b>",
                       "<a/><b/>",
                       "x<a/>",
                       "<a/>x",
                       "<!DOCTYPE a><a/>",
                       "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
                       "<a>&x;</a>",
                       "<a>&#0;</a>",
                       "<a>&#xD800;</a>",
                       "<a>& b</a>",
                       "<a k='1' k='2'/>",
                       "<a k=1/>",
                       "<a>\x01</a>",
                       "<a>\xff</a>",
                       "<a><!-- </a>",
                       "<a><![CDATA[ </a>",
                       "<a"};
  for (const char* text : bad) EXPECT_FALSE(parse_xml(text).ok()) << text;
  EXPECT_EQ(parse_xml("<a>\n<b>&x;</b></a>").error().message(), "line 2 column 4: unknown entity");
}

TEST(Xml, DepthIsLimited) {
  auto nested = [](size_t n) {
    std::string s;
    for (size_t i = 0; i < n; ++i) s += "<a>";
    for (size_t i = 0; i < n; ++i) s += "</a>";
    return s;
  };
  EXPECT_TRUE(parse_xml(nested(limits::kNestingDepth)).ok());
  EXPECT_FALSE(parse_xml(nested(limits::kNestingDepth + 1)).ok());
  EXPECT_FALSE(parse_xml(nested(100'000)).ok());
}

TEST(Xml, Writes) {
  std::string out;
  XmlWriter w(out);
  w.declaration().open("R").attribute("xmlns", "http://x/?a&\"b\"").element("Id", "<1>&\r\n").open("E").close().close();
  EXPECT_EQ(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R "
            "xmlns=\"http://x/?a&amp;&quot;b&quot;\"><Id>&lt;1&gt;&amp;&#xD;\n</Id><E/></R>");
}

TEST(Xml, EveryByteIsReadableAfterwards) {
  for (int c = 0; c < 256; ++c) {
    std::string s = std::string("a") + static_cast<char>(c) + "b", out;
    XmlWriter w(out);
    w.open("R").attribute("k", s).text(s).close();
    auto r = parse_xml(out);
    ASSERT_TRUE(r.ok()) << c << " " << r.error().message();
    bool kept = (c >= 0x20 && c < 0x80) || c == '\t' || c == '\n' || c == '\r';
    std::string expected = kept ? s
                                : "a\xef\xbf\xbd"
                                  "b";
    EXPECT_EQ(r->text, expected) << c;
    EXPECT_EQ(*r->attribute("k"), expected) << c;
  }
}

}  // namespace
}  // namespace savia
