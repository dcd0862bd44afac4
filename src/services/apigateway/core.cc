#include "services/apigateway/core.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"

namespace savia::apigateway {

namespace {

template <class Run>
Outcome in_transaction(Run run, const std::function<Outcome(Store&)>& body) {
  Value answer;
  std::optional<Fault> fault;
  Result<void> done = run([&](state::Tx& tx) -> Result<void> {
    fault.reset();
    Store store(tx);
    Outcome outcome = body(store);
    if (!outcome.ok()) {
      fault = std::move(outcome).error();
      return Error::conflict("refused");  // rolls back; the caller sees the fault
    }
    answer = std::move(outcome).value();
    return {};
  });
  if (fault) return *std::move(fault);
  if (!done.ok()) return Fault(done.error());
  return answer;
}

constexpr int64_t kMaxPage = 500;  // AWS: both control planes

std::optional<int64_t> parse_token(std::string_view token) {
  std::optional<std::string> text = from_hex(token);
  return text ? parse_int(*text) : std::nullopt;
}

bool all_of(std::string_view s, std::string_view more) {
  for (char c : s) {
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alnum && more.find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

Outcome read(Core& core, const std::function<Outcome(Store&)>& body) {
  return in_transaction([&](const state::Database::ReadFn& fn) { return core.database.read(fn); }, body);
}
Outcome write(Core& core, const std::function<Outcome(Store&)>& body, state::WriteKind kind) {
  return in_transaction([&](const state::Database::WriteFn& fn) { return core.database.write(fn, kind); }, body);
}

Fault not_found(std::string message) {
  return {"NotFoundException", std::move(message), 404};
}
Fault bad_request(std::string message) {
  return {"BadRequestException", std::move(message), 400};
}
Fault conflict(std::string message) {
  return {"ConflictException", std::move(message), 409};
}
Fault unsupported(std::string_view member) {
  return bad_request("savia does not support " + std::string(member) + " yet (docs/coverage.md)");
}
Fault too_many(std::string_view things, Kind kind) {
  const std::string t(things);
  return {kind == Kind::kRest ? "LimitExceededException" : "TooManyRequestsException",
          "Maximum number of " + t + " for this API has been reached.", 429};
}

bool asks_for_something(const Value* v) {
  if (v == nullptr) return false;
  switch (v->kind()) {
    case Value::Kind::kNull:
      return false;
    case Value::Kind::kBool:
      return v->as_bool();
    case Value::Kind::kString:
      return !v->as_string().empty();
    case Value::Kind::kList:
    case Value::Kind::kObject:
      return v->size() > 0;
    default:
      return true;
  }
}

Checked<void> refuse(const Value& in, std::initializer_list<std::string_view> members) {
  for (std::string_view m : members) {
    if (asks_for_something(in.find(m))) return unsupported(m);
  }
  return {};
}

Checked<Api> need_api(Store& store, const CallContext& c, std::string_view id, Kind kind) {
  std::optional<Api> api = TRY(store.api(id));
  if (!api || api->account != c.account || api->region != c.region || api->kind != kind) {
    return not_found("Invalid API identifier specified " + c.account + ":" + std::string(id));
  }
  return *std::move(api);
}

void copy_members(Value& to, const Value& in, std::initializer_list<std::string_view> members) {
  for (std::string_view m : members) {
    if (in.has(m)) to.set(m, *in.find(m));
  }
}

Checked<void> check_stage_variables(const Value* variables) {
  if (variables == nullptr || !variables->is_object()) return {};
  if (variables->size() > limits::kStageVariables) return bad_request("Stage variables are limited to 100 per stage");
  for (const auto& [name, value] : variables->as_object()) {
    if (name.empty() || name.size() > limits::kStageVariableNameBytes || !all_of(name, "_")) {
      return bad_request("Invalid stage variable name: " + name + ".  Please use alphanumeric characters and underscores.");
    }
    const std::string& text = value.is_string() ? value.as_string() : std::string();
    if (text.empty() || text.size() > limits::kStageVariableValueBytes || !all_of(text, "-._~:/?#&=,")) {
      return bad_request("Invalid stage variable value: " + text +
                         ".  Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', ':', '/', '?', "
                         "'&', '=', and ','.");
    }
  }
  return {};
}

Checked<void> check_stage_name(std::string_view name, Kind kind) {
  if (kind == Kind::kHttp && name == "$default") return {};
  if (name.empty() || name.size() > limits::kStageNameBytes || !all_of(name, "_-")) {
    return bad_request("Stage name only allows a-zA-Z0-9_");
  }
  return {};
}

Checked<void> check_tags(const Value* tags) {
  if (tags == nullptr || !tags->is_object()) return {};
  if (tags->size() > limits::kTags) return bad_request("A resource may have at most 50 tags");
  for (const auto& [key, value] : tags->as_object()) {
    if (key.empty() || key.size() > limits::kTagKeyBytes) return bad_request("Tag keys have 1 to 128 characters");
    if (value.is_string() && value.as_string().size() > limits::kTagValueBytes) {
      return bad_request("Tag values have at most 256 characters");
    }
  }
  return {};
}

std::string page_token(int64_t seq) {
  return to_hex(std::to_string(seq));
}

Checked<Page> page_v1(const Value& in) {
  Page page;
  if (std::optional<std::string_view> position = in.str("position"); position && !position->empty()) {
    std::optional<int64_t> seq = parse_token(*position);
    if (!seq) return bad_request("Invalid position parameter");
    page.after = *seq;
  }
  page.limit = in.num_or("limit", page.limit);
  if (page.limit < 1) return bad_request("Invalid limit parameter, must be between 1 and 500");
  page.limit = std::min(page.limit, kMaxPage);
  return page;
}

Checked<Page> page_v2(const Value& in) {
  Page page;
  if (std::optional<std::string_view> token = in.str("NextToken"); token && !token->empty()) {
    std::optional<int64_t> seq = parse_token(*token);
    if (!seq) return bad_request("Invalid NextToken");
    page.after = *seq;
  }
  if (std::optional<std::string_view> max = in.str("MaxResults"); max && !max->empty()) {
    std::optional<int64_t> limit = parse_int(*max);
    if (!limit || *limit < 1) return bad_request("Invalid MaxResults, must be between 1 and 500");
    page.limit = std::min(*limit, kMaxPage);
  }
  return page;
}

Value paged(std::string_view items_member, std::string_view token_member, Value::List items, const std::vector<int64_t>& seqs,
            int64_t limit) {
  Value out = Value::object();
  const bool more = static_cast<int64_t>(items.size()) > limit;
  if (more) {
    items.resize(static_cast<size_t>(limit));
    out.set(token_member, page_token(seqs[items.size() - 1]));
  }
  out.set(items_member, std::move(items));
  return out;
}

}  // namespace savia::apigateway
