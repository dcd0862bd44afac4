// savia.yaml, the workspace file: it says only what the team's own files do not. Which folders are layers and APIs, which
// serverless file belongs to which environment, which branch to which environment, which parameter gets a layer's version.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/lang.h"
#include "cli/node.h"

namespace savia::cli {

struct WorkspaceLayer {
  std::string name;
  std::string path;  // absolute
  Place place;
};

struct WorkspaceApi {
  std::string name;
  std::string path;                           // absolute
  std::map<std::string, std::string> config;  // environment -> file name below path
  std::map<std::string, std::string> params;  // name -> text, or "layer:<name>" for the newest version's number
  std::string check = "/";                    // path asked after a deploy, to show that it answers
  Place place;
};

struct WorkspaceEnvironment {
  std::string name, branch;
};

struct Workspace {
  std::string dir;  // absolute
  std::string name;
  std::string language;  // "", "es" or "en"
  std::vector<WorkspaceEnvironment> environments;
  std::vector<WorkspaceLayer> layers;
  std::vector<WorkspaceApi> apis;
  std::vector<Finding> findings;

  const WorkspaceApi* api(std::string_view name) const;
  const WorkspaceLayer* layer(std::string_view name) const;
};

// Reads DIR/savia.yaml (or savia.yml). Without one, DIR may itself be one service with a serverless.yaml: a workspace of one
// API.
Result<Workspace> load_workspace(const std::string& dir, Lang lang);

}  // namespace savia::cli
