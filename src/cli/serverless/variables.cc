#include "cli/serverless/variables.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/json.h"
#include "os/file.h"

namespace savia::cli {
namespace {

constexpr int kMaxDepth = 32;  // nested variables and references; real files need fewer than ten

// The index after the "}" that closes the "${" at `open`, or npos. Quotes inside do not nest.
size_t closing(std::string_view s, size_t open) {
  int depth = 0;
  for (size_t i = open; i < s.size(); ++i) {
    if (s[i] == '$' && i + 1 < s.size() && s[i + 1] == '{') {
      ++depth;
      ++i;
    } else if (s[i] == '{' && depth > 0) {
      ++depth;
    } else if (s[i] == '}') {
      if (--depth == 0) return i + 1;
    }
  }
  return std::string_view::npos;
}

// AWS pseudo parameters inside Fn::Sub text (${AWS::Region}) are CloudFormation's, not Serverless's.
bool is_cloudformation(std::string_view expression) {
  return expression.substr(0, 5) == "AWS::";
}

std::vector<std::string_view> split_terms(std::string_view s) {
  std::vector<std::string_view> out;
  size_t start = 0;
  int braces = 0;
  int parens = 0;
  char quote = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    char c = s[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '{') {
      ++braces;
    } else if (c == '}') {
      --braces;
    } else if (c == '(') {
      ++parens;
    } else if (c == ')') {
      --parens;
    } else if (c == ',' && braces == 0 && parens == 0) {
      out.push_back(trim(s.substr(start, i - start)));
      start = i + 1;
    }
  }
  out.push_back(trim(s.substr(start)));
  return out;
}

Node scalar(Value v, const Node& at) {
  Node n;
  n.scalar = std::move(v);
  n.place = at.place;
  return n;
}

const Node* child(const Node& node, std::string_view key) {
  if (node.is_map()) return node.find(key);
  if (node.is_list()) {
    auto index = parse_int(key);
    if (index && *index >= 0 && static_cast<size_t>(*index) < node.list.size()) return &node.list[static_cast<size_t>(*index)];
  }
  return nullptr;
}

}  // namespace

Node VariableResolver::resolve_all() {
  return resolve(root_, 0);
}

void VariableResolver::report(const Node& at, std::string message) {
  if (!reported_.insert(at.place.text() + message).second) return;
  findings_.push_back({Finding::Level::kError, at.place, std::move(message)});
}

Node VariableResolver::resolve(const Node& node, int depth) {
  if (depth > kMaxDepth) {
    report(node, say_in(sources_.lang, "variables are nested more than {0} deep", {std::to_string(kMaxDepth)}));
    return node;
  }
  if (node.is_string()) return resolve_text(node, depth);
  Node out = node;
  for (Node& item : out.list) item = resolve(item, depth);
  for (auto& [key, item] : out.map) item = resolve(item, depth);
  return out;
}

Node VariableResolver::resolve_text(const Node& node, int depth) {
  const std::string& text = node.scalar.as_string();
  size_t open = text.find("${");
  if (open == std::string::npos) return node;
  size_t end = closing(text, open);
  if (open == 0 && end == text.size() && !is_cloudformation(std::string_view(text).substr(2))) {
    Lookup found = evaluate(std::string_view(text).substr(2, text.size() - 3), node, depth);
    if (!found.found) return node;
    Node out = std::move(found.node);
    if (out.place.line == 0) out.place = node.place;
    return out;
  }
  bool ok = true;
  std::string out = interpolate(text, node, depth, ok);
  return ok ? scalar(std::move(out), node) : node;
}

std::string VariableResolver::interpolate(std::string_view text, const Node& at, int depth, bool& ok) {
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    size_t open = text.find("${", i);
    if (open == std::string_view::npos) {
      out += text.substr(i);
      break;
    }
    out += text.substr(i, open - i);
    size_t end = closing(text, open);
    if (end == std::string_view::npos) {
      report(at, say_in(sources_.lang, "a variable is not closed: {0}", {std::string(text.substr(open))}));
      ok = false;
      return out;
    }
    std::string_view expression = text.substr(open + 2, end - open - 3);
    if (is_cloudformation(expression)) {
      out += text.substr(open, end - open);
    } else if (Lookup found = evaluate(expression, at, depth); !found.found) {
      ok = false;
    } else if (found.node.kind != Node::Kind::kScalar) {
      report(at, say_in(sources_.lang, "${{0}} is a list or map and cannot stand inside a text", {std::string(expression)}));
      ok = false;
    } else {
      out += found.node.text();
    }
    i = end;
  }
  return out;
}

VariableResolver::Lookup VariableResolver::evaluate(std::string_view expression, const Node& at, int depth) {
  if (depth > kMaxDepth) {
    report(at, say_in(sources_.lang, "variables are nested more than {0} deep", {std::to_string(kMaxDepth)}));
    return {};
  }
  size_t errors = findings_.size();
  for (std::string_view term : split_terms(expression)) {
    Lookup found = evaluate_term(term, at, depth + 1);
    if (found.found) return found;
    if (findings_.size() != errors) return {};  // told already what is wrong
  }
  report(at, say_in(sources_.lang, "${{0}} has no value", {std::string(expression)}));
  return {};
}

VariableResolver::Lookup VariableResolver::evaluate_term(std::string_view term, const Node& at, int depth) {
  if (term.size() >= 2 && (term[0] == '\'' || term[0] == '"') && term.back() == term[0]) {
    bool ok = true;
    std::string text = interpolate(term.substr(1, term.size() - 2), at, depth, ok);
    if (!ok) return {};
    return {true, scalar(std::move(text), at)};
  }
  if (term == "true" || term == "false") return {true, scalar(term == "true", at)};
  if (term == "null") return {true, scalar(nullptr, at)};
  if (auto number = parse_int(term)) return {true, scalar(*number, at)};
  if (term.substr(0, 2) == "${" && closing(term, 0) == term.size()) return evaluate(term.substr(2, term.size() - 3), at, depth);

  bool ok = true;
  std::string whole = interpolate(term, at, depth, ok);
  if (!ok) return {};
  std::string_view rest = whole;
  size_t name_end = rest.find_first_of(":(");
  std::string_view source = trim(rest.substr(0, name_end));
  std::string_view argument;
  std::string_view address;
  if (name_end != std::string_view::npos && rest[name_end] == '(') {
    size_t close = rest.find(')', name_end);
    if (close == std::string_view::npos) {
      report(at, say_in(sources_.lang, "a variable is not closed: {0}", {whole}));
      return {};
    }
    argument = trim(rest.substr(name_end + 1, close - name_end - 1));
    if (close + 1 < rest.size() && rest[close + 1] == ':') address = rest.substr(close + 2);
  } else if (name_end != std::string_view::npos) {
    address = rest.substr(name_end + 1);
  }
  return from_source(source, argument, address, at, depth);
}

VariableResolver::Lookup VariableResolver::from_source(std::string_view source, std::string_view argument,
                                                       std::string_view address, const Node& at, int depth) {
  auto text_from = [&](const std::map<std::string, std::string>& map) -> Lookup {
    auto it = map.find(std::string(address));
    if (it == map.end()) return {};
    return {true, scalar(it->second, at)};
  };
  if (source == "self") return from_self(address, depth);
  if (source == "opt") return text_from(sources_.options);
  if (source == "param") return text_from(sources_.params);
  if (source == "env") {
    auto v = sources_.env ? sources_.env(std::string(address)) : std::nullopt;
    if (!v) return {};
    return {true, scalar(*v, at)};
  }
  if (source == "file") return from_file(argument, address, at, depth);
  if (source == "aws" && address == "accountId") return {true, scalar(sources_.account_id, at)};
  if (source == "aws" && address == "region") {
    Lookup provider = sources_.options.contains("region") ? Lookup{} : from_self("provider.region", depth);
    if (provider.found && provider.node.is_string()) return provider;
    auto opt = sources_.options.find("region");
    return {true, scalar(opt != sources_.options.end() ? opt->second : sources_.region, at)};
  }
  if (source == "sls" && address == "stage") {
    if (!sources_.stage.empty()) return {true, scalar(sources_.stage, at)};
    Lookup provider = from_self("provider.stage", depth);
    return provider.found ? provider : Lookup{true, scalar("dev", at)};
  }
  if (source == "sls" && address == "instanceId") return {true, scalar("savia", at)};
  if (source == "strToBool") {
    std::string v = to_lower(argument);
    if (v == "true" || v == "1") return {true, scalar(true, at)};
    if (v == "false" || v == "0" || v == "null" || v.empty()) return {true, scalar(false, at)};
    report(at, say_in(sources_.lang, "strToBool takes true, false, 1 or 0, not {0}", {std::string(argument)}));
    return {};
  }
  report(at, say_in(sources_.lang, "variables of the source {0} are not supported yet", {std::string(source)}));
  return {};
}

VariableResolver::Lookup VariableResolver::from_self(std::string_view address, int depth) {
  std::string key = "self:" + std::string(address);
  if (std::find(stack_.begin(), stack_.end(), key) != stack_.end()) {
    report(root_, say_in(sources_.lang, "${{0}} refers to itself", {key}));
    return {};
  }
  stack_.push_back(key);
  const Node* at = &root_;
  Node holder;  // what a variable on the way became; `at` may point into it
  bool found = true;
  if (!address.empty()) {
    for (std::string_view part : split(address, '.')) {
      if (at->is_string() && at->text().find("${") != std::string::npos) {
        Node value = resolve(*at, depth + 1);
        holder = std::move(value);
        at = &holder;
      }
      at = child(*at, part);
      if (at == nullptr) {
        found = false;
        break;
      }
    }
  }
  Lookup out;
  if (found) out = {true, resolve(*at, depth + 1)};
  stack_.pop_back();
  return out;
}

VariableResolver::Lookup VariableResolver::from_file(std::string_view path, std::string_view address, const Node& at,
                                                     int depth) {
  std::string full = !path.empty() && path[0] == '/' ? std::string(path) : sources_.base_dir + "/" + std::string(path);
  auto it = files_.find(full);
  if (it == files_.end()) {
    auto text = os::read_file(full);
    if (!text.ok()) return {};  // a missing file has no value: the fallback is taken
    bool structured = full.ends_with(".yml") || full.ends_with(".yaml") || full.ends_with(".json");
    if (!structured) {
      if (full.ends_with(".js") || full.ends_with(".ts") || full.ends_with(".cjs") || full.ends_with(".mjs")) {
        report(at,
               say_in(sources_.lang, "file({0}): variables from JavaScript files are not supported yet", {std::string(path)}));
        return {};
      }
      return {true, scalar(std::string(trim(*text)), at)};
    }
    auto parsed = parse_node(*text, std::string(path));
    if (!parsed.ok()) {
      report(at, parsed.error().message());
      return {};
    }
    it = files_.emplace(full, std::move(*parsed)).first;
  }
  std::string key = "file:" + full + ":" + std::string(address);
  if (std::find(stack_.begin(), stack_.end(), key) != stack_.end()) {
    report(at, say_in(sources_.lang, "${{0}} refers to itself", {"file(" + std::string(path) + ")"}));
    return {};
  }
  const Node* node = &it->second;
  if (!address.empty()) {
    for (std::string_view part : split(address, '.')) {
      node = child(*node, part);
      if (node == nullptr) return {};
    }
  }
  stack_.push_back(key);
  Lookup out{true, resolve(*node, depth + 1)};
  stack_.pop_back();
  return out;
}

}  // namespace savia::cli
