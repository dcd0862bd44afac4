// YAML 1.2 text -> a tree that remembers where everything stood, for files that people write (serverless.yaml, workspace
// files, templates): every complaint can name line and column.
//
// One document. Anchors, aliases and merge keys (<<) are resolved while reading; a key twice in one mapping is refused. Tags
// stay on the nodes ("!Ref", "!GetAtt"; the standard ones as "!!str"), so that callers can give them their meaning. to_value()
// resolves plain scalars by the core schema: null, booleans, integers (decimal, 0o, 0x), floats; all else is a string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "codec/value.h"

namespace savia {

struct YamlMember;

struct YamlNode {
  enum class Kind { kScalar, kSequence, kMapping };
  Kind kind = Kind::kScalar;
  std::string tag;           // "" when none was written
  std::string scalar;        // text of a scalar
  bool plain = false;        // scalar without quotes, not a block
  int line = 1, column = 1;  // from 1; of an alias: where the anchored node stands
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;  // in order

  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_mapping() const { return kind == Kind::kMapping; }
  bool is_null() const;                              // a plain scalar that the core schema reads as null (an empty value too)
  const YamlNode* find(std::string_view key) const;  // nullptr when absent or no mapping
  std::string position() const { return std::to_string(line) + ":" + std::to_string(column); }
  // Tags other than the standard ones are ignored here; a caller that knows them looks at the nodes first.
  Value to_value() const;
};

struct YamlMember {
  YamlNode key;  // a scalar
  YamlNode value;
};

// Errors: `12:5: did not find expected key`. An empty document is a null scalar.
Result<YamlNode> parse_yaml(std::string_view text, size_t max_depth = limits::kNestingDepth);

}  // namespace savia
