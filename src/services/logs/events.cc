#include <algorithm>
#include <unordered_map>

#include "base/limits.h"
#include "logs_keys.h"
#include "services/logs/filter_pattern.h"
#include "services/logs/service.h"

namespace savia::logs {
namespace {

// Which part of a batch is kept: events are in order of time, so what is refused stands at its ends.
struct Accepted {
  size_t begin = 0;
  size_t end = 0;
  Value rejected;  // rejectedLogEventsInfo, null when nothing is
};

Result<std::vector<NewEvent>, Fault> read_batch(const Value& in) {
  std::vector<NewEvent> out;
  size_t total = 0;
  const Value::List* events = in.list_at(k::logEvents);
  if (events == nullptr) return out;
  for (const Value& e : *events) {
    const NewEvent event{e.num_or(k::timestamp, 0), e.str(k::message).value_or("")};
    const size_t size = event.message.size() + limits::kLogEventOverheadBytes;
    if (size > limits::kLogEventBytes) {
      return invalid_parameter("Log event too large: " + std::to_string(size) + " bytes exceeds limit of " +
                               std::to_string(limits::kLogEventBytes));
    }
    total += size;
    if (!out.empty() && event.timestamp_ms < out.back().timestamp_ms) {
      return invalid_parameter("Log events in a single PutLogEvents request must be in chronological order.");
    }
    out.push_back(event);
  }
  if (total > limits::kLogBatchBytes) {
    return invalid_parameter("Upload too large: " + std::to_string(total) + " bytes exceeds limit of " +
                             std::to_string(limits::kLogBatchBytes));
  }
  if (!out.empty() && out.back().timestamp_ms - out.front().timestamp_ms > limits::kLogBatchSpanMs) {
    return invalid_parameter("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
  }
  return out;
}

Accepted accept(const std::vector<NewEvent>& events, const GroupRow& group, int64_t now_ms) {
  auto first_at_least = [&](int64_t ms) {
    return static_cast<size_t>(
        std::lower_bound(events.begin(), events.end(), ms, [](const NewEvent& e, int64_t t) { return e.timestamp_ms < t; }) -
        events.begin());
  };
  const size_t too_old = first_at_least(now_ms - limits::kLogTooOldMs);
  const size_t expired = first_at_least(retention_start_ms(group, now_ms));
  const size_t too_new = first_at_least(now_ms + limits::kLogTooNewMs + 1);
  Accepted out{std::max(too_old, expired), too_new, {}};
  out.begin = std::min(out.begin, out.end);
  if (too_new < events.size()) out.rejected.set(k::tooNewLogEventStartIndex, too_new);
  if (too_old > 0) out.rejected.set(k::tooOldLogEventEndIndex, too_old);
  if (expired > too_old) out.rejected.set(k::expiredLogEventEndIndex, expired);
  return out;
}

// "f/<56 digits>/s" reads on after the event of that key, "b/…" back before it. Keys one up and down turn a token around.
std::string position_token(char direction, const EventKey& key) {
  return std::string(1, direction) + "/" + key.digits() + "/s";
}
EventKey one_after(EventKey k) {
  ++k.ordinal;
  return k;
}
EventKey one_before(EventKey k) {
  if (k.ordinal > 0) --k.ordinal;
  return k;
}

struct Position {
  Direction direction = Direction::kForward;
  EventKey key;
};
std::optional<Position> read_position(std::string_view token) {
  if (token.size() > 2 && token.substr(token.size() - 2) == "/s") token.remove_suffix(2);
  if (token.size() < 2 || token[1] != '/' || (token[0] != 'f' && token[0] != 'b')) return std::nullopt;
  const auto key = EventKey::parse(token.substr(2));
  if (!key) return std::nullopt;
  return Position{token[0] == 'f' ? Direction::kForward : Direction::kBackward, *key};
}

struct Page {
  Value events = Value::list();
  EventKey first;
  EventKey last;
};

}  // namespace

Outcome Service::put_events(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  const StreamPtr log = TRY(table_.of_group(group.id, in.str_or(k::logStreamName, "")));
  if (log == nullptr) return stream_not_found();
  const std::vector<NewEvent> events = TRY(read_batch(in));
  const Accepted accepted = accept(events, group, c.now_ms);
  if (accepted.begin < accepted.end) {
    Result<void> done = log->append({events.data() + accepted.begin, accepted.end - accepted.begin}, c.now_ms);
    if (!done.ok() && done.error().kind() == ErrorKind::kNotFound) return stream_not_found();  // deleted meanwhile
    TRY(done);
    TRY(log->sync());
  }
  Value out = Value::object();
  out.set(k::nextSequenceToken, EventKey{c.now_ms, log->id(), log->summary().events}.digits());
  if (!accepted.rejected.is_null()) out.set(k::rejectedLogEventsInfo, accepted.rejected);
  // Entities (a monitored thing that events belong to) are not kept, and the answer has a place to say so.
  if (in.has("entity")) out.set("rejectedEntityInfo", Value::object().set("errorType", "UnsupportedLogGroupType"));
  return out;
}

Outcome Service::get_events(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  const StreamPtr log = TRY(table_.of_group(group.id, in.str_or(k::logStreamName, "")));
  if (log == nullptr) return stream_not_found();
  Range range;
  range.from_ms = std::max(in.num_or(k::startTime, 0), retention_start_ms(group, c.now_ms));
  if (const auto end_ms = in.num(k::endTime)) range.to_ms = *end_ms - 1;  // exclusive here, inclusive in FilterLogEvents

  const auto token = in.str(k::nextToken);
  std::optional<Position> position;
  if (token) {
    position = read_position(*token);
    if (!position) return invalid_token();
  }
  const Direction direction =
      position ? position->direction : (in.bool_or(k::startFromHead, false) ? Direction::kForward : Direction::kBackward);
  if (position) (direction == Direction::kForward ? range.after : range.before) = position->key;

  const auto limit = static_cast<size_t>(in.num_or(k::limit, limits::kLogAnswerEvents));
  EventMerge merge({log}, range, direction);
  Page page;
  size_t bytes = 0;
  while (page.events.size() < limit) {
    const auto e = merge.next();
    if (!e) break;
    bytes += e->message.size() + limits::kLogEventOverheadBytes;
    if (bytes > limits::kLogAnswerBytes && page.events.size() > 0) break;
    if (page.events.size() == 0) page.first = e->key;
    page.last = e->key;
    Value event = Value::object();
    event.set(k::timestamp, e->key.timestamp_ms).set(k::message, e->message).set(k::ingestionTime, e->ingestion_ms);
    page.events.push(std::move(event));
  }
  if (page.events.size() == 0) {
    // Nothing there (yet): the token in the direction of reading stays as it was, its opposite leads back over the same place.
    const EventKey here = position ? position->key : EventKey{std::max<int64_t>(range.from_ms - 1, 0), log->id(), 0};
    page.first = direction == Direction::kForward ? one_after(here) : here;
    page.last = direction == Direction::kForward ? here : one_before(here);
  } else if (direction == Direction::kBackward) {
    std::reverse(page.events.as_list().begin(), page.events.as_list().end());
    std::swap(page.first, page.last);
  }
  Value out = Value::object();
  out.set(k::events, std::move(page.events));
  out.set(k::nextForwardToken, position_token('f', page.last)).set(k::nextBackwardToken, position_token('b', page.first));
  return out;
}

Result<std::vector<NamedStream>, Fault> Service::streams_to_filter(const GroupRow& group, const Value& in) {
  const auto* names = in.list_at(k::logStreamNames);
  const auto prefix = in.str(k::logStreamNamePrefix);
  if (names != nullptr && prefix) {
    return invalid_parameter("LogStream names and LogStream name prefix are mutually exclusive parameters.");
  }
  if (names == nullptr) {
    NameQuery query;
    query.prefix = prefix.value_or("");
    return TRY(table_.of_group(group.id, query));
  }
  std::vector<NamedStream> out;
  for (const Value& name : *names) {
    StreamPtr log = TRY(table_.of_group(group.id, name.as_string()));
    if (log == nullptr) return stream_not_found();
    const bool again = std::any_of(out.begin(), out.end(), [&](const NamedStream& s) { return s.log == log; });
    if (!again) out.push_back({name.as_string(), 0, std::move(log)});
  }
  return out;
}

Outcome Service::filter_events(const CallContext& c, const Value& in) {
  const GroupRow group = TRY(group_of(c, in));
  Result<FilterPattern> pattern = FilterPattern::parse(in.str_or(k::filterPattern, ""));
  if (!pattern.ok()) return invalid_parameter(pattern.error().message());
  const Direction direction = in.bool_or("startFromHead", true) ? Direction::kForward : Direction::kBackward;
  Range range;
  range.from_ms = std::max(in.num_or(k::startTime, 0), retention_start_ms(group, c.now_ms));
  range.to_ms = in.num_or(k::endTime, INT64_MAX);
  const std::string kind = std::string("filter") + (direction == Direction::kForward ? "F" : "B") + std::to_string(group.id);
  if (const auto token = in.str(k::nextToken)) {
    const auto text = read_token(kind, *token);
    const auto key = text ? EventKey::parse(*text) : std::nullopt;
    if (!key) return invalid_token();
    (direction == Direction::kForward ? range.after : range.before) = *key;
  }
  std::unordered_map<int64_t, std::string> names;
  std::vector<StreamPtr> logs;
  for (NamedStream& s : TRY(streams_to_filter(group, in))) {
    names[s.log->id()] = std::move(s.name);
    logs.push_back(std::move(s.log));
  }
  const auto limit = static_cast<size_t>(in.num_or(k::limit, limits::kLogAnswerEvents));
  const int64_t until_us = clock_.monotonic_us() + limits::kLogScanMs * 1000;
  EventMerge merge(logs, range, direction);
  Value events = Value::list();
  std::optional<EventKey> examined;
  size_t bytes = 0;
  bool more = false;
  while (const auto e = merge.next()) {
    const bool tired = examined && (merge.bytes_read() > limits::kLogScanBytes || clock_.monotonic_us() > until_us);
    const bool full = events.size() >= limit || (bytes > 0 && bytes + e->message.size() > limits::kLogAnswerBytes);
    if (tired || full) {
      more = true;
      break;
    }
    examined = e->key;
    if (!pattern->matches(e->message)) continue;
    bytes += e->message.size() + limits::kLogEventOverheadBytes;
    Value event = Value::object();
    event.set(k::logStreamName, names[e->key.stream]).set(k::timestamp, e->key.timestamp_ms).set(k::message, e->message);
    event.set(k::ingestionTime, e->ingestion_ms).set(k::eventId, e->key.digits());
    events.push(std::move(event));
  }
  Value out = Value::object();
  out.set(k::events, std::move(events)).set(k::searchedLogStreams, Value::list());
  if (more) out.set(k::nextToken, make_token(kind, examined->digits()));
  return out;
}

}  // namespace savia::logs
