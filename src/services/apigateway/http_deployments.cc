// Deployments of HTTP APIs. One that was made by hand holds a snapshot. One that AutoDeploy made stands for the API's rows as
// they are (a snapshot of 300 routes at each of 300 changes would cost 90,000 of them); when its stage stops to deploy
// automatically it is frozen into a snapshot.
#include "services/apigateway/bodies.h"
#include "services/apigateway/http.h"
#include "services/apigateway/ids.h"
#include "services/apigateway/publish.h"

namespace savia::apigateway::http {

namespace {

Value render(const Deployment& d) {
  Value out = d.doc;
  out.set("DeploymentId", d.id).set("CreatedDate", Timestamp{d.created_ms});
  out.set("AutoDeployed", d.automatic).set("DeploymentStatus", "DEPLOYED");
  return out;
}

Checked<Deployment> need_deployment(Store& store, const Api& api, const Value& in) {
  std::optional<Deployment> d = TRY(store.deployment(api.id, in.str_or("DeploymentId", "")));
  if (!d) return not_found("Invalid Deployment identifier specified");
  return *std::move(d);
}

}  // namespace

Result<void> deploy_changes(Core& core, Store& store, const CallContext& c, const Api& api) {
  std::string id;
  for (Stage& s : TRY(store.stages(api.id))) {
    if (!s.automatic) continue;
    if (id.empty()) {
      id = TRY(new_deployment_id(core, store, api.id));
      Deployment d{0, id, c.now_ms, true, false, Value::object()};
      d.doc.set("Description", "Automatic deployment triggered by changes to the Api configuration");
      TRY(store.add_deployment(api.id, d, nullptr));
    }
    s.deployment_id = id;
    s.updated_ms = c.now_ms;
    s.doc.set("LastDeploymentStatusMessage", "Successfully deployed stage with deployment ID '" + id + "'");
    TRY(store.put_stage(api.id, s));
  }
  if (!id.empty()) TRY(store.delete_idle_live_deployments(api.id));
  publish(core, store, api);
  return {};
}

Outcome CreateDeployment(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    if (TRY(store.count_routes(api.id)) == 0) return bad_request("Unable to deploy API because no routes exist in this API");
    Deployment d{0, TRY(new_deployment_id(core, store, api.id)), c.now_ms, false, true, Value::object()};
    copy_members(d.doc, in, {"Description"});
    const std::string snapshot = TRY(take_snapshot(store, api));
    TRY(store.add_deployment(api.id, d, &snapshot));
    const std::string stage_name = in.str_or("StageName", "");
    if (!stage_name.empty()) {
      std::optional<Stage> s = TRY(store.stage(api.id, stage_name));
      if (!s) return not_found("Invalid Stage identifier specified");
      if (s->automatic)
        return bad_request("Deployment ID cannot be set on stage " + stage_name + " because AutoDeploy is enabled");
      s->deployment_id = d.id;
      s->updated_ms = c.now_ms;
      TRY(store.put_stage(api.id, *s));
    }
    publish(core, store, api);
    return render(d);
  });
}

Outcome GetDeployment(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    return render(TRY(need_deployment(store, api, in)));
  });
}

Outcome GetDeployments(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v2(in));
  return read(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Deployment& d : TRY(store.deployments(api.id, page.after, page.limit + 1))) {
      items.push_back(render(d));
      seqs.push_back(d.seq);
    }
    return paged("Items", "NextToken", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateDeployment(Core& core, const CallContext& c, const Value& in) {
  return write(core, [&](Store& store) -> Outcome {
    const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
    Deployment d = TRY(need_deployment(store, api, in));
    copy_members(d.doc, in, {"Description"});
    TRY(store.set_deployment_doc(api.id, d.id, d.doc));
    return render(d);
  });
}

Outcome DeleteDeployment(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("ApiId", ""), Kind::kHttp));
        const Deployment d = TRY(need_deployment(store, api, in));
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

}  // namespace savia::apigateway::http
