// The parsed form of a filter pattern and its evaluation; internal to filter_pattern.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/value.h"
#include "services/logs/filter_pattern.h"

namespace re2 {
class RE2;
}

namespace savia::logs {

enum class Compare {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIsNull,
  kIsTrue,
  kIsFalse,
  kExists,
  kNotExists
};

// The right side of a comparison: text with '*' for anything, the same as a number where it is one, or a regular expression.
struct Operand {
  std::string text;
  bool quoted = false;
  std::optional<double> number;
  std::shared_ptr<const re2::RE2> regex;  // shared by copies of the operand
};

// $.a.b[0]['c d'][*].* : names, indexes, and wildcards over members or elements.
struct PathStep {
  enum class Kind { kName, kIndex, kAny } kind = Kind::kName;
  std::string name;
  size_t index = 0;
};

struct FilterPattern::Node {
  enum class Kind {
    kAnd,
    kOr,
    kContains,  // operand in the message
    kExcludes,
    kJson,    // children[0] on the message's JSON
    kFields,  // children[0] on the message's space-delimited fields
    kJsonCompare,
    kFieldCompare,
    kAlways,
  };
  Kind kind = Kind::kAlways;
  std::vector<std::unique_ptr<Node>> children;
  Compare compare = Compare::kEqual;
  Operand operand;
  std::vector<PathStep> path;  // kJsonCompare
  // kFields: how many fields stand before and after the ellipsis; without one `before` is their exact number.
  // kFieldCompare: the field's place, from the front, or from the end where `from_end`.
  size_t before = 0;
  size_t after = 0;
  bool ellipsis = false;
  size_t field = 0;
  bool from_end = false;
};

// Space-delimited fields; [..] and ".." hold one together and are taken off.
std::vector<std::string_view> split_fields(std::string_view message);
bool wildcard_match(std::string_view pattern, std::string_view text);
bool evaluate(const FilterPattern::Node& node, std::string_view message, const Value* json,
              const std::vector<std::string_view>* fields);

}  // namespace savia::logs
