// The grammar, from AWS's "Filter pattern syntax for metric filters, subscription filters, and filter log events":
//
//   pattern   = "" | terms | "{" json "}" | "[" fields "]"
//   terms     = { [ "-" | "?" ] ( word | quoted | regex ) }
//   json      = json-and { "||" json-and }            json-and = json-one { "&&" json-one }
//   json-one  = "(" json ")" | selector test
//   test      = op operand | "IS" ("NULL" | "TRUE" | "FALSE") | ["NOT"] "EXISTS"
//   selector  = "$" { "." name | "." "*" | "[" index "]" | "[*]" | "['" name "']" | ".['" name "']" }
//   fields    = field { "," field }                   field = "..." | [ name ] [ condition ]
//   condition = test-of-a-field { ("&&" | "||") test-of-a-field }, each repeating the name
//   operand   = quoted | regex | bare                 op = "=" "!=" "<" "<=" ">" ">="
#include "services/logs/filter_pattern.h"

#include <re2/re2.h>

#include <charconv>

#include "base/limits.h"
#include "base/strings.h"
#include "services/logs/filter_tree.h"

namespace savia::logs {
namespace {

using Node = FilterPattern::Node;
using NodePtr = std::unique_ptr<Node>;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_word(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || u == '_' || u >= 0x80;
}

NodePtr make(Node::Kind kind) {
  auto n = std::make_unique<Node>();
  n->kind = kind;
  return n;
}

// `children` under one node; a single child needs none.
NodePtr combine(Node::Kind kind, std::vector<NodePtr> children) {
  if (children.size() == 1) return std::move(children[0]);
  NodePtr n = make(children.empty() ? Node::Kind::kAlways : kind);
  n->children = std::move(children);
  return n;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<NodePtr> pattern() {
    skip_space();
    if (at_end()) return NodePtr();
    if (peek() == '{') return json_pattern();
    if (peek() == '[') return field_pattern();
    return terms();
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void skip_space() {
    while (!at_end() && is_space(peek())) ++at_;
  }
  bool accept(std::string_view token) {
    skip_space();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!iequals(text_.substr(at_, word.size()), word) || is_word(peek(word.size()))) return false;
    at_ += word.size();
    return true;
  }
  Error invalid(std::string_view why) const {
    return Error::invalid("Invalid filter pattern: " + std::string(why) + " at character " + std::to_string(at_ + 1));
  }

  Result<Operand> quoted() {
    Operand out;
    out.quoted = true;
    for (++at_; !at_end(); ++at_) {
      char c = peek();
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c == '\\' && (peek(1) == '"' || peek(1) == '\\')) c = text_[++at_];
      out.text += c;
    }
    return invalid("a quotation mark is not closed");
  }

  Result<Operand> regex() {
    const size_t start = ++at_;
    while (!at_end() && peek() != '%') at_ += peek() == '\\' ? 2 : 1;
    if (at_end()) return invalid("a regular expression is not closed");
    Operand out;
    out.text = std::string(text_.substr(start, at_ - start));
    ++at_;
    re2::RE2::Options options(re2::RE2::Quiet);
    options.set_max_mem(limits::kFilterRegexBytes);
    auto compiled = std::make_shared<re2::RE2>(out.text, options);
    if (!compiled->ok()) return Error::invalid("Invalid regular expression in filter pattern: " + compiled->error());
    out.regex = std::move(compiled);
    return out;
  }

  // Ends at white space or any of `stops`.
  Result<Operand> operand(std::string_view stops) {
    skip_space();
    if (peek() == '"') return quoted();
    if (peek() == '%') return regex();
    Operand out;
    while (!at_end() && !is_space(peek()) && stops.find(peek()) == std::string_view::npos) out.text += text_[at_++];
    if (out.text.empty()) return invalid("a value is missing");
    double number = 0;
    const char* end = out.text.data() + out.text.size();
    const auto r = std::from_chars(out.text.data() + (out.text[0] == '+' ? 1 : 0), end, number);
    if (r.ec == std::errc() && r.ptr == end) out.number = number;
    return out;
  }

  std::optional<Compare> comparison() {
    if (accept("!=")) return Compare::kNotEqual;
    if (accept("<=")) return Compare::kLessEqual;
    if (accept(">=")) return Compare::kGreaterEqual;
    if (accept("<")) return Compare::kLess;
    if (accept(">")) return Compare::kGreater;
    if (accept("==") || accept("=")) return Compare::kEqual;
    return std::nullopt;
  }

  Result<NodePtr> terms() {
    std::vector<NodePtr> required;
    std::vector<NodePtr> optional;
    for (skip_space(); !at_end(); skip_space()) {
      const char mark = peek() == '-' || peek() == '?' ? text_[at_++] : ' ';
      NodePtr n = make(mark == '-' ? Node::Kind::kExcludes : Node::Kind::kContains);
      n->operand = TRY(term());
      (mark == '?' ? optional : required).push_back(std::move(n));
    }
    return required.empty() ? combine(Node::Kind::kOr, std::move(optional)) : combine(Node::Kind::kAnd, std::move(required));
  }

  Result<Operand> term() {
    if (peek() == '"') return quoted();
    if (peek() == '%') return regex();
    Operand out;
    bool valid = true;
    for (; !at_end() && !is_space(peek()); ++at_) {
      valid = valid && is_word(peek());
      out.text += peek();
    }
    if (!valid || out.text.empty()) return Error::invalid("Invalid character(s) in term '" + out.text + "'");
    return out;
  }

  Result<NodePtr> json_pattern() {
    ++at_;
    NodePtr root = make(Node::Kind::kJson);
    root->children.push_back(TRY(json_or(0)));
    if (!accept("}")) return invalid("'}' expected");
    skip_space();
    if (!at_end()) return invalid("nothing may follow '}'");
    return root;
  }

  Result<NodePtr> json_or(size_t depth) {
    std::vector<NodePtr> any;
    do any.push_back(TRY(json_and(depth)));
    while (accept("||"));
    return combine(Node::Kind::kOr, std::move(any));
  }

  Result<NodePtr> json_and(size_t depth) {
    std::vector<NodePtr> all;
    do all.push_back(TRY(json_one(depth)));
    while (accept("&&"));
    return combine(Node::Kind::kAnd, std::move(all));
  }

  Result<NodePtr> json_one(size_t depth) {
    if (depth > limits::kFilterDepth) return invalid("too many parentheses");
    if (accept("(")) {
      NodePtr inner = TRY(json_or(depth + 1));
      if (!accept(")")) return invalid("')' expected");
      return inner;
    }
    NodePtr n = make(Node::Kind::kJsonCompare);
    n->path = TRY(selector());
    if (accept_word("IS")) {
      if (accept_word("NULL")) {
        n->compare = Compare::kIsNull;
      } else if (accept_word("TRUE")) {
        n->compare = Compare::kIsTrue;
      } else if (accept_word("FALSE")) {
        n->compare = Compare::kIsFalse;
      } else {
        return invalid("NULL, TRUE or FALSE expected");
      }
      return n;
    }
    if (accept_word("NOT")) {
      if (!accept_word("EXISTS")) return invalid("EXISTS expected");
      n->compare = Compare::kNotExists;
      return n;
    }
    if (accept_word("EXISTS")) {
      n->compare = Compare::kExists;
      return n;
    }
    const std::optional<Compare> op = comparison();
    if (!op) return invalid("a comparison is missing");
    n->compare = *op;
    n->operand = TRY(operand("(){}&|\"%"));
    return n;
  }

  Result<std::vector<PathStep>> selector() {
    if (!accept("$")) return invalid("a selector begins with '$'");
    std::vector<PathStep> out;
    while (peek() == '.' || peek() == '[') {
      if (peek() == '.') {
        ++at_;
        if (peek() != '[') {
          out.push_back(TRY(name_step()));
          continue;
        }
      }
      out.push_back(TRY(bracket_step()));
    }
    if (out.empty()) return invalid("a selector names a member: $.name");
    return out;
  }

  Result<PathStep> name_step() {
    PathStep step;
    constexpr std::string_view kStops = ".[]=!<>(){}&|\"%";
    while (!at_end() && !is_space(peek()) && kStops.find(peek()) == std::string_view::npos) step.name += text_[at_++];
    if (step.name.empty()) return invalid("a member's name is missing");
    if (step.name == "*") step.kind = PathStep::Kind::kAny;
    return step;
  }

  Result<PathStep> bracket_step() {
    ++at_;
    PathStep step;
    skip_space();
    const char mark = peek();
    if (mark == '\'' || mark == '"') {
      const size_t end = text_.find(mark, at_ + 1);
      if (end == std::string_view::npos) return invalid("a member's name is not closed");
      step.name = std::string(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
    } else if (mark == '*') {
      step.kind = PathStep::Kind::kAny;
      ++at_;
    } else {
      step.kind = PathStep::Kind::kIndex;
      const size_t start = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      const auto index = parse_int(text_.substr(start, at_ - start));
      if (!index) return invalid("an index is a number");
      step.index = static_cast<size_t>(*index);
    }
    if (!accept("]")) return invalid("']' expected");
    return step;
  }

  // A field of the pattern is resolved to its place only when all are known: behind an ellipsis it counts from the end.
  Result<NodePtr> field_pattern() {
    ++at_;
    NodePtr root = make(Node::Kind::kFields);
    std::vector<NodePtr> conditions;
    std::vector<std::pair<size_t, std::vector<Node*>>> behind;  // position, comparisons
    size_t position = 0;
    skip_space();
    while (true) {
      if (accept("...")) {
        if (root->ellipsis) return invalid("only one '...' is allowed");
        root->ellipsis = true;
        root->before = position;
      } else {
        std::vector<Node*> compares;
        NodePtr condition = TRY(field_condition(position, compares));
        if (condition != nullptr) conditions.push_back(std::move(condition));
        if (root->ellipsis) behind.emplace_back(position, std::move(compares));
        ++position;
      }
      if (accept(",")) continue;
      if (accept("]")) break;
      return invalid("',' or ']' expected");
    }
    skip_space();
    if (!at_end()) return invalid("nothing may follow ']'");
    if (root->ellipsis) root->after = position - root->before;
    if (!root->ellipsis) root->before = position;
    for (auto& [place, compares] : behind) {
      for (Node* n : compares) {
        n->from_end = true;
        n->field = position - 1 - place;
      }
    }
    root->children.push_back(combine(Node::Kind::kAnd, std::move(conditions)));
    return root;
  }

  std::string field_name() {
    skip_space();
    std::string name;
    while (!at_end() && (is_word(peek()) || peek() == '-' || peek() == '.' || peek() == '$' || peek() == '@'))
      name += text_[at_++];
    return name;
  }

  // `name`, or `name op value { && / || name op value }`, && before ||; null where there is no condition.
  Result<NodePtr> field_condition(size_t position, std::vector<Node*>& compares) {
    std::string name = field_name();
    std::optional<Compare> op = comparison();
    if (!op) return NodePtr();
    std::vector<NodePtr> any;
    std::vector<NodePtr> all;
    while (true) {
      NodePtr n = make(Node::Kind::kFieldCompare);
      n->compare = *op;
      n->field = position;
      n->operand = TRY(operand(",]&|\"%"));
      compares.push_back(n.get());
      all.push_back(std::move(n));
      const bool is_and = accept("&&");
      if (!is_and) any.push_back(combine(Node::Kind::kAnd, std::exchange(all, {})));
      if (!is_and && !accept("||")) return combine(Node::Kind::kOr, std::move(any));
      if (field_name() != name) return invalid("a condition names one field");
      op = comparison();
      if (!op) return invalid("a comparison is missing");
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

FilterPattern::FilterPattern(std::unique_ptr<Node> root) : root_(std::move(root)) {}
FilterPattern::FilterPattern(FilterPattern&&) noexcept = default;
FilterPattern& FilterPattern::operator=(FilterPattern&&) noexcept = default;
FilterPattern::~FilterPattern() = default;

Result<FilterPattern> FilterPattern::parse(std::string_view text) {
  Parser parser(text);
  return FilterPattern(TRY(parser.pattern()));
}

bool FilterPattern::matches(std::string_view message) const {
  return root_ == nullptr || evaluate(*root_, message, nullptr, nullptr);
}

}  // namespace savia::logs
