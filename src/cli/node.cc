#include "cli/node.h"

#include "codec/json.h"
#include "codec/yaml.h"
#include "os/file.h"

namespace savia::cli {
namespace {

Node convert(const YamlNode& y, const std::shared_ptr<const std::string>& file) {
  Node out;
  out.place = {file, y.line, y.column};
  if (!y.tag.empty() && y.tag.substr(0, 2) != "!!") out.tag = y.tag;
  switch (y.kind) {
    case YamlNode::Kind::kScalar:
      out.scalar = y.to_value();
      break;
    case YamlNode::Kind::kSequence:
      out.kind = Node::Kind::kList;
      for (const YamlNode& item : y.items) out.list.push_back(convert(item, file));
      break;
    case YamlNode::Kind::kMapping:
      out.kind = Node::Kind::kMap;
      for (const YamlMember& m : y.members) {
        out.map.push_back({m.key.scalar, convert(m.value, file)});
        // A finding about a key points at the key, not at its value on the lines below.
        if (m.value.kind != YamlNode::Kind::kScalar) out.map.back().node.place = {file, m.key.line, m.key.column};
      }
      break;
  }
  return out;
}

// CloudFormation's short tags are the long functions: !Ref x is {"Ref": x}, !Sub x is {"Fn::Sub": x}.
Value tagged(const std::string& tag, Value v) {
  std::string name = tag.substr(1);
  if (name != "Ref" && name != "Condition") name.insert(0, "Fn::");
  return Value().set(name, std::move(v));
}

}  // namespace

std::string Place::text() const {
  std::string out = file ? *file : "?";
  if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  return out;
}

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, node] : map) {
    if (name == key) return &node;
  }
  return nullptr;
}

std::string Node::text() const {
  if (kind != Kind::kScalar || scalar.is_null()) return {};
  if (scalar.is_string()) return scalar.as_string();
  return to_json(scalar);
}

Value Node::value() const {
  Value out;
  if (kind == Kind::kScalar) {
    out = scalar;
  } else if (kind == Kind::kList) {
    out = Value::list();
    for (const Node& item : list) out.push(item.value());
  } else {
    out = Value::object();
    for (const auto& [key, item] : map) out.set(key, item.value());
  }
  return tag.empty() ? out : tagged(tag, std::move(out));
}

Result<Node> parse_node(std::string_view yaml, const std::string& shown) {
  auto parsed = parse_yaml(yaml);
  if (!parsed.ok()) return Error(parsed.error().kind(), shown + ":" + parsed.error().message());
  return convert(*parsed, std::make_shared<const std::string>(shown));
}

Result<Node> load_node(const std::string& path, const std::string& shown) {
  std::string text = TRY(os::read_file(path));
  return parse_node(text, shown);
}

Node node_of(const Value& value, const Place& place) {
  Node out;
  out.place = place;
  if (value.is_list()) {
    out.kind = Node::Kind::kList;
    for (const Value& v : value.as_list()) out.list.push_back(node_of(v, place));
  } else if (value.is_object()) {
    out.kind = Node::Kind::kMap;
    for (const auto& [name, v] : value.as_object()) out.map.push_back({name, node_of(v, place)});
  } else {
    out.scalar = value;
  }
  return out;
}

}  // namespace savia::cli
