// A configuration document with the place of every value: serverless.yaml, savia.yaml and the files that they name. Values
// of one document may come from several files (`${file(…)}`), so each node knows its own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"

namespace savia::cli {

struct Place {
  std::shared_ptr<const std::string> file;
  int line = 0;  // from 1; 0: not known
  int column = 0;
  std::string text() const;  // "apis/x/serverless.yaml:12:5"
};

struct Node {
  enum class Kind { kScalar, kList, kMap };
  Kind kind = Kind::kScalar;
  Value scalar;     // null, bool, number or string
  std::string tag;  // "!Ref" and the like, "" for none
  std::vector<Node> list;
  struct Entry;
  std::vector<Entry> map;
  Place place;

  bool is_null() const { return kind == Kind::kScalar && scalar.is_null(); }
  bool is_map() const { return kind == Kind::kMap; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_string() const { return kind == Kind::kScalar && scalar.is_string(); }
  const Node* find(std::string_view key) const;
  // The scalar as text: numbers and booleans as YAML writes them, "" for null and for lists and maps.
  std::string text() const;
  Value value() const;  // the whole subtree; tags become {"Ref": …} / {"Fn::Sub": …} as CloudFormation has them
};

struct Node::Entry {
  std::string key;
  Node node;
};

// Reads and parses one file. The name in messages is `shown`.
Result<Node> load_node(const std::string& path, const std::string& shown);
Result<Node> parse_node(std::string_view yaml, const std::string& shown);
Node node_of(const Value& value, const Place& place);

// Something to tell the user about a file, before anything is done.
struct Finding {
  enum class Level { kWarning, kError } level = Level::kWarning;
  Place place;
  std::string message;  // already in the user's language
};

}  // namespace savia::cli
