#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "logs_keys.h"
#include "services/logs/service.h"

namespace savia::logs {
namespace {

struct Described {
  NamedStream stream;
  Summary summary;
  int64_t last_ms() const { return summary.events == 0 ? -1 : summary.last_ms; }
};

Value describe(const CallContext& c, std::string_view group, const Described& d) {
  Value out = Value::object();
  out.set(k::logStreamName, d.stream.name).set(k::creationTime, d.stream.created_ms);
  if (d.summary.events > 0) {
    out.set(k::firstEventTimestamp, d.summary.first_ms).set(k::lastEventTimestamp, d.summary.last_ms);
    out.set(k::lastIngestionTime, d.summary.last_ingestion_ms);
    out.set(k::uploadSequenceToken, EventKey{d.summary.last_ingestion_ms, d.stream.log->id(), d.summary.events}.digits());
  }
  out.set(k::arn, group_arn(c, group) + ":log-stream:" + d.stream.name);
  out.set(k::storedBytes, 0);  // AWS answers 0 for every stream since 2019
  return out;
}

// "<last event>:<name>", the place of a stream in the order by last event.
std::string place_of(const Described& d) {
  return std::to_string(d.last_ms()) + ":" + d.stream.name;
}
std::optional<std::pair<int64_t, std::string>> read_place(const std::string& text) {
  const size_t colon = text.find(':');
  const auto last_ms = colon == std::string::npos ? std::nullopt : parse_int(std::string_view(text).substr(0, colon));
  if (!last_ms) return std::nullopt;
  return std::make_pair(*last_ms, text.substr(colon + 1));
}

}  // namespace

Outcome Service::create_stream(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  const Result<Made> made = store_.create_stream(group.id, in.str_or(k::logStreamName, ""), c.now_ms);
  if (!made.ok() && made.error().kind() == ErrorKind::kConflict) return group_not_found();  // it went meanwhile
  if (TRY(made) == Made::kExisted) return Fault("ResourceAlreadyExistsException", "The specified log stream already exists");
  return Value::object();
}

Outcome Service::delete_stream(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  const Changed changed =
      TRY(store_.delete_stream(group.id, in.str_or(k::logStreamName, ""), [this](int64_t id) { table_.deleted({id}); }));
  if (changed == Changed::kNotFound) return stream_not_found();
  wake_keeper(false);
  return Value::object();
}

Outcome Service::describe_streams(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  const bool by_time = in.str_or(k::orderBy, "LogStreamName") == "LastEventTime";
  const bool descending = in.bool_or(k::descending, false);
  const auto limit = static_cast<size_t>(in.num_or(k::limit, limits::kDescribePage));
  NameQuery query;
  query.prefix = in.str_or(k::logStreamNamePrefix, "");
  if (by_time && !query.prefix.empty()) return invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.");

  const std::string kind = std::string("streams") + (by_time ? "T" : "N") + (descending ? "D" : "A") + std::to_string(group.id);
  std::optional<std::string> after;
  if (const auto token = in.str(k::nextToken)) {
    after = read_token(kind, *token);
    if (!after) return invalid_token();
  }
  if (!by_time && !descending) {  // the rows' own order: one page of them is enough
    if (after) query.after = *after;
    query.limit = static_cast<int64_t>(limit) + 1;
  }
  std::vector<Described> all;
  for (NamedStream& s : TRY(table_.of_group(group.id, query))) {
    Described d{std::move(s), {}};
    if (by_time) d.summary = d.stream.log->summary();
    all.push_back(std::move(d));
  }
  auto before = [&](const Described& a, const Described& b) {
    if (by_time && a.last_ms() != b.last_ms()) return descending ? a.last_ms() > b.last_ms() : a.last_ms() < b.last_ms();
    return descending ? a.stream.name > b.stream.name : a.stream.name < b.stream.name;
  };
  std::sort(all.begin(), all.end(), before);
  auto first = all.begin();
  if (after && (by_time || descending)) {
    Described place;
    place.stream.name = *after;
    if (by_time) {
      const auto read = read_place(*after);
      if (!read) return invalid_token();
      place.stream.name = read->second;
      place.summary.events = read->first < 0 ? 0 : 1;
      place.summary.last_ms = read->first;
    }
    first = std::upper_bound(all.begin(), all.end(), place, before);
  }
  Value streams = Value::list();
  auto it = first;
  for (; it != all.end() && streams.size() < limit; ++it) {
    if (!by_time) it->summary = it->stream.log->summary();
    streams.push(describe(c, group.name, *it));
  }
  Value out = Value::object();
  out.set(k::logStreams, std::move(streams));
  if (it != all.end()) out.set(k::nextToken, make_token(kind, by_time ? place_of(*(it - 1)) : (it - 1)->stream.name));
  return out;
}

}  // namespace savia::logs
