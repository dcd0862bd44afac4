// Stages of REST APIs: a name in the URL, a deployment to serve, variables.
#include "services/apigateway/stages.h"

#include "base/limits.h"
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/patch.h"
#include "services/apigateway/publish.h"

namespace savia::apigateway {

Checked<void> check_stage_count(Store& store, const Api& api) {
  if (TRY(store.stages(api.id)).size() >= limits::kApiStages) return too_many("stages", api.kind);
  return {};
}

namespace rest {

namespace {

// AWS's list, its missing commas included.
constexpr std::string_view kStagePaths =
    "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit/{resourcePath}/"
    "{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled]";

Value render(const Stage& s) {
  Value out = s.doc;
  out.set("stageName", s.name).set("deploymentId", s.deployment_id);
  out.set("cacheClusterEnabled", false).set("cacheClusterStatus", "NOT_AVAILABLE");
  out.set("methodSettings", Value::object()).set("tracingEnabled", false);
  out.set("createdDate", Timestamp{s.created_ms}).set("lastUpdatedDate", Timestamp{s.updated_ms});
  return out;
}

Checked<Stage> need_stage(Store& store, const std::string& api, const Value& in) {
  std::optional<Stage> s = TRY(store.stage(api, in.str_or("stageName", "")));
  if (!s) return not_found("Invalid stage identifier specified");
  return *std::move(s);
}

Checked<void> need_deployment(Store& store, const std::string& api, const std::string& id) {
  if (!TRY(store.deployment(api, id))) return bad_request("Deployment id does not exist");
  return {};
}

bool is_method_setting(std::string_view path) {
  for (std::string_view group : {"/metrics/", "/logging/", "/throttling/", "/caching/"}) {
    if (path.find(group) != std::string_view::npos) return true;
  }
  return false;
}

Fault no_setting(const PatchOp& p) {
  return bad_request("Cannot remove method setting " + p.path.substr(p.path.starts_with('/') ? 1 : 0) +
                     " because there is no method setting for this method ");
}

Fault invalid_setting(const PatchOp& p) {
  return bad_request("Invalid method setting path: " + p.path + ". Must be one of: " + std::string(kStagePaths));
}

Checked<void> copy(const PatchOp& p) {
  const bool to = p.path == "/deploymentId" || p.path == "/variables";
  const bool from = p.from == "/canarySettings/deploymentId" || p.from == "/canarySettings/stageVariableOverrides";
  if (!to || !from) {
    return bad_request("Invalid copy operation with path: " + p.path + " and from " + p.from +
                       ". Valid copy:path are [/deploymentId, /variables] and valid copy:from are "
                       "[/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]");
  }
  return bad_request("Promotion not available. Canary does not exist.");
}

Checked<void> remove(Value& doc, const PatchOp& p) {
  if (std::optional<std::string> name = entry_of(p.path, "/variables/")) {
    patch_entry(doc, "variables", *name, p, nullptr, Emptied::kRemove);
  } else if (p.path == "/description") {
    doc.erase("description");
  } else if (p.path != "/accessLogSettings" && p.path != "/clientCertificateId") {  // those two are never set
    return no_setting(p);
  }
  return {};
}

Checked<void> access_log(const PatchOp& p) {
  if (p.path != "/accessLogSettings/destinationArn" && p.path != "/accessLogSettings/format") {
    return bad_request(
        "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]");
  }
  if (p.value.empty()) return bad_request("Access Log value must not be empty");
  return unsupported("accessLogSettings");
}

Checked<void> set(Store& store, const std::string& api, Stage& s, const PatchOp& p) {
  if (p.path.starts_with("/accessLogSettings")) return access_log(p);
  if (std::optional<std::string> name = entry_of(p.path, "/variables/")) {
    patch_entry(s.doc, "variables", *name, p, p.value, Emptied::kRemove);
    return check_stage_variables(s.doc.find("variables"));
  }
  if (p.op == "add") return bad_request("Invalid add operation with path: " + p.path);
  if (p.path == "/deploymentId") {
    TRY(need_deployment(store, api, p.value));
    s.deployment_id = p.value;
  } else if (p.path == "/description") {
    s.doc.set("description", p.value);
  } else if (p.path == "/cacheClusterEnabled" || p.path == "/tracingEnabled") {
    if (iequals(p.value, "true")) return unsupported(p.path.substr(1));
  } else if (p.path == "/cacheClusterSize" || p.path == "/clientCertificateId" || p.path == "/documentationVersion") {
    return unsupported(p.path.substr(1));
  } else if (p.path == "/canarySettings/deploymentId") {
    TRY(need_deployment(store, api, p.value));
    return unsupported("canarySettings");
  } else if (p.path == "/canarySettings/percentTraffic" || p.path == "/canarySettings/useStageCache" ||
             p.path.starts_with("/canarySettings/stageVariableOverrides")) {
    return unsupported("canarySettings");
  } else if (is_method_setting(p.path)) {
    return unsupported("methodSettings");
  } else {
    return invalid_setting(p);
  }
  return {};
}

Checked<void> apply(Store& store, const std::string& api, Stage& s, const PatchOp& p) {
  if (p.op == "copy") return copy(p);
  if (p.op == "remove") return remove(s.doc, p);
  if (p.op == "add" || p.op == "replace") return set(store, api, s, p);
  return invalid_patch_op("add, remove, replace, copy");
}

Checked<void> check_create(Store& store, const std::string& api, const Value& in) {
  TRY(check_stage_name(in.str_or("stageName", ""), Kind::kRest));
  if (TRY(store.stage(api, in.str_or("stageName", "")))) return conflict("Stage already exists");
  TRY(need_deployment(store, api, in.str_or("deploymentId", "")));
  if (const Value* canary = in.object_at("canarySettings")) {
    if (std::optional<std::string_view> id = canary->str("deploymentId")) TRY(need_deployment(store, api, std::string(*id)));
  }
  TRY(refuse(in, {"cacheClusterEnabled", "cacheClusterSize", "tracingEnabled", "documentationVersion", "canarySettings"}));
  TRY(check_stage_variables(in.find("variables")));
  return check_tags(in.find("tags"));
}

}  // namespace

Outcome CreateStage(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    TRY(check_create(store, api.id, in));
    TRY(check_stage_count(store, api));
    Stage s{in.str_or("stageName", ""), in.str_or("deploymentId", ""), false, c.now_ms, c.now_ms, Value::object()};
    copy_members(s.doc, in, {"description"});
    for (std::string_view map : {"variables", "tags"}) {
      if (asks_for_something(in.find(map))) copy_members(s.doc, in, {map});
    }
    TRY(store.put_stage(api.id, s));
    publish(core, store, api);
    return render(s);
  });
}

Outcome GetStage(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    return render(TRY(need_stage(store, api.id, in)));
  });
}

Outcome GetStages(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    Value::List items;
    for (const Stage& s : TRY(store.stages(api.id))) {
      if (!in.has("deploymentId") || in.str("deploymentId") == s.deployment_id) items.push_back(render(s));
    }
    return Value::object().set("item", std::move(items));
  });
}

Outcome UpdateStage(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    Stage s = TRY(need_stage(store, api.id, in));
    for (const PatchOp& p : patches) TRY(apply(store, api.id, s, p));
    s.updated_ms = c.now_ms;
    TRY(store.put_stage(api.id, s));
    publish(core, store, api);
    return render(s);
  });
}

Outcome DeleteStage(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
        TRY(need_stage(store, api.id, in));
        TRY(store.delete_stage(api.id, in.str_or("stageName", "")));
        publish(core, store, api);
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace rest

}  // namespace savia::apigateway
