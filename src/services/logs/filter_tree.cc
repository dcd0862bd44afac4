#include "services/logs/filter_tree.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "codec/json.h"

namespace savia::logs {
namespace {

using Node = FilterPattern::Node;

std::optional<double> to_number(std::string_view text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return v;
}

bool compare_numbers(Compare op, double a, double b) {
  switch (op) {
    case Compare::kEqual:
      return a == b;
    case Compare::kNotEqual:
      return a != b;
    case Compare::kLess:
      return a < b;
    case Compare::kLessEqual:
      return a <= b;
    case Compare::kGreater:
      return a > b;
    case Compare::kGreaterEqual:
      return a >= b;
    default:
      return false;
  }
}

bool text_equals(const Operand& operand, std::string_view text) {
  if (operand.regex != nullptr) return re2::RE2::PartialMatch({text.data(), text.size()}, *operand.regex);
  return wildcard_match(operand.text, text);
}

// `number`: the left side as a number, where it is one.
bool compare_value(Compare op, const Operand& operand, std::string_view text, std::optional<double> number) {
  const bool numeric = number && operand.number && !operand.quoted && operand.regex == nullptr;
  if (op == Compare::kEqual || op == Compare::kNotEqual) {
    const bool equal = numeric ? *number == *operand.number : text_equals(operand, text);
    return equal == (op == Compare::kEqual);
  }
  return numeric && compare_numbers(op, *number, *operand.number);
}

bool compare_json(const Node& n, const Value& v) {
  switch (n.compare) {
    case Compare::kExists:
      return true;
    case Compare::kNotExists:
      return false;
    case Compare::kIsNull:
      return v.is_null();
    case Compare::kIsTrue:
      return v.is_bool() && v.as_bool();
    case Compare::kIsFalse:
      return v.is_bool() && !v.as_bool();
    default:
      break;
  }
  if (v.is_string()) return compare_value(n.compare, n.operand, v.as_string(), std::nullopt);
  if (v.is_number()) return compare_value(n.compare, n.operand, to_json(v), v.as_double());
  if (v.is_bool()) return compare_value(n.compare, n.operand, v.as_bool() ? "true" : "false", std::nullopt);
  return false;  // null, lists and objects compare with nothing
}

// Whether any value that the path reaches satisfies the comparison; `reached` tells whether there was one at all.
bool walk(const Node& n, size_t step, const Value& v, bool& reached) {
  if (step == n.path.size()) {
    reached = true;
    return compare_json(n, v);
  }
  const PathStep& s = n.path[step];
  if (s.kind == PathStep::Kind::kName) {
    const Value* member = v.find(s.name);
    return member != nullptr && walk(n, step + 1, *member, reached);
  }
  if (s.kind == PathStep::Kind::kIndex) {
    return v.is_list() && s.index < v.as_list().size() && walk(n, step + 1, v.as_list()[s.index], reached);
  }
  if (v.is_list()) {
    for (const Value& e : v.as_list()) {
      if (walk(n, step + 1, e, reached)) return true;
    }
  } else if (v.is_object()) {
    for (const auto& [name, member] : v.as_object()) {
      if (walk(n, step + 1, member, reached)) return true;
    }
  }
  return false;
}

bool evaluate_json_compare(const Node& n, const Value& json) {
  bool reached = false;
  const bool matched = walk(n, 0, json, reached);
  return n.compare == Compare::kNotExists ? !reached : matched;
}

bool evaluate_field_compare(const Node& n, const std::vector<std::string_view>& fields) {
  if (n.field >= fields.size()) return false;
  const std::string_view text = fields[n.from_end ? fields.size() - 1 - n.field : n.field];
  return compare_value(n.compare, n.operand, text, to_number(text));
}

bool evaluate_fields(const Node& n, std::string_view message) {
  const std::vector<std::string_view> fields = split_fields(message);
  const bool fits = n.ellipsis ? fields.size() >= n.before + n.after : fields.size() == n.before;
  return fits && evaluate(*n.children[0], message, nullptr, &fields);
}

}  // namespace

bool wildcard_match(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string_view> split_fields(std::string_view message) {
  constexpr std::string_view kSpace = " \t\r\n";
  std::vector<std::string_view> out;
  size_t at = 0;
  while ((at = message.find_first_not_of(kSpace, at)) != std::string_view::npos) {
    const char open = message[at];
    const char close = open == '[' ? ']' : '"';
    if (open == '[' || open == '"') {
      const size_t end = message.find(close, at + 1);
      if (end != std::string_view::npos) {
        out.push_back(message.substr(at + 1, end - at - 1));
        at = end + 1;
        continue;
      }
    }
    const size_t end = std::min(message.find_first_of(kSpace, at), message.size());
    out.push_back(message.substr(at, end - at));
    at = end;
  }
  return out;
}

bool evaluate(const Node& n, std::string_view message, const Value* json, const std::vector<std::string_view>* fields) {
  auto holds = [&](const std::unique_ptr<Node>& child) { return evaluate(*child, message, json, fields); };
  switch (n.kind) {
    case Node::Kind::kAlways:
      return true;
    case Node::Kind::kAnd:
      return std::all_of(n.children.begin(), n.children.end(), holds);
    case Node::Kind::kOr:
      return std::any_of(n.children.begin(), n.children.end(), holds);
    case Node::Kind::kContains:
    case Node::Kind::kExcludes: {
      const bool found = n.operand.regex != nullptr ? re2::RE2::PartialMatch({message.data(), message.size()}, *n.operand.regex)
                                                    : message.find(n.operand.text) != std::string_view::npos;
      return found == (n.kind == Node::Kind::kContains);
    }
    case Node::Kind::kJson: {
      const std::string_view text = trim(message);
      if (text.empty() || (text[0] != '{' && text[0] != '[')) return false;
      const Result<Value> value = parse_json(text);
      return value.ok() && evaluate(*n.children[0], message, &*value, nullptr);
    }
    case Node::Kind::kFields:
      return evaluate_fields(n, message);
    case Node::Kind::kJsonCompare:
      return json != nullptr && evaluate_json_compare(n, *json);
    case Node::Kind::kFieldCompare:
      return fields != nullptr && evaluate_field_compare(n, *fields);
  }
  return false;
}

}  // namespace savia::logs
