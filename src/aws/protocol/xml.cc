// XML bodies (rest-xml both ways, query and ec2 answers).
//
// The model says for each member: an attribute or an element; for lists and maps, whether they are wrapped
// (<names><member>…</member></names>) or flattened (<name>…</name><name>…</name>); and names and name spaces of all of it.
#include "aws/protocol/internal.h"

namespace savia::aws::protocol::internal {
namespace {

std::string_view element_name(Member list_element) {
  return list_element.has_wire() ? list_element.wire() : "member";
}
std::string_view key_name(Shape map) {
  return map.key().has_wire() ? map.key().wire() : "key";
}
std::string_view value_name(Shape map) {
  return map.value().has_wire() ? map.value().wire() : "value";
}

// Elements of a flattened list bear the member's name; where the list as such is flattened (older models) and only its element
// has a name of its own, they bear that (SQS: Messages, of elements Message).
std::string_view flat_name(Member m) {
  bool older = m.shape().flag(tables::kFlattened) && !m.flag(tables::kMemberFlattened);
  if (older && !m.has_wire() && m.shape().element().has_wire()) return m.shape().element().wire();
  return m.wire();
}

Result<Value, Fault> map_entry(Shape map, const XmlNode& entry, Protocol protocol, Value& out) {
  const XmlNode* key = entry.child(key_name(map));
  const XmlNode* value = entry.child(value_name(map));
  if (key == nullptr) return malformed(protocol, "map entry without a key");
  out.as_object().emplace_back(key->text, value == nullptr ? Value() : TRY(xml_value_in(map.value(), *value, protocol)));
  return Value();
}

Result<Value, Fault> flat_in(Member m, const XmlNode& parent, Protocol protocol) {
  Shape shape = m.shape();
  Value out;
  std::string_view other = shape.is(ShapeKind::kList) ? element_name(shape.element()) : std::string_view();
  bool by_own_name = parent.child(m.wire()) != nullptr;
  for (const XmlNode& child : parent.children) {
    if (child.name != (by_own_name ? m.wire() : other)) continue;
    if (shape.is(ShapeKind::kList)) {
      out.push(TRY(xml_value_in(shape.element(), child, protocol)));
    } else {
      if (out.is_null()) out = Value::object();
      TRY(map_entry(shape, child, protocol, out));
    }
  }
  return out;
}

void name_space(XmlWriter& out, std::string_view uri, std::string_view prefix) {
  if (uri.empty()) return;
  out.attribute(prefix.empty() ? "xmlns" : "xmlns:" + std::string(prefix), uri);
}

void write_element(XmlWriter& out, std::string_view name, Member m, const Value& v);

void write_entries(XmlWriter& out, std::string_view entry, Member m, const Value& v, bool flat) {
  Shape map = m.shape();
  for (const auto& [key, value] : v.as_object()) {
    out.open(entry);
    if (flat) name_space(out, m.xml_uri(), m.xml_prefix());
    write_element(out, key_name(map), map.key(), Value(key));
    if (!value.is_null()) write_element(out, value_name(map), map.value(), value);
    out.close();
  }
}

// The contents of one element, without its tag.
void write_contents(XmlWriter& out, Member m, const Value& v) {
  Shape shape = m.shape();
  if (shape.is(ShapeKind::kStructure) && v.is_object()) return write_xml_members(out, shape, v);
  if (shape.is(ShapeKind::kList) && v.is_list()) {
    for (const Value& e : v.as_list()) {
      if (!e.is_null()) write_element(out, element_name(shape.element()), shape.element(), e);
    }
    return;
  }
  if (shape.is(ShapeKind::kMap) && v.is_object()) return write_entries(out, "entry", m, v, false);
  out.text(scalar_out(m, v, TimestampFormat::kIso8601));
}

void write_attributes(XmlWriter& out, Shape shape, const Value& v) {
  for (Member m : shape.members()) {
    const Value* e = m.flag(tables::kXmlAttribute) ? v.find(m.name()) : nullptr;
    if (e != nullptr && !e->is_null()) out.attribute(m.wire(), scalar_out(m, *e, TimestampFormat::kIso8601));
  }
}

void write_element(XmlWriter& out, std::string_view name, Member m, const Value& v) {
  out.open(name);
  name_space(out, m.xml_uri(), m.xml_prefix());
  Shape shape = m.shape();
  if (m.xml_uri().empty()) name_space(out, shape.xml_uri(), shape.xml_prefix());
  if (shape.is(ShapeKind::kStructure)) write_attributes(out, shape, v);
  write_contents(out, m, v);
  out.close();
}

}  // namespace

Result<Value, Fault> xml_structure_in(Shape shape, const XmlNode& node, Protocol protocol) {
  Value out = Value::object();
  for (Member m : shape.members()) {
    if (m.location() != Location::kBody) continue;
    Value v;
    if (m.flag(tables::kXmlAttribute)) {
      const std::string* text = node.attribute(m.wire());
      if (text != nullptr) v = TRY(scalar_in(m, *text, protocol));
    } else if (m.flattened() && (m.shape().is(ShapeKind::kList) || m.shape().is(ShapeKind::kMap))) {
      v = TRY(flat_in(m, node, protocol));
    } else if (const XmlNode* child = node.child(m.wire())) {
      v = TRY(xml_value_in(m, *child, protocol));
    }
    if (!v.is_null()) out.as_object().emplace_back(m.name(), std::move(v));
  }
  return out;
}

Result<Value, Fault> xml_value_in(Member m, const XmlNode& node, Protocol protocol) {
  Shape shape = m.shape();
  if (shape.is(ShapeKind::kStructure)) return xml_structure_in(shape, node, protocol);
  if (shape.is(ShapeKind::kList)) {
    Value out = Value::list();
    for (const XmlNode& child : node.children) out.push(TRY(xml_value_in(shape.element(), child, protocol)));
    return out;
  }
  if (shape.is(ShapeKind::kMap)) {
    Value out = Value::object();
    for (const XmlNode& child : node.children) TRY(map_entry(shape, child, protocol, out));
    return out;
  }
  return scalar_in(m, node.text, protocol);
}

void write_xml_members(XmlWriter& out, Shape shape, const Value& v) {
  if (!v.is_object()) return;
  for (const auto& [name, e] : v.as_object()) {
    Member m = shape.member(name);
    if (!m || e.is_null() || !in_output_body(m) || m.flag(tables::kXmlAttribute)) continue;
    if (m.flattened() && m.shape().is(ShapeKind::kList) && e.is_list()) {
      for (const Value& item : e.as_list()) {
        if (item.is_null()) continue;
        out.open(flat_name(m));
        name_space(out, m.shape().element().xml_uri(), m.shape().element().xml_prefix());
        if (m.shape().element().shape().is(ShapeKind::kStructure)) write_attributes(out, m.shape().element().shape(), item);
        write_contents(out, m.shape().element(), item);
        out.close();
      }
    } else if (m.flattened() && m.shape().is(ShapeKind::kMap) && e.is_object()) {
      write_entries(out, m.wire(), m, e, true);
    } else {
      write_element(out, m.wire(), m, e);
    }
  }
}

void write_xml_root(XmlWriter& out, std::string_view name, Member m, const Value& v, std::string_view otherwise_uri) {
  out.open(name);
  Shape shape = m.shape();
  if (!m.xml_uri().empty()) {
    name_space(out, m.xml_uri(), m.xml_prefix());
  } else if (!shape.xml_uri().empty()) {
    name_space(out, shape.xml_uri(), shape.xml_prefix());
  } else {
    name_space(out, otherwise_uri, "");
  }
  if (shape.is(ShapeKind::kStructure)) write_attributes(out, shape, v);
  write_contents(out, m, v);
  out.close();
}

}  // namespace savia::aws::protocol::internal
