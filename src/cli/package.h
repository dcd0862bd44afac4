// From a folder to the zip that is uploaded: which files (the framework's patterns), installed dependencies, same bytes for
// the same content, so that an unchanged function or layer is recognised by its hash and not uploaded again.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/lang.h"

namespace savia::cli {

struct Package {
  std::string zip;
  std::string sha256_base64;  // as Lambda's CodeSha256
  size_t files = 0;
};

struct PackageRequest {
  std::string dir;
  std::vector<std::string> patterns;  // "!x" leaves out; the last that matches decides; everything is in by default
  bool only_patterns = false;         // layers: with patterns, only what they name is in
  bool exclude_dev_dependencies = false;
};

Result<Package> make_package(const PackageRequest& request);

// Does the path match the glob? `*` and `?` stay inside one segment, `**` crosses them, `{a,b}` and `[a-z]` as in a shell.
bool glob_match(std::string_view glob, std::string_view path);

struct NpmResult {
  bool ran = false;
  int64_t us = 0;
};
// `npm ci` in the folder when its package-lock.json is not the one that node_modules was installed from. No lock file: nothing.
// `log` gets npm's output when it fails.
Result<NpmResult> npm_ci(const std::string& dir, Lang lang);

}  // namespace savia::cli
