// query and ec2: a form whose names spell out the structure, `Filters.member.1.Values.member.2=x`, answered in XML.
//
// The names are first made a tree (split at '.'), which the shapes then walk; so the order of fields does not matter and
// a list may be sparse, as clients send them. query writes lists as Name.member.N (or Name.N when flattened) and maps as
// Name.entry.N.key; ec2 knows only Name.N, with capitalised names.
#include "aws/protocol/internal.h"
#include "base/limits.h"
#include "base/strings.h"
#include "codec/form.h"

namespace savia::aws::protocol::internal {
namespace {

struct Node {
  std::optional<std::string> text;
  std::map<std::string, Node, std::less<>> children;

  const Node* child(std::string_view name) const {
    auto found = children.find(name);
    return found == children.end() ? nullptr : &found->second;
  }
  // Children named 1, 2, 3 …, by number.
  std::map<int64_t, const Node*> numbered() const {
    std::map<int64_t, const Node*> out;
    for (const auto& [name, node] : children) {
      if (std::optional<int64_t> n = parse_int(name)) out.emplace(*n, &node);
    }
    return out;
  }
};

Result<Node, Fault> make_tree(const Fields& fields, Protocol protocol) {
  Node root;
  for (const auto& [name, text] : fields) {
    Node* at = &root;
    size_t depth = 0;
    for (std::string_view part : split(name, '.')) {
      if (++depth > limits::kNestingDepth) return malformed(protocol, "parameter name is nested too deeply");
      auto found = at->children.find(part);
      if (found == at->children.end()) found = at->children.emplace(part, Node()).first;
      at = &found->second;
    }
    at->text = text;
  }
  return root;
}

struct Reader {
  Protocol protocol;
  bool ec2() const { return protocol == Protocol::kEc2; }

  std::string member_name(Member m) const {
    if (!ec2()) return std::string(m.wire());
    if (!m.query_name().empty()) return std::string(m.query_name());
    std::string name(m.wire());
    if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 'a' + 'A');
    return name;
  }

  // Where the numbered elements of a list or map stand: below the member's node, or that of `member`/`entry` in it. The
  // elements of a flattened list whose element has a name are siblings under that name.
  const Node* elements(Member m, const Node& parent) const {
    const Node* node = parent.child(member_name(m));
    Shape shape = m.shape();
    if (ec2()) return node;
    if (shape.is(ShapeKind::kList)) {
      std::string_view name = shape.element().has_wire() ? shape.element().wire() : "member";
      if (m.flattened()) {
        if (shape.element().has_wire()) {
          if (const Node* other = parent.child(name)) return other;
        }
        return node;
      }
      if (node == nullptr) return nullptr;
      if (const Node* inner = node->child(name)) return inner;
      if (const Node* inner = node->child("member")) return inner;
      return node;
    }
    if (node == nullptr || m.flattened()) return node;
    const Node* inner = node->child("entry");
    return inner != nullptr ? inner : node;
  }

  Result<Value, Fault> structure(Shape shape, const Node& node) const {
    Value out = Value::object();
    for (Member m : shape.members()) {
      Value v = TRY(member(m, node));
      if (!v.is_null()) out.as_object().emplace_back(m.name(), std::move(v));
    }
    return out;
  }

  Result<Value, Fault> member(Member m, const Node& parent) const {
    Shape shape = m.shape();
    if (shape.is(ShapeKind::kList) || shape.is(ShapeKind::kMap)) {
      const Node* node = elements(m, parent);
      if (node == nullptr) return Value();
      return collection(shape, *node);
    }
    const Node* node = parent.child(member_name(m));
    if (node == nullptr) return Value();
    return value(m, *node);
  }

  Result<Value, Fault> value(Member m, const Node& node) const {
    Shape shape = m.shape();
    if (shape.is(ShapeKind::kStructure)) return structure(shape, node);
    if (shape.is(ShapeKind::kList)) {
      std::string_view name = shape.element().has_wire() ? shape.element().wire() : "member";
      const Node* inner = node.child(name);
      return collection(shape, inner != nullptr ? *inner : node);
    }
    if (shape.is(ShapeKind::kMap)) {
      const Node* inner = node.child("entry");
      return collection(shape, inner != nullptr ? *inner : node);
    }
    if (!node.text) return malformed(protocol, "parameter has no value");
    return scalar_in(m, *node.text, protocol);
  }

  Result<Value, Fault> collection(Shape shape, const Node& node) const {
    bool list = shape.is(ShapeKind::kList);
    Value out = list ? Value::list() : Value::object();
    for (const auto& [number, element] : node.numbered()) {
      if (list) {
        out.push(TRY(value(shape.element(), *element)));
        continue;
      }
      const Node* key = element->child(shape.key().has_wire() ? shape.key().wire() : "key");
      const Node* v = element->child(shape.value().has_wire() ? shape.value().wire() : "value");
      if (key == nullptr || !key->text) return malformed(protocol, "map entry without a key");
      out.as_object().emplace_back(*key->text, v == nullptr ? Value() : TRY(value(shape.value(), *v)));
    }
    return out;
  }
};

}  // namespace

Result<Value, Fault> parse_query(const Addressed& to, const net::HttpRequest& request) {
  Shape shape = to.operation.input();
  if (!shape) return Value::object();
  Fields fields = TRY(request_fields(request, true, to.protocol));
  Node tree = TRY(make_tree(fields, to.protocol));
  return Reader{to.protocol}.structure(shape, tree);
}

void render_query(const Addressed& to, const Value& output, const RenderContext& context, net::HttpResponse& response) {
  bool ec2 = to.protocol == Protocol::kEc2;
  std::string name(to.operation.name());
  Shape shape = to.operation.output();
  XmlWriter w(response.body);
  if (ec2) w.declaration();
  w.open(name + "Response");
  if (!to.service.xml_uri().empty()) w.attribute("xmlns", to.service.xml_uri());
  if (ec2) {
    w.element("requestId", context.request_id);
    if (shape) write_xml_members(w, shape, output);
  } else {
    if (shape) {
      std::string_view wrapper = to.operation.result_wrapper();
      w.open(wrapper.empty() ? name + "Result" : std::string(wrapper));
      write_xml_members(w, shape, output);
      w.close();
    }
    w.open("ResponseMetadata").element("RequestId", context.request_id).close();
  }
  w.close();
  response.headers.add("Content-Type", ec2 ? "text/xml;charset=UTF-8" : "text/xml");
}

}  // namespace savia::aws::protocol::internal
