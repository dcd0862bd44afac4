#include "aws/model.h"

#include <algorithm>

#include "base/strings.h"

namespace savia::aws {
namespace {

std::string_view text(const tables::Tables* t, tables::Str s) {
  return {t->pool + s.at, s.size};
}

constexpr size_t kPathSegments = 64;  // of a path that is matched; longer ones are only reached through a greedy label

// A path cut at '/', without its first and without a trailing one. Segments past kPathSegments stay in the last.
struct Segments {
  std::string_view part[kPathSegments];
  size_t count = 0;

  explicit Segments(std::string_view path) {
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    if (!path.empty() && path.back() == '/') path.remove_suffix(1);
    if (path.empty()) return;
    while (count < kPathSegments - 1) {
      size_t slash = path.find('/');
      part[count++] = path.substr(0, slash);
      if (slash == std::string_view::npos) return;
      path.remove_prefix(slash + 1);
    }
    part[count++] = path;
  }
};

enum class SegmentKind { kGreedy, kLabel, kLiteral };  // by how specific they are

SegmentKind segment_kind(std::string_view segment) {
  if (segment.size() < 3 || segment.front() != '{' || segment.back() != '}') return SegmentKind::kLiteral;
  return segment[segment.size() - 2] == '+' ? SegmentKind::kGreedy : SegmentKind::kLabel;
}

std::string_view label_name(std::string_view segment) {
  return segment.substr(1, segment.size() - (segment_kind(segment) == SegmentKind::kGreedy ? 3 : 2));
}

bool same_literal(std::string_view literal, std::string_view segment) {
  return literal == segment || (segment.find('%') != std::string_view::npos && literal == percent_decode(segment));
}

// Whether the path fits; a greedy label takes as many segments as the template's others leave, one at least.
// With `wanted`, the text of that label goes to `found`.
bool fits(const Segments& pattern, const Segments& path, std::string_view wanted = {}, std::string_view* found = nullptr) {
  size_t at = 0;
  for (size_t i = 0; i < pattern.count; ++i) {
    SegmentKind kind = segment_kind(pattern.part[i]);
    size_t take = 1;
    if (kind == SegmentKind::kGreedy) {
      size_t others = pattern.count - i - 1;
      if (path.count < at + others + 1) return false;
      take = path.count - at - others;
    }
    if (at + take > path.count) return false;
    if (kind == SegmentKind::kLiteral) {
      if (!same_literal(pattern.part[i], path.part[at])) return false;
    } else {
      const char* begin = path.part[at].data();
      const char* end = path.part[at + take - 1].data() + path.part[at + take - 1].size();
      if (begin == end) return false;
      if (found != nullptr && label_name(pattern.part[i]) == wanted) {
        *found = std::string_view(begin, static_cast<size_t>(end - begin));
      }
    }
    at += take;
  }
  return at == path.count;
}

// -1, 0, 1: a is less, as, more specific than b.
int compare_paths(const Segments& a, const Segments& b) {
  for (size_t i = 0; i < std::min(a.count, b.count); ++i) {
    int d = static_cast<int>(segment_kind(a.part[i])) - static_cast<int>(segment_kind(b.part[i]));
    if (d != 0) return d < 0 ? -1 : 1;
  }
  return a.count == b.count ? 0 : (a.count < b.count ? -1 : 1);
}

bool query_has(std::string_view query, std::string_view name, std::optional<std::string_view> value) {
  for (std::string_view field : split(query, '&')) {
    size_t eq = field.find('=');
    if (percent_decode(field.substr(0, eq)) != name) continue;
    if (!value) return true;
    std::string_view have = eq == std::string_view::npos ? std::string_view() : field.substr(eq + 1);
    if (percent_decode(have) == *value) return true;
  }
  return false;
}

// How well the query fits: -1 not at all, else most for each fixed part and 1 for each required query member that is there;
// a missing one takes so much away that such an operation is chosen only where nothing else has that route and fixed parts.
int query_score(OperationModel op, std::string_view query) {
  int score = 10'000;
  if (!op.query().empty()) {
    for (std::string_view part : split(op.query(), '&')) {
      size_t eq = part.find('=');
      std::string_view name = part.substr(0, eq);
      std::optional<std::string_view> value;
      if (eq != std::string_view::npos) value = part.substr(eq + 1);
      if (!query_has(query, name, value)) return -1;
      score += 2000;
    }
  }
  for (Member m : op.input().members()) {
    if (m.location() == Location::kQuery && m.required()) score += query_has(query, m.wire(), std::nullopt) ? 1 : -1000;
  }
  return std::max(score, 0);
}

}  // namespace

std::string_view protocol_name(Protocol p) {
  constexpr std::string_view kNames[] = {"json-1.0", "json-1.1", "rest-json", "query", "ec2", "rest-xml", "rpc-v2-cbor"};
  return kNames[static_cast<size_t>(p)];
}

std::string_view Shape::name() const {
  return r_ == nullptr ? std::string_view() : text(t_, r_->name);
}

Rows<Member, tables::MemberRow> Shape::members() const {
  if (r_ == nullptr || r_->kind != ShapeKind::kStructure) return {t_, nullptr, 0};
  return {t_, t_->members + r_->first, r_->count};
}

Member Shape::member(std::string_view name) const {
  for (Member m : members()) {
    if (m.name() == name) return m;
  }
  return {};
}

Member Shape::element() const {
  return is(ShapeKind::kList) ? Member(t_, t_->members + r_->first) : Member();
}
Member Shape::key() const {
  return is(ShapeKind::kMap) ? Member(t_, t_->members + r_->first) : Member();
}
Member Shape::value() const {
  return is(ShapeKind::kMap) ? Member(t_, t_->members + r_->first + 1) : Member();
}

Member Shape::payload() const {
  if (r_ == nullptr || r_->payload == tables::kNone) return {};
  return Member(t_, t_->members + r_->payload);
}

std::optional<double> Shape::min() const {
  return flag(tables::kHasMin) ? std::optional(r_->min) : std::nullopt;
}
std::optional<double> Shape::max() const {
  return flag(tables::kHasMax) ? std::optional(r_->max) : std::nullopt;
}
std::string_view Shape::pattern() const {
  return r_ == nullptr ? std::string_view() : text(t_, r_->pattern);
}
std::string_view Shape::enum_value(uint32_t i) const {
  return text(t_, t_->texts[r_->enum_first + i]);
}
std::string_view Shape::xml_name() const {
  return text(t_, r_->xml_name);
}
std::string_view Shape::xml_uri() const {
  return text(t_, r_->xml_uri);
}
std::string_view Shape::xml_prefix() const {
  return text(t_, r_->xml_prefix);
}
std::string_view Shape::error_code() const {
  return r_->error_code.size != 0 ? text(t_, r_->error_code) : name();
}

int Shape::error_status() const {
  if (r_->error_status != 0) return r_->error_status;
  return flag(tables::kServerFault) ? 500 : 400;
}

std::string_view Member::name() const {
  return text(t_, r_->name);
}
std::string_view Member::wire() const {
  return r_->wire.size != 0 ? text(t_, r_->wire) : name();
}
std::string_view Member::query_name() const {
  return text(t_, r_->query_name);
}
std::string_view Member::xml_uri() const {
  return text(t_, r_->xml_uri);
}
std::string_view Member::xml_prefix() const {
  return text(t_, r_->xml_prefix);
}
Shape Member::shape() const {
  return r_ == nullptr ? Shape() : Shape(t_, t_->shapes + r_->shape);
}
bool Member::flattened() const {
  return flag(tables::kMemberFlattened) || shape().flag(tables::kFlattened);
}
bool Member::sensitive() const {
  return flag(tables::kMemberSensitive) || shape().sensitive();
}

TimestampFormat Member::timestamp() const {
  return r_->timestamp != TimestampFormat::kDefault ? r_->timestamp : shape().timestamp();
}

ServiceModel OperationModel::service() const {
  return ServiceModel(t_);
}
std::string_view OperationModel::name() const {
  return r_ == nullptr ? std::string_view() : text(t_, r_->name);
}
std::string_view OperationModel::method() const {
  return text(t_, r_->method);
}
std::string_view OperationModel::path() const {
  return text(t_, r_->path);
}
std::string_view OperationModel::query() const {
  return text(t_, r_->query);
}
std::string_view OperationModel::result_wrapper() const {
  return text(t_, r_->result_wrapper);
}
std::string_view OperationModel::input_xml_name() const {
  return text(t_, r_->xml_name);
}
std::string_view OperationModel::input_xml_uri() const {
  return text(t_, r_->xml_uri);
}
std::string_view OperationModel::host_prefix() const {
  return text(t_, r_->host_prefix);
}
std::string_view OperationModel::input_token() const {
  return text(t_, r_->input_token);
}
std::string_view OperationModel::output_token() const {
  return text(t_, r_->output_token);
}
std::string_view OperationModel::limit_key() const {
  return text(t_, r_->limit_key);
}
std::string_view OperationModel::result_key() const {
  return text(t_, r_->result_key);
}

Shape OperationModel::input() const {
  return r_ == nullptr || r_->input == tables::kNone ? Shape() : Shape(t_, t_->shapes + r_->input);
}

Shape OperationModel::output() const {
  return r_ == nullptr || r_->output == tables::kNone ? Shape() : Shape(t_, t_->shapes + r_->output);
}

Shape OperationModel::error(uint32_t i) const {
  return Shape(t_, t_->shapes + t_->errors[r_->error_first + i]);
}

Shape OperationModel::error(std::string_view code_or_name) const {
  for (uint32_t i = 0; r_ != nullptr && i < r_->error_count; ++i) {
    Shape s = error(i);
    if (s.error_code() == code_or_name || s.name() == code_or_name) return s;
  }
  return {};
}

std::string_view ServiceModel::name() const {
  return t_ == nullptr ? std::string_view() : text(t_, t_->service);
}
std::string_view ServiceModel::service_id() const {
  return text(t_, t_->service_id);
}
std::string_view ServiceModel::full_name() const {
  return text(t_, t_->full_name);
}
std::string_view ServiceModel::api_version() const {
  return text(t_, t_->api_version);
}
std::string_view ServiceModel::target_prefix() const {
  return text(t_, t_->target_prefix);
}
std::string_view ServiceModel::endpoint_prefix() const {
  return text(t_, t_->endpoint_prefix);
}
std::string_view ServiceModel::signing_name() const {
  return text(t_, t_->signing_name);
}
std::string_view ServiceModel::xml_uri() const {
  return text(t_, t_->xml_uri);
}

Rows<OperationModel, tables::OperationRow> ServiceModel::operations() const {
  return {t_, t_->operations, t_->operation_count};
}

OperationModel ServiceModel::operation(std::string_view name) const {
  const tables::OperationRow* end = t_->operations + t_->operation_count;
  const tables::OperationRow* found = std::lower_bound(
      t_->operations, end, name, [this](const tables::OperationRow& r, std::string_view n) { return text(t_, r.name) < n; });
  if (found == end || text(t_, found->name) != name) return {};
  return OperationModel(t_, found);
}

OperationModel ServiceModel::by_target(std::string_view target) const {
  size_t dot = target.rfind('.');
  if (dot == std::string_view::npos || target_prefix().empty() || target.substr(0, dot) != target_prefix()) return {};
  return operation(target.substr(dot + 1));
}

OperationModel ServiceModel::by_route(std::string_view method, std::string_view path, std::string_view query) const {
  Segments segments(path);
  OperationModel best;
  int best_score = -1;
  for (OperationModel op : operations()) {
    if (op.method() != method) continue;
    Segments pattern(op.path());
    if (!fits(pattern, segments)) continue;
    int score = query_score(op, query);
    if (score < 0) continue;
    int order = best ? compare_paths(pattern, Segments(best.path())) : 1;
    if (order > 0 || (order == 0 && score > best_score)) {
      best = op;
      best_score = score;
    }
  }
  return best;
}

bool ServiceModel::has_path(std::string_view path) const {
  Segments segments(path);
  for (OperationModel op : operations()) {
    if (fits(Segments(op.path()), segments)) return true;
  }
  return false;
}

Shape ServiceModel::shape(std::string_view name) const {
  for (uint32_t i = 0; i < t_->shape_count; ++i) {
    if (text(t_, t_->shapes[i].name) == name) return Shape(t_, t_->shapes + i);
  }
  return {};
}

std::optional<std::string_view> path_label(std::string_view path_template, std::string_view path, std::string_view label) {
  std::string_view found;
  if (!fits(Segments(path_template), Segments(path), label, &found) || found.empty()) return std::nullopt;
  return found;
}

}  // namespace savia::aws
