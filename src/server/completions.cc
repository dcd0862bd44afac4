#include "server/completions.h"

#include <CLI/CLI.hpp>
#include <vector>

namespace savia::server {
namespace {

std::string options_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* o : app.get_options()) {
    for (const std::string& name : o->get_lnames()) out += " --" + name;
    for (const std::string& name : o->get_snames()) out += " -" + name;
  }
  return out;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string names_of(const CLI::App& app) {
  std::string out;
  for (const CLI::App* c : commands_of(app)) out += " " + c->get_name();
  return out;
}

// In bash one case a command (and one a command's command) says which words may follow.
std::string bash(const CLI::App& app) {
  std::string out =
      "_savia() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words\n  case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n";
  std::string global = options_of(app);
  for (const CLI::App* c : commands_of(app)) {
    for (const CLI::App* sub : commands_of(*c)) {
      out += "    \"" + c->get_name() + " " + sub->get_name() + "\"*) words=\"" + options_of(*sub) + global + "\" ;;\n";
    }
  }
  for (const CLI::App* c : commands_of(app)) {
    out += "    \"" + c->get_name() + " \"*) words=\"" + names_of(*c) + options_of(*c) + global + "\" ;;\n";
  }
  out += "    *) words=\"" + names_of(app) + global + "\" ;;\n  esac\n";
  out += "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n";
  out += "  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -o filenames -F _savia savia\n";
  return out;
}

std::string quoted(std::string s) {
  for (size_t at = s.find('\''); at != std::string::npos; at = s.find('\'', at + 4)) s.replace(at, 1, "'\\''");
  return "'" + s + "'";
}

std::string fish(const CLI::App& app) {
  std::string out;
  auto options = [&](const CLI::App& a, const std::string& when) {
    for (const CLI::Option* o : a.get_options()) {
      for (const std::string& name : o->get_lnames())
        out += "complete -c savia" + when + " -l " + name + " -d " + quoted(o->get_description()) + "\n";
    }
  };
  options(app, "");
  for (const CLI::App* c : commands_of(app)) {
    out += "complete -c savia -n __fish_use_subcommand -a " + c->get_name() + " -d " + quoted(c->get_description()) + "\n";
    std::string when = " -n '__fish_seen_subcommand_from " + c->get_name() + "'";
    options(*c, when);
    for (const CLI::App* sub : commands_of(*c)) {
      out += "complete -c savia" + when + " -a " + sub->get_name() + " -d " + quoted(sub->get_description()) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") return bash(app);
  if (shell == "zsh") return "autoload -U +X bashcompinit && bashcompinit\n" + bash(app);
  if (shell == "fish") return fish(app);
  return {};
}

}  // namespace savia::server
