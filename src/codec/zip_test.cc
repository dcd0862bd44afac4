#include "codec/zip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <map>

namespace savia {
namespace {

// An archive with every field free to lie.
struct Raw {
  std::string name;
  std::string data;
  uint32_t unix_mode = 0100644;
  uint16_t method = 0;
  uint16_t flags = 0;
  uint16_t made_by = 3 << 8 | 20;
  int64_t declared = -1;  // size
  int64_t crc = -1;
  std::string local_name = {};  // another name in the local header
  int64_t offset = -1;          // of the local header
};

std::string le(uint64_t v, size_t n) {
  std::string s;
  for (; n > 0; --n, v >>= 8) s += static_cast<char>(v & 255);
  return s;
}

std::string build(const std::vector<Raw>& entries) {
  std::string out, directory;
  for (const Raw& e : entries) {
    size_t at = e.offset >= 0 ? static_cast<size_t>(e.offset) : out.size();
    uint64_t size = e.declared >= 0 ? static_cast<uint64_t>(e.declared) : e.data.size();
    uint64_t crc = e.crc >= 0 ? static_cast<uint64_t>(e.crc)
                              : ::crc32_z(0, reinterpret_cast<const unsigned char*>(e.data.data()), e.data.size());
    std::string shared = le(20, 2) + le(e.flags, 2) + le(e.method, 2) + le(0x210000, 4) + le(crc, 4) + le(e.data.size(), 4) +
                         le(size, 4) + le(e.name.size(), 2) + le(0, 2);
    if (e.offset < 0) out += le(0x04034b50, 4) + shared + (e.local_name.empty() ? e.name : e.local_name) + e.data;
    directory +=
        le(0x02014b50, 4) + le(e.made_by, 2) + shared + le(0, 6) + le(uint64_t{e.unix_mode} << 16, 4) + le(at, 4) + e.name;
  }
  size_t offset = out.size();
  return out + directory + le(0x06054b50, 4) + le(0, 4) + le(entries.size(), 2) + le(entries.size(), 2) +
         le(directory.size(), 4) + le(offset, 4) + le(0, 2);
}

Raw link(std::string name, std::string target) {
  Raw r;
  r.name = std::move(name);
  r.data = std::move(target);
  r.unix_mode = 0120777;
  return r;
}
Raw file(std::string name, std::string data = "x") {
  Raw r;
  r.name = std::move(name);
  r.data = std::move(data);
  return r;
}

std::string problem(const std::string& zip, ZipLimits limits = {}) {
  auto r = ZipReader::open(zip, limits);
  if (!r.ok()) return r.error().message();
  for (const ZipEntry& e : r->entries()) {
    auto bytes = r->read_all(e);
    if (!bytes.ok()) return bytes.error().message();
  }
  return "";
}

std::string sample() {
  ZipWriter w;
  EXPECT_TRUE(w.add_file("b/run.sh", "#!/bin/sh\n", 0755).ok());
  EXPECT_TRUE(w.add_file("a.txt", std::string(100'000, 'a')).ok());
  EXPECT_TRUE(w.add_symlink("b/link", "../a.txt").ok());
  EXPECT_TRUE(w.add_file("empty", "").ok());
  return *w.finish();
}

TEST(Zip, WritesWhatItReads) {
  std::string zip = sample();
  auto r = ZipReader::open(zip);
  ASSERT_TRUE(r.ok()) << r.error().message();
  ASSERT_EQ(r->entries().size(), 4U);
  EXPECT_EQ(r->entries()[0].name, "a.txt");
  EXPECT_EQ(r->unpacked_bytes(), 100'000U + 10 + 8);
  EXPECT_LT(zip.size(), 1500U);
  std::map<std::string, const ZipEntry*> by;
  for (const ZipEntry& e : r->entries()) by[e.name] = &e;
  EXPECT_EQ(*r->read_all(*by["a.txt"]), std::string(100'000, 'a'));
  EXPECT_EQ(*r->read_all(*by["empty"]), "");
  EXPECT_EQ(by["b/run.sh"]->mode, 0755U);
  EXPECT_EQ(by["b/link"]->type, ZipEntryType::kSymlink);
  EXPECT_EQ(by["b/link"]->link_target, "../a.txt");
  EXPECT_EQ(zip, sample());
}

TEST(Zip, WriterRefusesBadNames) {
  ZipWriter w;
  for (const char* name : {"", "/a", "a//b", "../a", "a/", "a\\b", "a/./b"}) EXPECT_FALSE(w.add_file(name, "x").ok()) << name;
  ASSERT_TRUE(w.add_file("a", "1").ok());
  ASSERT_TRUE(w.add_file("a", "2").ok());
  EXPECT_EQ(w.finish().error().kind(), ErrorKind::kConflict);
}

TEST(Zip, ManyEntriesNeedZip64) {
  ZipWriter w(1);
  for (int i = 0; i < 66'000; ++i) ASSERT_TRUE(w.add_file("f" + std::to_string(i), "x").ok());
  std::string zip = *w.finish();
  auto r = ZipReader::open(zip);
  ASSERT_TRUE(r.ok()) << r.error().message();
  EXPECT_EQ(r->entries().size(), 66'000U);
  EXPECT_EQ(ZipReader::open(zip, {.entries = 1000}).error().kind(), ErrorKind::kExhausted);
}

TEST(Zip, NamesAreCleanedOrRefused) {
  EXPECT_EQ(problem(build({file("a/../b")})), R"(zip entry "a/../b": leads out of the folder with '..')");
  EXPECT_EQ(problem(build({file("/etc/passwd")})), R"(zip entry "/etc/passwd": absolute path)");
  EXPECT_EQ(problem(build({file("a\\b")})), R"(zip entry "a\\b": name holds a backslash)");
  EXPECT_NE(problem(build({file(std::string("a\0b", 3))})), "");
  EXPECT_NE(problem(build({file("\xff")})), "");
  EXPECT_NE(problem(build({file("")})), "");
  EXPECT_NE(problem(build({file(std::string(300, 'x'))})), "");
  EXPECT_EQ(problem(build({file("a"), file("a")})), R"(zip entry "a": is there twice)");
  EXPECT_EQ(problem(build({file("a"), file("./a")})), R"(zip entry "a": is there twice)");
  EXPECT_EQ(problem(build({file("a"), file("a/b")})), R"(zip entry "a/b": lies below a file)");
  EXPECT_EQ(problem(build({file("a/b"), file("a")})), R"(zip entry "a": is a folder too)");
  Raw dos = file("d\\e.txt");
  dos.made_by = 20;
  std::string zip = build({dos, file("./x//y")});
  auto r = ZipReader::open(zip);
  ASSERT_TRUE(r.ok()) << r.error().message();
  EXPECT_EQ(r->entries()[0].name, "d/e.txt");
  EXPECT_EQ(r->entries()[1].name, "x/y");
  dos.name = "..\\e";
  EXPECT_NE(problem(build({dos})), "");
  dos.name = "C:\\e";
  EXPECT_NE(problem(build({dos})), "");
}

TEST(Zip, Folders) {
  Raw d = file("d/", "");
  d.unix_mode = 040700;
  Raw root = file("./", "");
  EXPECT_EQ(problem(build({root, file("d/x"), d})), "");
  EXPECT_NE(problem(build({d, d})), "");
  EXPECT_NE(problem(build({file("d/", "content")})), "");
}

TEST(Zip, LinksStayInside) {
  EXPECT_EQ(problem(build({link("a/b/up", "../../c"), link("self", ".")})), "");
  EXPECT_EQ(problem(build({link("l", "/etc/passwd")})), R"(zip entry "l": symlink with an absolute target)");
  EXPECT_EQ(problem(build({link("l", "../x")})), R"(zip entry "l": symlink leads out of the folder)");
  EXPECT_EQ(problem(build({link("a/l", "../../x")})), R"(zip entry "a/l": symlink leads out of the folder)");
  // Segment by segment this reads as "a", but "a/b/m" is "a" already.
  EXPECT_EQ(problem(build({link("a/b/m", ".."), link("e", "a/b/m/../..")})),
            R"(zip entry "e": symlink leads out of the folder)");
  EXPECT_EQ(problem(build({link("x", "y"), link("y", "x")})), R"(zip entry "x": symlinks go round in a circle)");
  EXPECT_EQ(problem(build({link("l", "d"), file("l/x")})), R"(zip entry "l/x": lies below a symlink)");
  EXPECT_EQ(problem(build({file("l/x"), link("l", "d")})), R"(zip entry "l": is a folder too)");
  EXPECT_NE(problem(build({link("l", "")})), "");
  Raw device = file("dev");
  device.unix_mode = 060644;
  EXPECT_EQ(problem(build({device})), R"(zip entry "dev": neither file, folder nor symlink)");
}

TEST(Zip, LiesAboutContent) {
  Raw r = file("a", "hello");
  r.crc = 1;
  EXPECT_EQ(problem(build({r})), R"(zip entry "a": its checksum does not match)");
  r = file("a", "hello");
  r.declared = 4;
  EXPECT_NE(problem(build({r})), "");
  r = file("a");
  r.flags = 1;
  EXPECT_EQ(problem(build({r})), R"(zip entry "a": encrypted)");
  r = file("a");
  r.method = 12;
  EXPECT_NE(problem(build({r})), "");
  r = file("a");
  r.local_name = "b";
  EXPECT_EQ(problem(build({r})), R"(zip entry "a": its local header has another name)");
  Raw twin = file("a", "x");
  twin.offset = 0;
  EXPECT_NE(problem(build({file("a", "x"), twin})), "");
  Raw deflated = file("a", std::string("\x03\0", 2));  // an empty deflate stream
  deflated.method = 8;
  deflated.declared = 10;
  EXPECT_EQ(problem(build({deflated})), R"(zip entry "a": unpacks to less than it declares)");
  deflated.declared = 100'000;
  EXPECT_EQ(problem(build({deflated})), R"(zip entry "a": declares 100000 bytes, which 2 packed ones cannot hold)");
  deflated.data = "\xff\xff\xff";
  deflated.declared = 10;
  EXPECT_NE(problem(build({deflated})), "");
}

TEST(Zip, BombsStopAtTheLimit) {
  std::string zip = sample();
  EXPECT_EQ(ZipReader::open(zip, {.unpacked_bytes = 50'000}).error().kind(), ErrorKind::kExhausted);
  // Understates its size: stopped while unpacking.
  std::string small;
  {
    ZipWriter w;
    ASSERT_TRUE(w.add_file("bomb", std::string(10'000'000, '\0')).ok());
    small = *w.finish();
  }
  std::string size = le(10'000'000, 4), lie = le(1000, 4);
  for (size_t at = small.find(size); at != std::string::npos; at = small.find(size)) small.replace(at, 4, lie);
  EXPECT_EQ(problem(small), R"(zip entry "bomb": unpacks to more than it declares)");
}

TEST(Zip, TruncatedAnywhereIsRefused) {
  std::string zip = sample();
  for (size_t n = 0; n < zip.size(); ++n) {
    EXPECT_NE(problem(zip.substr(0, n)), "") << n;
    EXPECT_NE(problem(zip.substr(zip.size() - n)), "") << n;
  }
  EXPECT_NE(problem(zip + "x"), "");
}

TEST(Zip, NoByteFlipCrashes) {
  std::string zip = sample();
  for (size_t i = 0; i < zip.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = zip;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      problem(bad);  // any answer, no crash (sanitizers watch)
    }
  }
}

}  // namespace
}  // namespace savia
