// Stages of HTTP APIs: "$default" at the root of the host, others under /{stage}.
#include "services/apigateway/bodies.h"
#include "services/apigateway/http.h"
#include "services/apigateway/publish.h"
#include "services/apigateway/stages.h"

namespace savia::apigateway::http {

namespace {

Value render(const Stage& s) {
  Value out = s.doc;
  out.set("StageName", s.name);
  if (!s.deployment_id.empty()) out.set("DeploymentId", s.deployment_id);
  if (s.automatic) out.set("AutoDeploy", true);
  Value route_settings = Value::object();
  route_settings.set("DetailedMetricsEnabled", false);
  out.set("DefaultRouteSettings", std::move(route_settings)).set("RouteSettings", Value::object());
  for (std::string_view map : {"StageVariables", "Tags"}) {
    if (!out.has(map)) out.set(map, Value::object());
  }
  out.set("CreatedDate", Timestamp{s.created_ms}).set("LastUpdatedDate", Timestamp{s.updated_ms});
  return out;
}

Checked<Stage> need_stage(Store& store, const Api& api, const Value& in) {
  std::optional<Stage> s = TRY(store.stage(api.id, in.str_or("StageName", "")));
  if (!s) return not_found("Invalid Stage identifier specified");
  return *std::move(s);
}

// Settings that ask for what is so anyway pass.
Checked<void> check_settings(const Value& in) {
  TRY(refuse(in, {"AccessLogSettings", "ClientCertificateId"}));
  if (const Value* d = in.object_at("DefaultRouteSettings")) {
    TRY(refuse(*d, {"DataTraceEnabled", "DetailedMetricsEnabled", "ThrottlingBurstLimit", "ThrottlingRateLimit"}));
    if (d->str_or("LoggingLevel", "OFF") != "OFF") return unsupported("DefaultRouteSettings.LoggingLevel");
  }
  TRY(refuse(in, {"RouteSettings"}));
  TRY(check_stage_variables(in.find("StageVariables")));
  return check_tags(in.find("Tags"));
}

// DeploymentId and AutoDeploy exclude each other.
Checked<void> check_deployment(Store& store, const Api& api, const Value& in, bool automatic) {
  const std::string id = in.str_or("DeploymentId", "");
  if (id.empty()) return {};
  if (automatic) return bad_request("Deployment ID cannot be set on a stage because AutoDeploy is enabled");
  if (!TRY(store.deployment(api.id, id))) return not_found("Invalid Deployment identifier specified");
  return {};
}

// A stage that stops to deploy automatically keeps what it serves now.
Result<void> freeze(Store& store, const Api& api, const Stage& s) {
  std::optional<Deployment> d = TRY(store.deployment(api.id, s.deployment_id));
  if (!d || d->frozen) return {};
  return store.freeze_deployment(api.id, d->id, TRY(take_snapshot(store, api)));
}

}  // namespace

Outcome CreateStage(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Stage s{in.str_or("StageName", ""),
            in.str_or("DeploymentId", ""),
            in.bool_or("AutoDeploy", false),
            c.now_ms,
            c.now_ms,
            Value::object()};
    TRY(check_stage_name(s.name, Kind::kHttp));
    TRY(check_settings(in));
    if (TRY(store.stage(api.id, s.name))) return conflict("Stage already exists");
    TRY(check_deployment(store, api, in, s.automatic));
    TRY(check_stage_count(store, api));
    copy_members(s.doc, in, {"Description"});
    for (std::string_view map : {"StageVariables", "Tags"}) {
      if (asks_for_something(in.find(map))) copy_members(s.doc, in, {map});
    }
    TRY(store.put_stage(api.id, s));
    TRY(s.automatic ? deploy_changes(core, store, c, api) : (publish(core, store, api), Result<void>()));
    return render(TRY(need_stage(store, api, in)));
  });
}

Outcome GetStage(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    return render(TRY(need_stage(store, api, in)));
  });
}

Outcome GetStages(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v2(in));
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Value::List items;
    std::vector<int64_t> seqs;  // stages are few and sorted by name: a page is cut by place
    int64_t place = 0;
    for (const Stage& s : TRY(store.stages(api.id))) {
      if (++place <= page.after || place > page.after + page.limit + 1) continue;
      items.push_back(render(s));
      seqs.push_back(place);
    }
    return paged("Items", "NextToken", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateStage(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Stage s = TRY(need_stage(store, api, in));
    TRY(check_settings(in));
    const bool was_automatic = s.automatic;
    s.automatic = in.bool_or("AutoDeploy", s.automatic);
    TRY(check_deployment(store, api, in, s.automatic));
    if (was_automatic && !s.automatic) TRY(freeze(store, api, s));
    if (!in.str_or("DeploymentId", "").empty()) s.deployment_id = in.str_or("DeploymentId", "");
    copy_members(s.doc, in, {"Description"});
    if (const Value* variables = in.object_at("StageVariables")) s.doc.set("StageVariables", *variables);
    s.updated_ms = c.now_ms;
    TRY(store.put_stage(api.id, s));
    TRY(s.automatic && !was_automatic ? deploy_changes(core, store, c, api) : (publish(core, store, api), Result<void>()));
    return render(TRY(need_stage(store, api, in)));
  });
}

Outcome DeleteStage(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
        TRY(need_stage(store, api, in));
        TRY(store.delete_stage(api.id, in.str_or("StageName", "")));
        TRY(store.delete_idle_live_deployments(api.id));
        publish(core, store, api);
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::http
