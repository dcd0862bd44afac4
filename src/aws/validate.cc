// The walk follows the model, not the input, so that missing members are found; its output is AWS's Java services' own:
// `Value '<toString()>' at '<path>' failed to satisfy constraint: <constraint>`, where constraints on elements of a list or
// map are reported once for the whole collection, with all constraints of the element in brackets, and structures inside a
// list are reported on their own as `path.N.member.name`.
#include "aws/validate.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <map>
#include <mutex>
#include <shared_mutex>

#include "base/limits.h"
#include "base/strings.h"

namespace savia::aws {
namespace {

struct Compiled {
  std::unique_ptr<RE2> accepted;  // null: the pattern has no equivalent and is not checked
  std::unique_ptr<RE2> refused;
};

std::unique_ptr<RE2> compile(const std::string& pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  auto re = std::make_unique<RE2>(pattern, options);
  return re->ok() ? std::move(re) : nullptr;
}

// Java's \uXXXX is RE2's \x{XXXX}.
std::string java_escapes(std::string_view java) {
  std::string out;
  for (size_t i = 0; i < java.size(); ++i) {
    if (java[i] == '\\' && i + 1 < java.size()) {
      if (java[i + 1] == 'u' && i + 5 < java.size()) {
        out += fmt::format("\\x{{{}}}", java.substr(i + 2, 4));
        i += 5;
        continue;
      }
      out += java[i++];
    }
    out += java[i];
  }
  return out;
}

// Patterns that look ahead or behind, by hand. `(?!\d+$)[0-9a-zA-Z-_]+` is: some character is no digit.
struct HandMade {
  std::string_view java, accepted, refused;
};
constexpr HandMade kHandMade[] = {
    {R"((?!^[0-9]+$)([a-zA-Z0-9-_]+))", R"([0-9]*[a-zA-Z\-_][a-zA-Z0-9\-_]*)", ""},
    {R"(((?!^\d+$)^[0-9a-zA-Z-_]+$))", R"([0-9]*[a-zA-Z\-_][a-zA-Z0-9\-_]*)", ""},
    {R"((arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?)"
     R"(([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?)",
     R"((arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?)"
     R"(([a-zA-Z0-9-_]{1,64})(:[0-9]*[a-zA-Z\-_][a-zA-Z0-9\-_]*)?)",
     ""},
    {R"((^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*))", R"([_a-zA-Z0-9][^$]*)", R"((?s)system\..*)"},
    {R"([0-9A-Za-z\.\-_]*(?<!\.))", R"(([0-9A-Za-z.\-_]*[0-9A-Za-z\-_])?)", ""},
};

std::string lower_camel(std::string_view name) {
  std::string out(name);
  if (!out.empty() && out[0] >= 'A' && out[0] <= 'Z') out[0] = static_cast<char>(out[0] - 'A' + 'a');
  return out;
}

// As Java prints it.
void print(std::string& out, const Value& v) {
  if (out.size() > limits::kEchoedValueBytes) return;
  switch (v.kind()) {
    case Value::Kind::kNull:
      out += "null";
      break;
    case Value::Kind::kBool:
      out += v.as_bool() ? "true" : "false";
      break;
    case Value::Kind::kInt:
      out += std::to_string(v.as_int());
      break;
    case Value::Kind::kDouble: {
      std::string s = fmt::format("{}", v.as_double());
      if (s.find_first_of(".en") == std::string::npos) s += ".0";
      out += s;
      break;
    }
    case Value::Kind::kString:
      out += v.as_string();
      break;
    case Value::Kind::kBlob:
      out += fmt::format("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", v.as_blob().size());
      break;
    case Value::Kind::kTimestamp:
      out += std::to_string(v.as_timestamp_ms());
      break;
    case Value::Kind::kList: {
      std::string_view comma;
      out += '[';
      for (const Value& e : v.as_list()) {
        out += comma;
        print(out, e);
        comma = ", ";
      }
      out += ']';
      break;
    }
    case Value::Kind::kObject: {
      std::string_view comma;
      out += '{';
      for (const auto& [name, e] : v.as_object()) {
        out += comma;
        out += name;
        out += '=';
        print(out, e);
        comma = ", ";
      }
      out += '}';
      break;
    }
  }
}

std::string printed(const Value& v) {
  std::string out;
  print(out, v);
  if (out.size() > limits::kEchoedValueBytes) {
    size_t cut = limits::kEchoedValueBytes;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xc0U) == 0x80U) --cut;
    out.resize(cut);
    out += "...";
  }
  return out;
}

size_t characters(std::string_view s) {
  size_t n = 0;
  for (char c : s) n += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  return n;
}

bool is_number(Shape s) {
  return s.is(ShapeKind::kInteger) || s.is(ShapeKind::kLong) || s.is(ShapeKind::kFloat) || s.is(ShapeKind::kDouble);
}

std::string limit_text(Shape s, double limit) {
  if (s.is(ShapeKind::kFloat) || s.is(ShapeKind::kDouble)) return printed(Value(limit));
  return std::to_string(static_cast<int64_t>(limit));
}

enum class Bound { kMax, kMin };

std::string bound_text(Shape s, Bound bound) {
  std::string limit = limit_text(s, bound == Bound::kMax ? *s.max() : *s.min());
  return fmt::format("Member must have {} {} than or equal to {}", is_number(s) ? "value" : "length",
                     bound == Bound::kMax ? "less" : "greater", limit);
}

// What min and max of the shape count.
double measure(const Value& v) {
  if (v.is_number()) return v.as_double();
  if (v.is_string()) return static_cast<double>(characters(v.as_string()));
  if (v.is_blob()) return static_cast<double>(v.as_blob().size());
  return static_cast<double>(v.size());
}

std::string enum_text(Shape s) {
  std::string out = "Member must satisfy enum value set: [";
  for (uint32_t i = 0; i < s.enum_size(); ++i) out += fmt::format("{}{}", i == 0 ? "" : ", ", s.enum_value(i));
  return out + "]";
}

bool in_enum(Shape s, std::string_view value) {
  for (uint32_t i = 0; i < s.enum_size(); ++i) {
    if (s.enum_value(i) == value) return true;
  }
  return false;
}

constexpr std::string_view kNotNull = "Member must not be null";

}  // namespace

std::optional<Re2Pattern> re2_pattern(std::string_view java) {
  for (const HandMade& h : kHandMade) {
    if (h.java == java) return Re2Pattern{std::string(h.accepted), std::string(h.refused)};
  }
  std::string text = java_escapes(java);
  if (!compile(text)) return std::nullopt;
  return Re2Pattern{std::move(text), ""};
}

class Validator::Patterns {
 public:
  bool match(std::string_view java, std::string_view text) {
    const Compiled* c = find(java);
    if (c->accepted == nullptr) return true;
    if (!RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *c->accepted)) return false;
    return c->refused == nullptr || !RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *c->refused);
  }

 private:
  // Entries are never removed and map nodes do not move, so a pointer outlives the lock.
  const Compiled* find(std::string_view java) {
    {
      std::shared_lock lock(mutex_);
      auto found = table_.find(java);
      if (found != table_.end()) return &found->second;
    }
    Compiled c;
    if (std::optional<Re2Pattern> p = re2_pattern(java)) {
      c.accepted = compile(p->accepted);
      if (!p->refused.empty()) c.refused = compile(p->refused);
    }
    std::unique_lock lock(mutex_);
    return &table_.emplace(java, std::move(c)).first->second;
  }

  std::shared_mutex mutex_;
  std::map<std::string, Compiled, std::less<>> table_;
};

struct ValidationWalk {
  Validator::Patterns& patterns;
  std::string body_prefix;  // API Gateway: "createRestApiInput."
  std::vector<std::string> found = {};
  size_t count = 0;

  void report(const std::string& path, bool sensitive, const Value& v, std::string_view constraint) {
    ++count;
    if (found.size() >= limits::kValidationErrors) return;
    std::string value = v.is_null() ? "Value null" : sensitive ? "Value" : fmt::format("Value '{}'", printed(v));
    found.push_back(fmt::format("{} at '{}' failed to satisfy constraint: {}", value, path, constraint));
  }

  // Constraints of the shape itself that the value breaks.
  std::vector<std::string> broken(Shape s, const Value& v) const {
    std::vector<std::string> out;
    if (s.max() && measure(v) > *s.max()) out.push_back(bound_text(s, Bound::kMax));
    if (s.min() && measure(v) < *s.min()) out.push_back(bound_text(s, Bound::kMin));
    if (v.is_string() && !s.pattern().empty() && !patterns.match(s.pattern(), v.as_string())) {
      out.push_back(fmt::format("Member must satisfy regular expression pattern: {}", s.pattern()));
    }
    if (s.enum_size() != 0 && v.is_string() && !in_enum(s, v.as_string())) out.push_back(enum_text(s));
    if (s.enum_size() != 0 && v.is_list()) {  // a list refused as a whole, which may print less than its elements may be
      for (const Value& e : v.as_list()) {
        if (e.is_string() && (in_enum(s, e.as_string()) || in_enum(s.element().shape(), e.as_string()))) continue;
        out.push_back(enum_text(s));
        break;
      }
    }
    return out;
  }

  // All constraints of an element, as AWS lists them when one is broken.
  static std::string all(Member m, bool null_seen) {
    Shape s = m.shape();
    std::vector<std::string> out;
    if (s.max()) out.push_back(bound_text(s, Bound::kMax));
    if (s.min()) out.push_back(bound_text(s, Bound::kMin));
    if (!s.pattern().empty()) out.push_back(fmt::format("Member must satisfy regular expression pattern: {}", s.pattern()));
    if (s.enum_size() != 0) out.push_back(enum_text(s));
    if (m.required() || null_seen) out.emplace_back(kNotNull);
    return "[" + join(out, ", ") + "]";
  }

  bool element_broken(Member m, const Value& v) const { return v.is_null() || !broken(m.shape(), v).empty(); }

  void structure(Shape shape, const Value& v, const std::string& prefix, bool root) {
    for (Member m : shape.members()) {
      std::string path = prefix;
      if (root && m.location() == Location::kBody) path += body_prefix;
      path += lower_camel(m.name());
      const Value* member_value = v.find(m.name());
      if (member_value == nullptr || member_value->is_null()) {
        if (m.required()) report(path, false, Value(), kNotNull);
        continue;
      }
      value(m, *member_value, path, m.sensitive());
    }
  }

  void value(Member m, const Value& v, const std::string& path, bool sensitive) {
    Shape s = m.shape();
    if (s.document()) return;
    for (const std::string& constraint : broken(s, v)) report(path, sensitive || secret(s), v, constraint);
    if (s.is(ShapeKind::kStructure)) {
      structure(s, v, path + ".", false);
    } else if (s.is(ShapeKind::kList) && v.is_list()) {
      list(s, v, path, sensitive || secret(s));
    } else if (s.is(ShapeKind::kMap) && v.is_object()) {
      map(s, v, path, sensitive || secret(s));
    }
  }

  // A collection of secrets is one.
  static bool secret(Shape s) {
    if (s.sensitive()) return true;
    if (s.is(ShapeKind::kList)) return s.element().sensitive();
    if (s.is(ShapeKind::kMap)) return s.key().sensitive() || s.value().sensitive();
    return false;
  }

  void list(Shape s, const Value& v, const std::string& path, bool sensitive) {
    Member element = s.element();
    bool nested = element.shape().is(ShapeKind::kStructure) || element.shape().is(ShapeKind::kList) ||
                  element.shape().is(ShapeKind::kMap);
    size_t index = 0;
    bool reported = s.enum_size() != 0;  // its elements have been looked at
    for (const Value& e : v.as_list()) {
      ++index;
      if (nested && !e.is_null()) {
        value(element, e, fmt::format("{}.{}.member", path, index), sensitive);
      } else if (!reported && element_broken(element, e)) {
        reported = true;
        report(path, sensitive, v, "Member must satisfy constraint: " + all(element, e.is_null()));
      }
    }
  }

  void map(Shape s, const Value& v, const std::string& path, bool sensitive) {
    Member element = s.value();
    bool nested = element.shape().is(ShapeKind::kStructure) || element.shape().is(ShapeKind::kList) ||
                  element.shape().is(ShapeKind::kMap);
    bool keys = false, values = false;
    for (const auto& [name, e] : v.as_object()) {
      if (!keys && !broken(s.key().shape(), Value(name)).empty()) {
        keys = true;
        report(path, sensitive, v, "Map keys must satisfy constraint: " + all(s.key(), false));
      }
      if (nested && !e.is_null()) {
        value(element, e, fmt::format("{}.{}.member", path, name), sensitive);
      } else if (!values && element_broken(element, e)) {
        values = true;
        report(path, sensitive, v, "Map value must satisfy constraint: " + all(element, e.is_null()));
      }
    }
  }
};

namespace {

std::string_view fault_code(OperationModel op) {
  ServiceModel service = op.service();
  std::string_view name = service.name();
  if (name == "ecs" || name == "ecr") return "InvalidParameterException";
  if (name == "apigatewayv2") return "BadRequestException";
  // Logs: its older operations have a code of their own.
  if (name == "logs") return op.error("InvalidParameterException") ? "InvalidParameterException" : "ValidationException";
  if (name == "s3") return "InvalidArgument";
  if (service.speaks(Protocol::kQuery) && !service.speaks(Protocol::kJson10)) return "ValidationError";
  if (name == "cloudwatch") return "ValidationError";
  if (service.protocol() == Protocol::kEc2) return "InvalidParameterValue";
  if (service.protocol() == Protocol::kRestXml) return "InvalidInput";
  return "ValidationException";
}

}  // namespace

Validator::Validator() : patterns_(std::make_unique<Patterns>()) {}
Validator::~Validator() = default;

std::optional<Fault> Validator::check(OperationModel operation, const Value& input) const {
  Shape shape = operation.input();
  if (!shape) return std::nullopt;
  ValidationWalk walk{*patterns_, {}};
  if (operation.service().name() == "apigateway") walk.body_prefix = lower_camel(operation.name()) + "Input.";
  walk.structure(shape, input, "", true);
  if (walk.count == 0) return std::nullopt;
  return Fault(std::string(fault_code(operation)), fmt::format("{} validation error{} detected: {}", walk.count,
                                                               walk.count == 1 ? "" : "s", join(walk.found, "; ")));
}

std::optional<Fault> validate(OperationModel operation, const Value& input) {
  return Validator().check(operation, input);
}

}  // namespace savia::aws
