// Filter patterns of CloudWatch Logs, parsed once and matched against many messages.
//
//   ERROR "out of memory" -DEBUG              terms: all of them, as parts of the message; a '-' excludes
//   ?ERROR ?WARN                              any of them (beside other terms a '?' term says nothing, as with AWS)
//   %Task timed out after \d+%                a regular expression (RE2), also as a value below
//   { $.level = "ERROR" && ($.ms >= 100 || $.user.name = "a*") && $.trace NOT EXISTS }
//   [ip, user, ..., status = 4*, bytes > 1000]
//
// The empty pattern matches everything. Matching is linear in the message but for patterns with several '*', which backtrack
// to the last one only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace savia::logs {

class FilterPattern {
 public:
  // Error kInvalid says what is wrong, in AWS's words where they are known.
  static Result<FilterPattern> parse(std::string_view text);
  FilterPattern(FilterPattern&&) noexcept;
  FilterPattern& operator=(FilterPattern&&) noexcept;
  ~FilterPattern();
  bool matches(std::string_view message) const;

  struct Node;  // filter_tree.h

 private:
  explicit FilterPattern(std::unique_ptr<Node> root);
  std::unique_ptr<Node> root_;  // null: everything
};

}  // namespace savia::logs
