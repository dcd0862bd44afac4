// A service model: which operations an AWS service has, where each part of a request or answer travels, and what its
// members must satisfy. Facts of AWS's public models (models/<service>.json), compiled into tables by tools/gen_tables.py.
//
//   const ServiceModel& lambda = lambda_model();
//   OperationModel op = lambda.operation("CreateFunction");      // false when there is none
//   for (Member m : op.input().members()) …
//
// The tables are rows of offsets into one text pool, so that they need neither relocations nor code at start and stay in
// shared read-only pages until used. What code handles are views: two pointers, passed by value, valid as long as the
// ServiceModel (for ever for compiled ones). A view may be empty (`if (shape)`); an empty view has no members.
//
// An operation that is not listed (models/listed/) is known by name and route only: it has no shapes, and `listed()` is false.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/model_tables.h"
#include "base/result.h"

namespace savia {
class Value;
}

namespace savia::aws {

std::string_view protocol_name(Protocol p);  // "json-1.0", "rest-json", …

class Shape;
class Member;
class OperationModel;
class ServiceModel;

// Iterates views: for (Member m : shape.members()).
template <class View, class Row>
class Rows {
 public:
  class Iterator {
   public:
    Iterator(const tables::Tables* t, const Row* r) : t_(t), r_(r) {}
    View operator*() const { return View(t_, r_); }
    Iterator& operator++() {
      ++r_;
      return *this;
    }
    bool operator!=(const Iterator& o) const { return r_ != o.r_; }

   private:
    const tables::Tables* t_;
    const Row* r_;
  };
  Rows(const tables::Tables* t, const Row* first, uint32_t count) : t_(t), first_(first), count_(count) {}
  Iterator begin() const { return {t_, first_}; }
  Iterator end() const { return {t_, first_ + count_}; }
  uint32_t size() const { return count_; }
  View operator[](uint32_t i) const { return View(t_, first_ + i); }

 private:
  const tables::Tables* t_;
  const Row* first_;
  uint32_t count_;
};

class Shape {
 public:
  Shape() = default;
  Shape(const tables::Tables* t, const tables::ShapeRow* r) : t_(t), r_(r) {}
  explicit operator bool() const { return r_ != nullptr; }
  bool operator==(const Shape& o) const { return r_ == o.r_; }

  std::string_view name() const;
  ShapeKind kind() const { return r_->kind; }
  bool is(ShapeKind k) const { return r_ != nullptr && r_->kind == k; }
  bool flag(tables::ShapeFlag f) const { return r_ != nullptr && (r_->flags & f) != 0; }
  bool sensitive() const { return flag(tables::kSensitive); }
  bool streaming() const { return flag(tables::kStreaming); }
  bool document() const { return flag(tables::kDocument); }  // free-form JSON
  Rows<Member, tables::MemberRow> members() const;
  Member member(std::string_view name) const;  // by name; empty when there is none
  Member element() const;                      // of a list
  Member key() const;                          // of a map
  Member value() const;
  Member payload() const;  // the member that is the HTTP body, empty when none
  std::optional<double> min() const;
  std::optional<double> max() const;
  std::string_view pattern() const;  // "" when none; Java syntax, whole value
  uint32_t enum_size() const { return r_ == nullptr ? 0 : r_->enum_count; }
  std::string_view enum_value(uint32_t i) const;
  TimestampFormat timestamp() const { return r_->timestamp; }
  std::string_view xml_name() const;
  std::string_view xml_uri() const;
  std::string_view xml_prefix() const;
  // Error shapes: the code on the wire (the shape's name unless the model has another) and the HTTP status.
  std::string_view error_code() const;
  int error_status() const;

 private:
  friend class Member;
  const tables::Tables* t_ = nullptr;
  const tables::ShapeRow* r_ = nullptr;
};

class Member {
 public:
  Member() = default;
  Member(const tables::Tables* t, const tables::MemberRow* r) : t_(t), r_(r) {}
  explicit operator bool() const { return r_ != nullptr; }
  bool operator==(const Member& o) const { return r_ == o.r_; }

  std::string_view name() const;  // as handlers see it
  std::string_view wire() const;  // locationName, or the name
  bool has_wire() const { return r_->wire.size != 0; }
  std::string_view query_name() const;  // ec2's queryName, "" when none
  std::string_view xml_uri() const;
  std::string_view xml_prefix() const;
  Shape shape() const;
  Location location() const { return r_->location; }
  bool flag(tables::MemberFlag f) const { return (r_->flags & f) != 0; }
  bool required() const { return flag(tables::kRequired); }
  bool flattened() const;  // by the member or its shape
  bool sensitive() const;
  TimestampFormat timestamp() const;  // the member's, else its shape's

 private:
  const tables::Tables* t_ = nullptr;
  const tables::MemberRow* r_ = nullptr;
};

class OperationModel {
 public:
  OperationModel() = default;
  OperationModel(const tables::Tables* t, const tables::OperationRow* r) : t_(t), r_(r) {}
  explicit operator bool() const { return r_ != nullptr; }
  bool operator==(const OperationModel& o) const { return r_ == o.r_; }

  ServiceModel service() const;
  std::string_view name() const;
  std::string_view method() const;
  std::string_view path() const;   // template without query: "/restapis/{restapi_id}"
  std::string_view query() const;  // fixed part of the template: "list-type=2"
  int status() const { return r_->status; }
  bool listed() const { return flag(tables::kListed); }
  bool flag(tables::OperationFlag f) const { return (r_->flags & f) != 0; }
  Shape input() const;  // empty: takes nothing, or not listed
  Shape output() const;
  uint32_t error_size() const { return r_->error_count; }
  Shape error(uint32_t i) const;
  Shape error(std::string_view code_or_name) const;  // empty when the operation does not model it
  std::string_view result_wrapper() const;
  std::string_view input_xml_name() const;  // root element of a rest-xml request
  std::string_view input_xml_uri() const;
  std::string_view host_prefix() const;
  std::string_view input_token() const;  // paging; "" when the operation does not page
  std::string_view output_token() const;
  std::string_view limit_key() const;
  std::string_view result_key() const;

 private:
  const tables::Tables* t_ = nullptr;
  const tables::OperationRow* r_ = nullptr;
};

class ServiceModel {
 public:
  ServiceModel() = default;
  constexpr explicit ServiceModel(const tables::Tables* t) : t_(t) {}
  explicit operator bool() const { return t_ != nullptr; }
  bool operator==(const ServiceModel& o) const { return t_ == o.t_; }

  std::string_view name() const;        // models/<name>.json: "lambda", "elbv2"
  std::string_view service_id() const;  // "Lambda"
  std::string_view full_name() const;
  std::string_view api_version() const;      // "2015-03-31"
  std::string_view target_prefix() const;    // "Logs_20140328", "" where there is none
  std::string_view endpoint_prefix() const;  // "monitoring"
  std::string_view signing_name() const;     // in the credential scope
  std::string_view xml_uri() const;
  Protocol protocol() const { return t_->protocol; }  // the model's first
  bool speaks(Protocol p) const { return (t_->protocols >> static_cast<int>(p) & 1) != 0; }
  bool query_compatible() const { return t_->query_compatible; }

  Rows<OperationModel, tables::OperationRow> operations() const;
  OperationModel operation(std::string_view name) const;
  OperationModel by_target(std::string_view x_amz_target) const;  // "Logs_20140328.CreateLogGroup"
  // By method, path (percent-encoded, as sent) and query string of a rest protocol. A trailing '/' and `x-id` are ignored,
  // literal segments win over labels, labels over greedy labels, more fixed query parts over fewer.
  OperationModel by_route(std::string_view method, std::string_view path, std::string_view query) const;
  // Whether some operation has that path, with any method.
  bool has_path(std::string_view path) const;
  Shape shape(std::string_view name) const;  // by name; linear, for tests and tools

 private:
  const tables::Tables* t_ = nullptr;
};

// A label's text in the path, percent-encoded as sent: what `{name}` or `{name+}` stands for. nullopt: the path does not fit.
std::optional<std::string_view> path_label(std::string_view path_template, std::string_view path, std::string_view label);

// Every compiled model, ordered by name (generated). And each on its own: `ServiceModel lambda_model();` in models_index.h.
std::vector<ServiceModel> all_models();
ServiceModel find_model(std::string_view name);  // empty when there is none

// A model read at run time, in the grammar of the published models (what models/*.json hold, too).
class LoadedModel {
 public:
  // `document`: metadata, operations, shapes.
  static Result<LoadedModel> load(const Value& document, std::string_view service_name);
  LoadedModel(LoadedModel&&) noexcept;
  LoadedModel& operator=(LoadedModel&&) noexcept;
  ~LoadedModel();
  ServiceModel model() const;  // valid while this object lives

 private:
  struct Rep;
  explicit LoadedModel(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace savia::aws
