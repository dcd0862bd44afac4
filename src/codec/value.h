// Value: one parsed document, whatever wire format it came from (JSON, CBOR, XML, a query string) or goes to.
//
// AWS handlers receive and return Values shaped by the service model; the `kBlob` and `kTimestamp` kinds exist because
// the models have them and JSON has not. Objects keep the order of insertion (AWS's own answers have a stable order) and
// are searched linearly: AWS structures have few members. Names of members are the generated constants of
// build/gen/<service>_keys.h (`lambda::k::FunctionName`), so that a misspelled member does not compile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace savia {

struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

struct Timestamp {
  int64_t ms = 0;  // since the epoch, UTC
  bool operator==(const Timestamp&) const = default;
};

class Value {
 public:
  enum class Kind { kNull, kBool, kInt, kDouble, kString, kBlob, kTimestamp, kList, kObject };
  using List = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;

  Value() = default;
  Value(std::nullptr_t) {}                           // NOLINT(google-explicit-constructor)
  Value(bool v) : v_(v) {}                           // NOLINT(google-explicit-constructor)
  Value(int v) : v_(static_cast<int64_t>(v)) {}      // NOLINT(google-explicit-constructor)
  Value(int64_t v) : v_(v) {}                        // NOLINT(google-explicit-constructor)
  Value(size_t v) : v_(static_cast<int64_t>(v)) {}   // NOLINT(google-explicit-constructor)
  Value(double v) : v_(v) {}                         // NOLINT(google-explicit-constructor)
  Value(const char* v) : v_(std::string(v)) {}       // NOLINT(google-explicit-constructor)
  Value(std::string v) : v_(std::move(v)) {}         // NOLINT(google-explicit-constructor)
  Value(std::string_view v) : v_(std::string(v)) {}  // NOLINT(google-explicit-constructor)
  Value(Blob v) : v_(std::move(v)) {}                // NOLINT(google-explicit-constructor)
  Value(Timestamp v) : v_(v) {}                      // NOLINT(google-explicit-constructor)
  Value(List v) : v_(std::move(v)) {}                // NOLINT(google-explicit-constructor)
  Value(Object v) : v_(std::move(v)) {}              // NOLINT(google-explicit-constructor)

  static Value object() { return Value(Object{}); }
  static Value list() { return Value(List{}); }

  Kind kind() const { return static_cast<Kind>(v_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_int() const { return kind() == Kind::kInt; }
  bool is_double() const { return kind() == Kind::kDouble; }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_blob() const { return kind() == Kind::kBlob; }
  bool is_timestamp() const { return kind() == Kind::kTimestamp; }
  bool is_list() const { return kind() == Kind::kList; }
  bool is_object() const { return kind() == Kind::kObject; }

  // The value as that kind; CHECKs the kind (as_double takes an integer too).
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const std::string& as_blob() const;
  int64_t as_timestamp_ms() const;
  const List& as_list() const;
  List& as_list();
  const Object& as_object() const;
  Object& as_object();

  // Members of an object. On any other kind there are none.
  const Value* find(std::string_view name) const;  // nullptr when absent; a present null is a Value of kNull
  Value* find(std::string_view name);
  bool has(std::string_view name) const;  // present and not null
  // The member when it is present and of that kind; else nothing.
  std::optional<std::string_view> str(std::string_view name) const;
  std::optional<int64_t> num(std::string_view name) const;
  std::optional<double> real(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  const List* list_at(std::string_view name) const;
  const Value* object_at(std::string_view name) const;
  std::string str_or(std::string_view name, std::string_view otherwise) const;
  int64_t num_or(std::string_view name, int64_t otherwise) const;
  bool bool_or(std::string_view name, bool otherwise) const;

  Value& set(std::string_view name, Value v);  // replaces or appends; a null Value becomes an object first; returns *this
  bool erase(std::string_view name);
  Value& push(Value v);  // appends to a list; a null Value becomes a list first
  size_t size() const;   // members or elements; 0 for other kinds

  bool operator==(const Value& other) const;  // objects compare as sets of members; 1 and 1.0 differ

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Blob, Timestamp, List, Object> v_;
};

}  // namespace savia
