#include "codec/value.h"

#include "base/check.h"

namespace savia {

bool Value::as_bool() const {
  CHECK(is_bool());
  return std::get<bool>(v_);
}
int64_t Value::as_int() const {
  CHECK(is_int());
  return std::get<int64_t>(v_);
}
double Value::as_double() const {
  CHECK(is_number());
  return is_int() ? static_cast<double>(std::get<int64_t>(v_)) : std::get<double>(v_);
}
const std::string& Value::as_string() const {
  CHECK(is_string());
  return std::get<std::string>(v_);
}
const std::string& Value::as_blob() const {
  CHECK(is_blob());
  return std::get<Blob>(v_).bytes;
}
int64_t Value::as_timestamp_ms() const {
  CHECK(is_timestamp());
  return std::get<Timestamp>(v_).ms;
}
const Value::List& Value::as_list() const {
  CHECK(is_list());
  return std::get<List>(v_);
}
Value::List& Value::as_list() {
  CHECK(is_list());
  return std::get<List>(v_);
}
const Value::Object& Value::as_object() const {
  CHECK(is_object());
  return std::get<Object>(v_);
}
Value::Object& Value::as_object() {
  CHECK(is_object());
  return std::get<Object>(v_);
}

const Value* Value::find(std::string_view name) const {
  if (!is_object()) return nullptr;
  for (const Member& m : std::get<Object>(v_)) {
    if (m.first == name) return &m.second;
  }
  return nullptr;
}
Value* Value::find(std::string_view name) {
  return const_cast<Value*>(std::as_const(*this).find(name));
}

bool Value::has(std::string_view name) const {
  const Value* v = find(name);
  return v != nullptr && !v->is_null();
}
std::optional<std::string_view> Value::str(std::string_view name) const {
  const Value* v = find(name);
  if (v == nullptr || !v->is_string()) return std::nullopt;
  return v->as_string();
}
std::optional<int64_t> Value::num(std::string_view name) const {
  const Value* v = find(name);
  if (v == nullptr || !v->is_int()) return std::nullopt;
  return v->as_int();
}
std::optional<double> Value::real(std::string_view name) const {
  const Value* v = find(name);
  if (v == nullptr || !v->is_number()) return std::nullopt;
  return v->as_double();
}
std::optional<bool> Value::boolean(std::string_view name) const {
  const Value* v = find(name);
  if (v == nullptr || !v->is_bool()) return std::nullopt;
  return v->as_bool();
}
const Value::List* Value::list_at(std::string_view name) const {
  const Value* v = find(name);
  return v != nullptr && v->is_list() ? &v->as_list() : nullptr;
}
const Value* Value::object_at(std::string_view name) const {
  const Value* v = find(name);
  return v != nullptr && v->is_object() ? v : nullptr;
}
std::string Value::str_or(std::string_view name, std::string_view otherwise) const {
  return std::string(str(name).value_or(otherwise));
}
int64_t Value::num_or(std::string_view name, int64_t otherwise) const {
  return num(name).value_or(otherwise);
}
bool Value::bool_or(std::string_view name, bool otherwise) const {
  return boolean(name).value_or(otherwise);
}

Value& Value::set(std::string_view name, Value v) {
  if (is_null()) v_ = Object{};
  if (Value* at = find(name)) {
    *at = std::move(v);
  } else {
    as_object().emplace_back(std::string(name), std::move(v));
  }
  return *this;
}
bool Value::erase(std::string_view name) {
  if (!is_object()) return false;
  return std::erase_if(as_object(), [&](const Member& m) { return m.first == name; }) > 0;
}
Value& Value::push(Value v) {
  if (is_null()) v_ = List{};
  as_list().push_back(std::move(v));
  return *this;
}
size_t Value::size() const {
  if (is_list()) return as_list().size();
  if (is_object()) return as_object().size();
  return 0;
}

bool Value::operator==(const Value& other) const {
  if (kind() != other.kind()) return false;
  if (!is_object()) return v_ == other.v_;
  const Object& a = as_object();
  if (a.size() != other.as_object().size()) return false;
  for (const Member& m : a) {
    const Value* b = other.find(m.first);
    if (b == nullptr || !(m.second == *b)) return false;
  }
  return true;
}

}  // namespace savia
