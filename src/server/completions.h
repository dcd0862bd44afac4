// Completion scripts, made from the command line itself so that they never fall behind it.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace savia::server {

// "bash", "zsh" or "fish"; "" for any other shell.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace savia::server
