#include "codec/yaml.h"

#include <libfyaml.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "base/strings.h"

namespace savia {
namespace {

struct ParserDeleter {
  void operator()(fy_parser* p) const { fy_parser_destroy(p); }
};
struct DiagDeleter {
  void operator()(fy_diag* d) const { fy_diag_destroy(d); }
};

std::string token_text(fy_token* t) {
  if (t == nullptr) return "";
  size_t size = 0;
  const char* s = fy_token_get_text(t, &size);
  return s == nullptr ? std::string() : std::string(s, size);
}

// One event, freed when it goes.
class Event {
 public:
  Event(fy_parser* parser, fy_event* event) : parser_(parser), event_(event) {}
  ~Event() {
    if (event_ != nullptr) fy_parser_event_free(parser_, event_);
  }
  Event(Event&& other) noexcept : parser_(other.parser_), event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&&) = delete;
  fy_event* operator->() const { return event_; }
  fy_event* get() const { return event_; }

 private:
  fy_parser* parser_;
  fy_event* event_;
};

class Builder {
 public:
  Builder(fy_parser* parser, fy_diag* diag, size_t max_depth) : parser_(parser), diag_(diag), max_depth_(max_depth) {}

  Result<YamlNode> document() {
    YamlNode root;
    root.plain = true;
    bool seen = false;
    while (true) {
      Event e = TRY(next());
      switch (e->type) {
        case FYET_STREAM_END:
          return root;
        case FYET_STREAM_START:
        case FYET_DOCUMENT_END:
          break;
        case FYET_DOCUMENT_START: {
          if (seen) return at(e.get(), "a second document in one file");
          seen = true;
          Event first = TRY(next());
          root = TRY(node(first, 0));
          break;
        }
        default:
          return at(e.get(), "unexpected content");
      }
    }
  }

 private:
  struct Anchored {
    YamlNode node;
    size_t nodes;
  };

  static Error at(int line, int column, std::string_view reason) {
    return Error::invalid(std::to_string(line) + ":" + std::to_string(column) + ": " + std::string(reason));
  }
  static Error at(fy_event* e, std::string_view reason) {
    const fy_mark* mark = fy_event_start_mark(e);
    int star = e->type == FYET_ALIAS ? 1 : 0;  // the mark of an alias stands after its '*'
    return mark == nullptr ? at(1, 1, reason) : at(mark->line + 1, mark->column + 1 - star, reason);
  }
  static Error at(const YamlNode& n, std::string_view reason) { return at(n.line, n.column, reason); }

  Result<Event> next() {
    fy_event* e = fy_parser_parse(parser_);
    if (e != nullptr) return Event(parser_, e);
    void* iterator = nullptr;
    fy_diag_error* error = fy_diag_errors_iterate(diag_, &iterator);
    if (error == nullptr || error->msg == nullptr) return Error::invalid("1:1: not YAML");
    return at(std::max(error->line, 1), std::max(error->column, 1), error->msg);
  }

  static std::string tag_of(fy_token* token) {
    std::string tag = token_text(token);
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    if (tag.starts_with(kStandard)) return "!!" + tag.substr(kStandard.size());
    return tag == "!" ? "!!str" : tag;
  }

  static void place(YamlNode& n, fy_event* e) {
    const fy_mark* mark = fy_event_start_mark(e);
    if (mark == nullptr) return;
    n.line = mark->line + 1;
    n.column = mark->column + 1;
  }

  Result<void> count(fy_event* e, size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > limits::kYamlNodes) return at(e, "the document grows beyond " + std::to_string(limits::kYamlNodes) + " nodes");
    return {};
  }

  Result<YamlNode> node(const Event& e, size_t depth) {
    if (depth > max_depth_) return at(e.get(), "nested too deeply");
    size_t before = nodes_;
    TRY(count(e.get(), 1));
    YamlNode n;
    place(n, e.get());
    std::string anchor;
    switch (e->type) {
      case FYET_ALIAS: {
        std::string name = token_text(e->alias.anchor);
        auto it = anchors_.find(name);
        if (it == anchors_.end()) return at(e.get(), "alias *" + name + " without its anchor");
        TRY(count(e.get(), it->second.nodes));
        return it->second.node;
      }
      case FYET_SCALAR:
        anchor = token_text(e->scalar.anchor);
        n.tag = tag_of(e->scalar.tag);
        n.scalar = token_text(e->scalar.value);
        n.plain = e->scalar.value == nullptr || fy_scalar_token_get_style(e->scalar.value) == FYSS_PLAIN;
        break;
      case FYET_SEQUENCE_START:
        anchor = token_text(e->sequence_start.anchor);
        n.tag = tag_of(e->sequence_start.tag);
        n.kind = YamlNode::Kind::kSequence;
        TRY(sequence(n, depth));
        break;
      case FYET_MAPPING_START:
        anchor = token_text(e->mapping_start.anchor);
        n.tag = tag_of(e->mapping_start.tag);
        n.kind = YamlNode::Kind::kMapping;
        TRY(mapping(n, depth));
        break;
      default:
        return at(e.get(), "expected a value");
    }
    if (!anchor.empty()) anchors_.insert_or_assign(anchor, Anchored{n, nodes_ - before});
    return n;
  }

  Result<void> sequence(YamlNode& n, size_t depth) {
    while (true) {
      Event e = TRY(next());
      if (e->type == FYET_SEQUENCE_END) return {};
      n.items.push_back(TRY(node(e, depth + 1)));
    }
  }

  Result<void> mapping(YamlNode& n, size_t depth) {
    std::vector<YamlNode> merges;
    std::map<std::string, size_t, std::less<>> seen;
    while (true) {
      Event e = TRY(next());
      if (e->type == FYET_MAPPING_END) break;
      YamlNode key = TRY(node(e, depth + 1));
      if (!key.is_scalar()) return at(key, "a key must be a scalar");
      Event after = TRY(next());
      YamlNode value = TRY(node(after, depth + 1));
      if (key.plain && key.scalar == "<<" && (key.tag.empty() || key.tag == "!!merge")) {
        if (value.is_sequence()) {
          for (YamlNode& item : value.items) merges.push_back(std::move(item));
        } else {
          merges.push_back(std::move(value));
        }
        continue;
      }
      if (!seen.emplace(key.scalar, n.members.size()).second) return at(key, "key '" + key.scalar + "' is there twice");
      n.members.push_back({std::move(key), std::move(value)});
    }
    // Own keys win over merged ones, earlier merged mappings over later ones (yaml.org/type/merge).
    for (YamlNode& m : merges) {
      if (!m.is_mapping()) return at(m, "<< needs a mapping or a list of mappings");
      for (YamlMember& member : m.members) {
        if (seen.emplace(member.key.scalar, n.members.size()).second) n.members.push_back(std::move(member));
      }
    }
    return {};
  }

  fy_parser* parser_;
  fy_diag* diag_;
  size_t max_depth_;
  size_t nodes_ = 0;
  std::map<std::string, Anchored> anchors_;
};

bool is_null_word(std::string_view s) {
  return s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL";
}

std::optional<bool> bool_word(std::string_view s) {
  if (s == "true" || s == "True" || s == "TRUE") return true;
  if (s == "false" || s == "False" || s == "FALSE") return false;
  return std::nullopt;
}

std::optional<Value> based_integer(std::string_view digits, int base) {
  int64_t v = 0;
  auto r = std::from_chars(digits.data(), digits.data() + digits.size(), v, base);
  if (digits.empty() || digits[0] == '-' || r.ec != std::errc() || r.ptr != digits.data() + digits.size()) return std::nullopt;
  return Value(v);
}

// Numbers of the core schema (YAML 1.2.2, 10.3.2).
std::optional<Value> number_word(std::string_view s) {
  if (s.starts_with("0x")) return based_integer(s.substr(2), 16);
  if (s.starts_with("0o")) return based_integer(s.substr(2), 8);
  bool negative = s.starts_with('-');
  std::string_view digits = negative || s.starts_with('+') ? s.substr(1) : s;
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF") {
    return Value(negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity());
  }
  if (s == ".nan" || s == ".NaN" || s == ".NAN") return Value(std::numeric_limits<double>::quiet_NaN());
  size_t i = 0, whole = 0, fraction = 0;
  bool point = false, exponent = false;
  auto digit = [&] { return i < digits.size() && digits[i] >= '0' && digits[i] <= '9'; };
  for (; digit(); ++i) ++whole;
  if (i < digits.size() && digits[i] == '.') {
    point = true;
    for (++i; digit(); ++i) ++fraction;
  }
  if (whole + fraction == 0) return std::nullopt;
  if (i < digits.size() && (digits[i] == 'e' || digits[i] == 'E')) {
    exponent = true;
    ++i;
    if (i < digits.size() && (digits[i] == '+' || digits[i] == '-')) ++i;
    if (!digit()) return std::nullopt;
    while (digit()) ++i;
  }
  if (i != digits.size()) return std::nullopt;
  std::string text = (negative ? "-" : "") + std::string(digits);
  if (!point && !exponent) {
    if (auto v = parse_int(text)) return Value(*v);
  }
  double d = 0;
  auto r = std::from_chars(text.data(), text.data() + text.size(), d);
  if (r.ec == std::errc::result_out_of_range) d = std::strtod(text.c_str(), nullptr);
  return Value(d);
}

}  // namespace

bool YamlNode::is_null() const {
  return is_scalar() && ((plain && tag.empty() && is_null_word(scalar)) || tag == "!!null");
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlMember& m : members) {
    if (m.key.scalar == key) return &m.value;
  }
  return nullptr;
}

Value YamlNode::to_value() const {
  if (is_sequence()) {
    Value::List list;
    list.reserve(items.size());
    for (const YamlNode& n : items) list.push_back(n.to_value());
    return Value(std::move(list));
  }
  if (is_mapping()) {
    Value::Object object;
    object.reserve(members.size());
    for (const YamlMember& m : members) object.emplace_back(m.key.scalar, m.value.to_value());
    return Value(std::move(object));
  }
  if (tag == "!!str" || (!plain && !tag.starts_with("!!"))) return Value(scalar);
  if (is_null_word(scalar)) return Value();
  if (auto b = bool_word(scalar)) return Value(*b);
  if (auto v = number_word(scalar)) return *v;
  return Value(scalar);
}

Result<YamlNode> parse_yaml(std::string_view text, size_t max_depth) {
  if (!is_utf8(text)) return Error::invalid("1:1: not UTF-8");
  if (text.find('\0') != std::string_view::npos) return Error::invalid("1:1: holds a NUL byte");
  fy_diag_cfg diag_config{};
  fy_diag_cfg_default(&diag_config);
  diag_config.fp = nullptr;
  diag_config.output_fn = [](fy_diag*, void*, const char*, size_t) {};
  diag_config.colorize = false;
  std::unique_ptr<fy_diag, DiagDeleter> diag(fy_diag_create(&diag_config));
  if (diag == nullptr) return Error::exhausted("out of memory reading YAML");
  fy_diag_set_collect_errors(diag.get(), true);
  fy_parse_cfg config{};
  config.search_path = "";
  config.flags =
      static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE);
  config.diag = diag.get();
  std::unique_ptr<fy_parser, ParserDeleter> parser(fy_parser_create(&config));
  if (parser == nullptr || fy_parser_set_string(parser.get(), text.data(), text.size()) != 0) {
    return Error::exhausted("out of memory reading YAML");
  }
  return Builder(parser.get(), diag.get(), max_depth).document();
}

}  // namespace savia
