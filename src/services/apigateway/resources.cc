// The tree of path parts of a REST API.
#include <algorithm>

#include "base/limits.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/ids.h"
#include "services/apigateway/methods.h"
#include "services/apigateway/patch.h"

namespace savia::apigateway::rest {

namespace {

bool is_variable(std::string_view part) {
  return part.starts_with('{');
}
bool is_greedy(std::string_view part) {
  return part.ends_with("+}");
}
std::string path_below(std::string_view parent, std::string_view part) {
  return (parent == "/" ? "" : std::string(parent)) + "/" + std::string(part);
}

// "pets", "{id}" or "{proxy+}".
bool valid_path_part(std::string_view part) {
  if (is_variable(part)) {
    if (!part.ends_with('}')) return false;
    part = part.substr(1, part.size() - 2);
    if (part.ends_with('+')) part.remove_suffix(1);
  }
  if (part.empty()) return false;
  for (char c : part) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                    c == '-' || c == ':' || c == '$';
    if (!ok) return false;
  }
  return true;
}

// May `part` stand below `parent`, next to what is there? `self` is the id of the resource that moves, "" for a new one.
Checked<void> check_place(Store& store, const std::string& api, const Resource& parent, const std::string& part,
                          std::string_view self) {
  if (!valid_path_part(part)) {
    return bad_request(
        "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and "
        "the end.");
  }
  if (is_greedy(parent.path_part)) {
    return bad_request("Cannot create a child of a resource with a greedy path variable: " + parent.path_part);
  }
  const std::vector<Resource> siblings = TRY(store.children(api, parent.id));
  for (const Resource& s : siblings) {
    if (s.id != self && s.path_part == part) {
      return conflict("Another resource with the same parent already has this name: " + part);
    }
  }
  for (const Resource& s : siblings) {
    if (s.id != self && is_variable(part) && is_variable(s.path_part)) {
      return bad_request("A sibling (" + s.path_part +
                         ") of this resource already has a variable path part -- only one is allowed");
    }
  }
  return {};
}

Checked<Resource> find_resource(Store& store, const CallContext& c, const Value& in, std::string_view id) {
  TRY(need_tree(store, c, in));
  std::optional<Resource> r = TRY(store.resource(in.str_or("restApiId", ""), id));
  if (!r) return no_resource();
  return *std::move(r);
}

bool embeds_methods(const Value& in) {
  const Value::List* embed = in.list_at("embed");
  return embed != nullptr && std::find(embed->begin(), embed->end(), Value("methods")) != embed->end();
}

Value render(const Resource& r) {
  Value out = Value::object();
  out.set("id", r.id);
  if (!r.parent_id.empty()) out.set("parentId", r.parent_id).set("pathPart", r.path_part);
  out.set("path", r.path);
  return out;
}

// resourceMethods: {GET: {}}, or the whole methods where the caller embeds them.
Result<Value> render_with_methods(Store& store, const std::string& api, const Resource& r, bool whole) {
  Value out = render(r);
  Value methods = Value::object();
  for (const Method& m : TRY(store.methods(api, r.id))) methods.set(m.http_method, whole ? m.doc : Value::object());
  if (methods.size() > 0) out.set("resourceMethods", std::move(methods));
  return out;
}

Checked<void> apply(Store& store, const std::string& api, const PatchOp& p, Resource& r) {
  if (p.op != "replace") return unsupported_patch(p, "");
  if (p.path != "/parentId" && p.path != "/pathPart") return unsupported_patch(p, "/parentId, /pathPart");
  if (r.parent_id.empty()) return bad_request("Root resource cannot update its " + p.path.substr(1) + ".");
  Resource moved = r;
  (p.path == "/parentId" ? moved.parent_id : moved.path_part) = p.value;
  std::optional<Resource> parent = TRY(store.resource(api, moved.parent_id));
  if (!parent) return no_resource();
  if (parent->id == r.id || parent->path.starts_with(r.path + "/")) return bad_request("Resources cannot be cyclical.");
  TRY(check_place(store, api, *parent, moved.path_part, r.id));
  if (is_greedy(moved.path_part) && !TRY(store.children(api, r.id)).empty()) {
    return bad_request("Cannot create a child of a resource with a greedy path variable: " + moved.path_part);
  }
  moved.path = path_below(parent->path, moved.path_part);
  TRY(store.move_resource(api, r, moved));
  r = moved;
  return {};
}

}  // namespace

Outcome CreateResource(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Resource parent = TRY(find_resource(store, c, in, in.str_or("parentId", "")));
    const std::string api = in.str_or("restApiId", "");
    Resource r;
    r.path_part = in.str_or("pathPart", "");
    r.parent_id = parent.id;
    TRY(check_place(store, api, parent, r.path_part, ""));
    if (TRY(store.count_resources(api)) >= static_cast<int64_t>(limits::kApiRoutes)) return too_many("resources", Kind::kRest);
    r.id = TRY(new_resource_id(core, store, api));
    r.path = path_below(parent.path, r.path_part);
    TRY(store.add_resource(api, r));
    return render(r);
  });
}

Outcome GetResource(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Resource r = TRY(find_resource(store, c, in, in.str_or("resourceId", "")));
    return TRY(render_with_methods(store, in.str_or("restApiId", ""), r, embeds_methods(in)));
  });
}

Outcome GetResources(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v1(in));
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Resource& r : TRY(store.resources(api.id, page.after, page.limit + 1))) {
      items.push_back(TRY(render_with_methods(store, api.id, r, embeds_methods(in))));
      seqs.push_back(r.seq);
    }
    return paged("items", "position", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateResource(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    Resource r = TRY(find_resource(store, c, in, in.str_or("resourceId", "")));
    const std::string api = in.str_or("restApiId", "");
    for (const PatchOp& p : patches) TRY(apply(store, api, p, r));
    return TRY(render_with_methods(store, api, r, false));
  });
}

Outcome DeleteResource(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Resource r = TRY(find_resource(store, c, in, in.str_or("resourceId", "")));
        if (r.parent_id.empty()) return bad_request("Root resource cannot be deleted.");
        TRY(store.delete_resource(in.str_or("restApiId", ""), r));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest
