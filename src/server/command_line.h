// The command line: every command, its options and its help, in one place. Bodies stand in cli/commands and commands.h.
#pragma once

namespace savia::server {

int run_command_line(int argc, char** argv);

}  // namespace savia::server
