// Deployments of REST APIs: pictures of the resources at one moment, which stages serve.
#include <algorithm>

#include "base/limits.h"
#include "codec/json.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/ids.h"
#include "services/apigateway/patch.h"
#include "services/apigateway/publish.h"
#include "services/apigateway/stages.h"

namespace savia::apigateway::rest {

namespace {

Value render(const Deployment& d) {
  Value out = d.doc;
  out.set("id", d.id).set("createdDate", Timestamp{d.created_ms});
  return out;
}

Fault no_deployment() {
  return not_found("Invalid Deployment identifier specified");
}

Checked<Deployment> need_deployment(Store& store, const std::string& api, const Value& in) {
  std::optional<Deployment> d = TRY(store.deployment(api, in.str_or("deploymentId", "")));
  if (!d) return no_deployment();
  return *std::move(d);
}

// AWS's wording shows what was asked, null included.
Checked<void> check_canary(Store& store, const std::string& api, const Value& in) {
  if (!in.has("canarySettings")) return {};
  const std::string what = "Invalid deployment content specified.";
  const std::string stage = in.str_or("stageName", "");
  if (stage.empty()) {
    return bad_request(what + "Non null and non empty stageName must be provided for canary deployment. Provided value is " +
                       (in.has("stageName") ? "" : "null"));
  }
  if (!TRY(store.stage(api, stage))) {
    return bad_request(what + "Stage " + stage + " must already be created before making a canary release deployment");
  }
  return unsupported("canarySettings");
}

Checked<void> check_methods(Store& store, const std::string& api) {
  const std::vector<Method> methods = TRY(store.methods(api, ""));
  if (methods.empty()) return bad_request("The REST API doesn't contain any methods");
  for (const Method& m : methods) {
    if (m.doc.object_at("methodIntegration") == nullptr) return bad_request("No integration defined for method");
  }
  return {};
}

// The stage that stageName asks for: a new one, or the known one moved to this deployment.
Checked<void> deploy_to_stage(Store& store, const CallContext& c, const Api& api, const Value& in, const std::string& id) {
  const std::string name = in.str_or("stageName", "");
  if (name.empty()) return {};
  TRY(check_stage_name(name, Kind::kRest));
  TRY(check_stage_variables(in.find("variables")));
  std::optional<Stage> stage = TRY(store.stage(api.id, name));
  if (!stage) {
    TRY(check_stage_count(store, api));
    stage = Stage{name, "", false, c.now_ms, c.now_ms, Value::object()};
  }
  stage->deployment_id = id;
  stage->updated_ms = c.now_ms;
  if (in.has("stageDescription")) stage->doc.set("description", *in.find("stageDescription"));
  if (asks_for_something(in.find("variables"))) stage->doc.set("variables", *in.find("variables"));
  TRY(store.put_stage(api.id, *stage));
  return {};
}

// {"/pets": {"GET": {authorizationType, apiKeyRequired}}} from the snapshot.
Result<Value> api_summary(Store& store, const std::string& api, const std::string& deployment) {
  Value out = Value::object();
  std::optional<std::string> snapshot = TRY(store.snapshot(api, deployment));
  if (!snapshot) return out;
  const Value routes = TRY(parse_json(*snapshot));
  if (!routes.is_list()) return out;
  for (const Value& r : routes.as_list()) {
    const std::string path = r.str_or("path", "");
    if (!out.has(path)) out.set(path, Value::object());
    Value method = Value::object();
    copy_members(method, r, {"authorizationType", "apiKeyRequired"});
    out.find(path)->set(r.str_or("method", ""), std::move(method));
  }
  return out;
}

}  // namespace

Outcome CreateDeployment(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    TRY(check_canary(store, api.id, in));
    TRY(refuse(in, {"cacheClusterEnabled", "cacheClusterSize", "tracingEnabled"}));
    TRY(check_methods(store, api.id));
    Deployment d;
    d.id = TRY(new_deployment_id(core, store, api.id));
    d.created_ms = c.now_ms;
    d.doc = Value::object();
    copy_members(d.doc, in, {"description"});
    const std::string snapshot = TRY(take_snapshot(store, api));
    TRY(store.add_deployment(api.id, d, &snapshot));
    TRY(deploy_to_stage(store, c, api, in, d.id));
    publish(core, store, api);
    return render(d);
  });
}

Outcome GetDeployment(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    const Deployment d = TRY(need_deployment(store, api.id, in));
    Value out = render(d);
    const Value::List* embed = in.list_at("embed");
    if (embed != nullptr && std::find(embed->begin(), embed->end(), Value("apisummary")) != embed->end()) {
      out.set("apiSummary", TRY(api_summary(store, api.id, d.id)));
    }
    return out;
  });
}

Outcome GetDeployments(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v1(in));
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Deployment& d : TRY(store.deployments(api.id, page.after, page.limit + 1))) {
      items.push_back(render(d));
      seqs.push_back(d.seq);
    }
    return paged("items", "position", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateDeployment(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    Deployment d = TRY(need_deployment(store, api.id, in));
    for (const PatchOp& p : patches) {
      if (p.op != "replace") return unsupported_patch(p, "");
      if (p.path != "/description") return unsupported_patch(p, "/description");
      d.doc.set("description", p.value);
    }
    TRY(store.set_deployment_doc(api.id, d.id, d.doc));
    return render(d);
  });
}

Outcome DeleteDeployment(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
        const Deployment d = TRY(need_deployment(store, api.id, in));
        for (const Stage& s : TRY(store.stages(api.id))) {
          if (s.deployment_id == d.id) {
            return bad_request("Active stages pointing to this deployment must be moved or deleted");
          }
        }
        TRY(store.delete_deployment(api.id, d.id));
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest
