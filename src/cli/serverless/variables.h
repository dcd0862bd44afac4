// The Serverless Framework's variables, version 3 syntax:
//
//   ${source:address}          self, opt, env, param, file(path):address, aws:accountId|region, sls:stage|instanceId
//   ${source:a, source:b, 'x'} fallbacks, left to right, taken when the one before has no value
//   ${strToBool(text)}, and ${…} inside addresses, paths and fallbacks
//
// A text that is one variable takes the variable's value with its type; a text around variables takes their texts. Nothing
// is resolved twice, cycles are named, and what cannot be resolved is a finding with file and line.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/lang.h"
#include "cli/node.h"

namespace savia::cli {

struct VariableSources {
  std::string base_dir;                        // folder of the serverless.yaml, for file(…)
  std::map<std::string, std::string> options;  // --stage, --region, --…
  std::map<std::string, std::string> params;
  std::string account_id;
  std::string region;  // when neither --region nor provider.region says
  std::string stage;   // --stage, else provider.stage is asked, else "dev"
  std::function<std::optional<std::string>(const std::string&)> env;
  Lang lang = Lang::kEnglish;
};

class VariableResolver {
 public:
  VariableResolver(const Node& root, VariableSources sources) : root_(root), sources_(std::move(sources)) {}

  // The whole document with every variable replaced; what could not be is left as it was and told in findings().
  Node resolve_all();
  const std::vector<Finding>& findings() const { return findings_; }

 private:
  struct Lookup {  // outcome of one source
    bool found = false;
    Node node;
  };
  Node resolve(const Node& node, int depth);
  Node resolve_text(const Node& node, int depth);
  Lookup evaluate(std::string_view expression, const Node& at, int depth);
  Lookup evaluate_term(std::string_view term, const Node& at, int depth);
  Lookup from_source(std::string_view source, std::string_view argument, std::string_view address, const Node& at, int depth);
  Lookup from_self(std::string_view address, int depth);
  Lookup from_file(std::string_view path, std::string_view address, const Node& at, int depth);
  std::string interpolate(std::string_view text, const Node& at, int depth, bool& ok);
  void report(const Node& at, std::string message);

  const Node& root_;
  VariableSources sources_;
  std::vector<Finding> findings_;
  std::set<std::string> reported_;
  std::vector<std::string> stack_;     // self addresses and files in progress: a repeat is a cycle
  std::map<std::string, Node> files_;  // loaded documents by path
};

}  // namespace savia::cli
