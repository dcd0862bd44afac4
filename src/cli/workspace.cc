#include "cli/workspace.h"

#include <climits>
#include <cstdlib>

#include "os/file.h"

namespace savia::cli {
namespace {

std::string absolute(const std::string& path) {
  char buf[PATH_MAX];
  if (realpath(path.c_str(), buf) != nullptr) return buf;
  return path;
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

class Reader {
 public:
  Reader(const Node& root, Workspace& out, Lang lang) : root_(root), out_(out), lang_(lang) {}

  void run() {
    known(root_, {"name", "language", "environments", "layers", "apis"});
    out_.name = text(root_.find("name"), base_name(out_.dir));
    out_.language = text(root_.find("language"), "");
    if (const Node* n = root_.find("environments"); n != nullptr && n->is_map()) {
      for (const auto& [name, e] : n->map) {
        known(e, {"branch"});
        out_.environments.push_back({name, text(e.find("branch"), "")});
      }
    }
    if (out_.environments.empty()) out_.environments.push_back({"dev", ""});
    if (const Node* n = root_.find("layers"); n != nullptr && n->is_map()) {
      for (const auto& [name, l] : n->map) {
        known(l, {"path"});
        out_.layers.push_back({name, folder(l), l.place});
      }
    }
    if (const Node* n = root_.find("apis"); n != nullptr && n->is_map()) {
      for (const auto& [name, a] : n->map) api(name, a);
    }
    if (out_.apis.empty() && out_.layers.empty()) error(root_, say_in(lang_, "the workspace names neither apis nor layers"));
  }

 private:
  void error(const Node& at, std::string text) { out_.findings.push_back({Finding::Level::kError, at.place, std::move(text)}); }

  void known(const Node& map, std::initializer_list<std::string_view> keys) {
    for (const auto& [key, node] : map.map) {
      bool found = false;
      for (std::string_view k : keys) found = found || k == key;
      if (!found) error(node, say_in(lang_, "{0} is not a key of the workspace file", {key}));
    }
  }

  std::string text(const Node* n, std::string_view otherwise) {
    return n == nullptr || n->is_null() ? std::string(otherwise) : n->text();
  }

  std::string folder(const Node& n) {
    const Node* path = n.find("path");
    if (path == nullptr || path->text().empty()) {
      error(n, say_in(lang_, "a path is missing"));
      return out_.dir;
    }
    std::string full = absolute(path->text()[0] == '/' ? path->text() : out_.dir + "/" + path->text());
    if (!os::exists(full)) error(*path, say_in(lang_, "folder {0} does not exist", {path->text()}));
    return full;
  }

  void api(const std::string& name, const Node& n) {
    known(n, {"path", "config", "params", "check"});
    WorkspaceApi api;
    api.name = name;
    api.place = n.place;
    api.path = folder(n);
    if (const Node* check = n.find("check")) api.check = check->text();
    const Node* config = n.find("config");
    if (config != nullptr && config->is_map()) {
      for (const auto& [env, file] : config->map) api.config[env] = file.text();
    } else {
      std::string file = config != nullptr ? config->text() : "serverless.yaml";
      for (const WorkspaceEnvironment& e : out_.environments) api.config[e.name] = file;
    }
    if (const Node* params = n.find("params"); params != nullptr && params->is_map()) {
      for (const auto& [key, value] : params->map) {
        std::string v = value.text();
        if (v.starts_with("layer:") && out_.layer(v.substr(6)) == nullptr) {
          error(value, say_in(lang_, "layer {0} is not in the workspace", {v.substr(6)}));
        }
        api.params[key] = std::move(v);
      }
    }
    out_.apis.push_back(std::move(api));
  }

  const Node& root_;
  Workspace& out_;
  Lang lang_;
};

}  // namespace

const WorkspaceApi* Workspace::api(std::string_view wanted) const {
  for (const WorkspaceApi& a : apis) {
    if (a.name == wanted) return &a;
  }
  return nullptr;
}

const WorkspaceLayer* Workspace::layer(std::string_view wanted) const {
  for (const WorkspaceLayer& l : layers) {
    if (l.name == wanted) return &l;
  }
  return nullptr;
}

Result<Workspace> load_workspace(const std::string& dir, Lang lang) {
  Workspace out;
  out.dir = absolute(dir);
  if (!os::exists(out.dir)) return Error::not_found(say_in(lang, "folder {0} does not exist", {dir}));
  for (const char* name : {"savia.yaml", "savia.yml"}) {
    std::string path = out.dir + "/" + name;
    if (!os::exists(path)) continue;
    Node root = TRY(load_node(path, name));
    Reader(root, out, lang).run();
    return out;
  }
  for (const char* name : {"serverless.yaml", "serverless.yml"}) {
    if (!os::exists(out.dir + "/" + name)) continue;
    WorkspaceApi api;
    api.name = out.name = base_name(out.dir);
    api.path = out.dir;
    out.environments.push_back({"dev", ""});
    api.config["dev"] = name;
    if (os::exists(out.dir + "/serverless-prod.yaml")) {
      out.environments.push_back({"prod", ""});
      api.config["prod"] = "serverless-prod.yaml";
    }
    out.apis.push_back(std::move(api));
    return out;
  }
  return Error::not_found(say_in(lang, "{0} has neither savia.yaml nor serverless.yaml", {out.dir}));
}

}  // namespace savia::cli
