// What the bodies of this module share: the borrowed parts, transactions that can answer a Fault, and AWS's own wordings.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "aws/operation.h"
#include "base/guarded.h"
#include "services/apigateway/apigateway.h"
#include "services/apigateway/store.h"

namespace savia::apigateway {

using aws::CallContext;
using aws::Fault;
using aws::Outcome;
template <class T>
using Checked = Result<T, Fault>;

struct Core {
  state::Database& database;
  ports::RouteSink& sink;
  Options options;
  Random& random;
  Guarded<std::set<std::string>> published;  // ids that the sink holds; touched on the writer thread only
};

// One transaction. A Fault rolls it back: nothing of a refused call is stored. Deletions are kFree: they run on a full disk.
Outcome read(Core& core, const std::function<Outcome(Store&)>& body);
Outcome write(Core& core, const std::function<Outcome(Store&)>& body, state::WriteKind kind = state::WriteKind::kGrow);

Fault not_found(std::string message);
Fault bad_request(std::string message);
Fault conflict(std::string message);
Fault unsupported(std::string_view member);  // "savia does not support <member> yet (docs/coverage.md)"
Fault too_many(std::string_view things, Kind kind);

// Refuses a member of the input by name when it asks for something: present, and neither null, false, "" nor empty.
Checked<void> refuse(const Value& in, std::initializer_list<std::string_view> members);
bool asks_for_something(const Value* v);

// The caller's API of that kind, or AWS's NotFoundException for it.
Checked<Api> need_api(Store& store, const CallContext& c, std::string_view id, Kind kind);

// Copies members of `in` that are present and not null.
void copy_members(Value& to, const Value& in, std::initializer_list<std::string_view> members);

// "NAME" as stage variables allow it, and their values.
Checked<void> check_stage_variables(const Value* variables);
Checked<void> check_stage_name(std::string_view name, Kind kind);
Checked<void> check_tags(const Value* tags);

// A page of a list: rows after `after` (0: from the start), at most `limit`.
struct Page {
  int64_t after = 0;
  int64_t limit = 25;
};
Checked<Page> page_v1(const Value& in);  // position, limit
Checked<Page> page_v2(const Value& in);  // NextToken, MaxResults
std::string page_token(int64_t seq);
// Cuts a list that was read one row too long and sets the token under `token_member` when there is more.
// `items` and `seqs` run in parallel.
Value paged(std::string_view items_member, std::string_view token_member, Value::List items, const std::vector<int64_t>& seqs,
            int64_t limit);

}  // namespace savia::apigateway
