// REST APIs themselves.
#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "services/apigateway/bodies.h"
#include "services/apigateway/ids.h"
#include "services/apigateway/patch.h"
#include "services/apigateway/publish.h"

namespace savia::apigateway::rest {

namespace {

// AWS leaves `tags` out where there are none, except in the answer of an update.
enum class EmptyTags { kLeaveOut, kShow };

Value render(const Api& api, EmptyTags empty_tags) {
  Value out = api.doc;
  out.set("id", api.id);
  out.set("createdDate", Timestamp{api.created_ms});
  const Value* tags = out.find("tags");
  if (tags == nullptr || tags->size() == 0) {
    if (empty_tags == EmptyTags::kShow) {
      out.set("tags", Value::object());
    } else {
      out.erase("tags");
    }
  }
  return out;
}

Checked<void> check_compression(int64_t bytes) {
  if (bytes < 0 || bytes > limits::kCompressionBytes) {
    return bad_request("Invalid minimum compression size, must be between 0 and 10485760");
  }
  return unsupported("minimumCompressionSize");
}

Checked<void> check_ip_address_type(const Value& endpoint) {
  const Value::List* types = endpoint.list_at("types");
  const bool is_private = types != nullptr && !types->empty() && types->front() == Value("PRIVATE");
  if (is_private && endpoint.str("ipAddressType") == "ipv4") {
    return bad_request("Only dualstack ipAddressType is supported for Private APIs.");
  }
  return {};
}

// {types: [one], ipAddressType}: EDGE and ipv4 unless the caller says otherwise; private APIs are dualstack.
Checked<Value> endpoint_of(const Value* asked) {
  Value out = Value::object();
  std::string type = "EDGE";
  if (asked != nullptr) {
    TRY(refuse(*asked, {"vpcEndpointIds"}));
    if (const Value::List* types = asked->list_at("types")) {
      if (types->empty()) return bad_request("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.");
      if (types->size() > 1) return bad_request("Cannot create an api with multiple Endpoint Types.");
      type = types->front().as_string();
    }
  }
  out.set("types", Value::List{type});
  const std::string usual = type == "PRIVATE" ? "dualstack" : "ipv4";
  out.set("ipAddressType", asked == nullptr ? usual : asked->str_or("ipAddressType", usual));
  TRY(check_ip_address_type(out));
  return out;
}

Checked<void> check_create(const Value& in) {
  if (in.str_or("name", "").empty()) return bad_request("Name cannot be empty");
  if (in.str("description") == "") return bad_request("Description cannot be an empty string");
  TRY(refuse(in, {"cloneFrom", "policy", "securityPolicy", "endpointAccessMode"}));
  if (std::optional<int64_t> bytes = in.num("minimumCompressionSize")) TRY(check_compression(*bytes));
  return check_tags(in.find("tags"));
}

void patch_binary_media_type(Value& doc, const PatchOp& p, const std::string& type) {
  Value::List types;
  if (const Value::List* now = doc.list_at("binaryMediaTypes")) types = *now;
  const std::string added = p.op == "replace" ? p.value : type;
  if (p.op != "add") std::erase(types, Value(type));
  if (p.op != "remove" && std::find(types.begin(), types.end(), Value(added)) == types.end()) types.push_back(added);
  if (types.empty()) {
    doc.erase("binaryMediaTypes");
  } else {
    doc.set("binaryMediaTypes", std::move(types));
  }
}

Checked<void> patch_endpoint(Value& doc, const PatchOp& p) {
  Value& endpoint = *doc.find("endpointConfiguration");
  if (p.path.starts_with("/endpointConfiguration/types/") || p.path == "/endpointConfiguration/types") {
    if (p.value != "EDGE" && p.value != "REGIONAL" && p.value != "PRIVATE") {
      return bad_request("Invalid endpoint type specified. Must be one of: [PRIVATE, EDGE, REGIONAL]");
    }
    endpoint.set("types", Value::List{p.value});
    if (p.value == "PRIVATE") endpoint.set("ipAddressType", "dualstack");
    return {};
  }
  if (p.path == "/endpointConfiguration/ipAddressType") {
    if (p.value != "ipv4" && p.value != "dualstack") {
      return bad_request("Invalid ipAddressType specified. Must be one of: [ipv4, dualstack]");
    }
    endpoint.set("ipAddressType", p.value);
    return check_ip_address_type(endpoint);
  }
  if (p.path.starts_with("/endpointConfiguration/vpcEndpointIds")) return unsupported("vpcEndpointIds");
  return invalid_patch_path(p);
}

Checked<void> patch_text(Value& doc, const PatchOp& p, std::string_view member) {
  if (p.op == "remove" || p.value.empty()) {
    doc.erase(member);
  } else {
    doc.set(member, p.value);
  }
  return {};
}

Checked<void> apply(Value& doc, const PatchOp& p) {
  if (p.op != "add" && p.op != "replace" && p.op != "remove") return invalid_patch_op("add, remove, replace");
  if (std::optional<std::string> type = entry_of(p.path, "/binaryMediaTypes/")) {
    patch_binary_media_type(doc, p, *type);
    return {};
  }
  if (p.path == "/description" || p.path == "/version") return patch_text(doc, p, std::string_view(p.path).substr(1));
  if (p.path == "/policy") return p.value.empty() ? Checked<void>() : Checked<void>(unsupported("policy"));
  if (p.path == "/minimumCompressionSize") {
    if (p.op == "remove" || p.value.empty()) return {};  // it is never set
    return check_compression(parse_int(p.value).value_or(-1));
  }
  const bool known = p.path == "/name" || p.path == "/apiKeySource" || p.path == "/disableExecuteApiEndpoint" ||
                     p.path.starts_with("/endpointConfiguration/");
  if (!known) return invalid_patch_path(p);
  if (p.op == "remove") return invalid_patch_op("replace");
  if (p.path == "/name") {
    if (p.value.empty()) return bad_request("Name cannot be empty");
    doc.set("name", p.value);
  } else if (p.path == "/apiKeySource") {
    if (p.value != "HEADER" && p.value != "AUTHORIZER") {
      return bad_request("Invalid API key source specified. Must be one of: [HEADER, AUTHORIZER]");
    }
    doc.set("apiKeySource", p.value);
  } else if (p.path == "/disableExecuteApiEndpoint") {
    doc.set("disableExecuteApiEndpoint", iequals(p.value, "true"));
  } else {
    return patch_endpoint(doc, p);
  }
  return {};
}

}  // namespace

Outcome CreateRestApi(Core& core, const CallContext& c, const Value& in) {
  TRY(check_create(in));
  Api api;
  api.account = c.account;
  api.region = c.region;
  api.kind = Kind::kRest;
  api.created_ms = c.now_ms;
  api.doc = Value::object();
  copy_members(api.doc, in, {"name", "description", "version", "tags"});
  if (asks_for_something(in.find("binaryMediaTypes"))) copy_members(api.doc, in, {"binaryMediaTypes"});
  api.doc.set("apiKeySource", in.str_or("apiKeySource", "HEADER"));
  api.doc.set("endpointConfiguration", TRY(endpoint_of(in.object_at("endpointConfiguration"))));
  api.doc.set("disableExecuteApiEndpoint", in.bool_or("disableExecuteApiEndpoint", false));
  return write(core, [&](Store& store) -> Outcome {
    api.id = TRY(new_api_id(core, store));
    Resource root;
    root.id = new_alnum(core.random, kRootResourceIdLength);
    root.path = "/";
    api.doc.set("rootResourceId", root.id);
    TRY(store.add_api(api));
    TRY(store.add_resource(api.id, root));
    publish(core, store, api);
    return render(api, EmptyTags::kLeaveOut);
  });
}

Outcome GetRestApi(Core& core, const CallContext& c, const Value& in) {
  return read(core, [&](Store& store) -> Outcome {
    return render(TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest)), EmptyTags::kLeaveOut);
  });
}

Outcome GetRestApis(Core& core, const CallContext& c, const Value& in) {
  const Page page = TRY(page_v1(in));
  return read(core, [&](Store& store) -> Outcome {
    Value::List items;
    std::vector<int64_t> seqs;
    for (const Api& api : TRY(store.apis(c.account, c.region, Kind::kRest, page.after, page.limit + 1))) {
      items.push_back(render(api, EmptyTags::kLeaveOut));
      seqs.push_back(api.seq);
    }
    return paged("items", "position", std::move(items), seqs, page.limit);
  });
}

Outcome UpdateRestApi(Core& core, const CallContext& c, const Value& in) {
  const std::vector<PatchOp> patches = TRY(patch_operations(in));
  return write(core, [&](Store& store) -> Outcome {
    Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
    for (const PatchOp& p : patches) TRY(apply(api.doc, p));
    TRY(store.set_api_doc(api.id, api.doc));
    publish(core, store, api);
    return render(api, EmptyTags::kShow);
  });
}

Outcome DeleteRestApi(Core& core, const CallContext& c, const Value& in) {
  return write(
      core,
      [&](Store& store) -> Outcome {
        const Api api = TRY(need_api(store, c, in.str_or("restApiId", ""), Kind::kRest));
        TRY(store.delete_api(api.id));
        withdraw(core, store, api.id);
        return Value::object();
      },
      state::WriteKind::kFree);
}

}  // namespace savia::apigateway::rest
