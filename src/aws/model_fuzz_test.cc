// Requests made from the models: every listed operation with its least and its fullest input goes over the wire of its
// protocol and must come back as it was; then each constraint is broken once and must be told with its path.
#include <gtest/gtest.h>

#include <functional>

#include "aws/protocol/internal.h"
#include "aws/validate.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/form.h"

namespace savia::aws {
namespace {

using protocol::internal::scalar_out;

// Texts of which one fits nearly every pattern of the models.
constexpr std::string_view kSamples[] = {
    "a",
    "1",
    "abc",
    "ab",
    "abcdefgh-1",
    "a.b",
    "$LATEST",
    "$default",
    "200",
    "x86_64",
    "000000000000",
    "sg-1",
    "subnet-1",
    "arn:aws:iam::000000000000:role/role",
    "arn:aws:lambda:us-east-1:000000000000:function:f",
    "arn:aws:lambda:us-east-1:000000000000:layer:l:1",
    "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-0123456789abcdef0",
    "arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/0123456789",
    "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
    "arn:aws:s3files:us-east-1:000000000000:file-system/fs-0123456789abcdef0/access-point/fsap-0123456789abcdef0",
    "arn:aws:kms:us-east-1:000000000000:key/k",
    "arn:aws:logs:us-east-1:000000000000:log-group:g",
    "arn:aws:lambda:us-east-1::runtime:0123456789012345678901234567890123456789012345678901234567890123",
    "arn:aws:lambda:us-east-1:000000000000:capacity-provider:p",
    "arn:aws:secretsmanager:us-east-1:000000000000:secret:s",
    "000000000000.dkr.ecr.us-east-1.amazonaws.com/r:t",
    "/mnt/x",
    "lambda:InvokeFunction",
    "lambda:GetLayerVersion",
    "2020-01-01",
    "MFA12345678",
    "123456",
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789abcdef0123456789abcdef",
    "us-east-1_abc",
    "s3://b/k",
    "https://a.example",
    "o-0123456789",
    "principal@example.com",
    "alexa.skill",
};

struct Maker {
  Validator validator;
  bool full = false;

  bool fits(Shape s, std::string_view text) const {
    double n = static_cast<double>(text.size());
    if ((s.min() && n < *s.min()) || (s.max() && n > *s.max())) return false;
    if (s.pattern().empty()) return true;
    std::optional<Re2Pattern> p = re2_pattern(s.pattern());
    return p && matches(*p, text);
  }
  static bool matches(const Re2Pattern& p, std::string_view text);

  std::optional<Value> text(Shape s) const {
    if (s.enum_size() != 0) return Value(s.enum_value(0));
    for (std::string_view sample : kSamples) {
      if (fits(s, sample)) return Value(sample);
    }
    std::string longer(static_cast<size_t>(s.min().value_or(1)), 'a');
    if (fits(s, longer)) return Value(longer);
    return std::nullopt;
  }

  std::optional<Value> make(Member m, int depth) const {
    Shape s = m.shape();
    switch (s.kind()) {
      case ShapeKind::kStructure:
        return structure(s, depth);
      case ShapeKind::kList: {
        Value out = Value::list();
        size_t n = std::max<size_t>(static_cast<size_t>(s.min().value_or(0)), 1);
        for (size_t i = 0; i < n; ++i) {
          std::optional<Value> e = s.enum_size() != 0 ? Value(s.enum_value(0)) : make(s.element(), depth + 1);
          if (!e) return std::nullopt;
          out.push(*e);
        }
        return out;
      }
      case ShapeKind::kMap: {
        std::optional<Value> key = text(s.key().shape()), v = make(s.value(), depth + 1);
        if (!key || !v) return std::nullopt;
        Value out = Value::object();
        for (double i = 0; i < std::max(s.min().value_or(1), 1.0); ++i)
          out.set(key->as_string() + std::string(out.size(), 'b'), *v);
        return out;
      }
      case ShapeKind::kString:
        return text(s);
      case ShapeKind::kInteger:
      case ShapeKind::kLong:
        return Value(static_cast<int64_t>(std::max(s.min().value_or(1), std::min(s.max().value_or(1), 1.0))));
      case ShapeKind::kFloat:
      case ShapeKind::kDouble:
        return Value(std::max(s.min().value_or(0.5), std::min(s.max().value_or(0.5), 0.5)));
      case ShapeKind::kBoolean:
        return Value(true);
      case ShapeKind::kBlob:
        return Value(Blob{std::string(static_cast<size_t>(std::max(s.min().value_or(3), 3.0)), 'z')});
      case ShapeKind::kTimestamp:
        return Value(Timestamp{1'398'796'238'000});
    }
    return std::nullopt;
  }

  std::optional<Value> structure(Shape s, int depth) const {
    Value out = Value::object();
    if (s.document()) return out;
    for (Member m : s.members()) {
      bool wanted = m.required() || (full && depth < 4);
      if (m.shape().flag(tables::kEventStream)) continue;
      if (s.flag(tables::kUnion)) wanted = out.size() == 0;
      if (!wanted) continue;
      std::optional<Value> v = make(m, depth + 1);
      if (v) {
        out.set(m.name(), *v);
      } else if (m.required()) {
        return std::nullopt;
      }
    }
    return out;
  }
};

bool Maker::matches(const Re2Pattern& p, std::string_view text) {
  // One pattern on its own, by way of a model that has only it.
  Value shape = Value::object().set("type", "string").set("pattern", p.accepted);
  Value in =
      Value::object().set("type", "structure").set("members", Value::object().set("s", Value::object().set("shape", "S")));
  Value document = Value::object();
  document.set("shapes", Value::object().set("S", shape).set("In", in));
  document.set("operations", Value::object().set("O", Value::object().set("input", Value::object().set("shape", "In"))));
  auto model = LoadedModel::load(document, "one");
  return model.ok() && !validate(model->model().operation("O"), Value::object().set("s", text));
}

// ---- A client, small
// ---------------------------------------------------------------------------------------------------------

void form(FormPairs& out, const std::string& name, Member m, const Value& v) {
  Shape s = m.shape();
  if (s.is(ShapeKind::kStructure)) {
    for (Member e : s.members()) {
      if (const Value* x = v.find(e.name())) form(out, (name.empty() ? "" : name + ".") + std::string(e.wire()), e, *x);
    }
  } else if (s.is(ShapeKind::kList)) {
    for (size_t i = 0; i < v.size(); ++i) form(out, name + ".member." + std::to_string(i + 1), s.element(), v.as_list()[i]);
  } else if (s.is(ShapeKind::kMap)) {
    size_t i = 0;
    for (const auto& [key, e] : v.as_object()) {
      std::string entry = name + ".entry." + std::to_string(++i);
      out.emplace_back(entry + ".key", key);
      form(out, entry + ".value", s.value(), e);
    }
  } else {
    out.emplace_back(name, scalar_out(m, v, TimestampFormat::kIso8601));
  }
}

void rest_member(net::HttpRequest& r, std::string& path, std::string& query, Member m, const Value& v) {
  auto add_query = [&](std::string_view name, std::string_view text) {
    query += (query.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(text);
  };
  if (m.location() == Location::kUri) {
    std::string text = scalar_out(m, v, TimestampFormat::kIso8601);
    path = replace_all(path, "{" + std::string(m.wire()) + "}", percent_encode(text));
    path = replace_all(path, "{" + std::string(m.wire()) + "+}", percent_encode(text, true));
  } else if (m.location() == Location::kQuery && v.is_list()) {
    for (const Value& e : v.as_list()) add_query(m.wire(), scalar_out(m.shape().element(), e, TimestampFormat::kIso8601));
  } else if (m.location() == Location::kQuery && v.is_object()) {
    for (const auto& [name, e] : v.as_object()) add_query(name, e.as_string());
  } else if (m.location() == Location::kQuery) {
    add_query(m.wire(), scalar_out(m, v, TimestampFormat::kIso8601));
  } else if (m.location() == Location::kHeader) {
    r.headers.add(m.wire(), scalar_out(m, v, TimestampFormat::kRfc822));
  }
}

net::HttpRequest request_of(OperationModel op, const Value& in) {
  net::HttpRequest r;
  Protocol p = op.service().protocol();
  r.method = op.method();
  r.target = "/";
  Shape shape = op.input();
  if (p == Protocol::kQuery) {
    FormPairs pairs = {{"Action", std::string(op.name())}, {"Version", std::string(op.service().api_version())}};
    for (Member m : shape.members()) {
      if (const Value* v = in.find(m.name())) form(pairs, std::string(m.wire()), m, *v);
    }
    r.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    r.body = build_form(pairs);
    return r;
  }
  JsonWriter w(r.body);
  if (p == Protocol::kJson11 || p == Protocol::kJson10) {
    r.headers.add("X-Amz-Target", std::string(op.service().target_prefix()) + "." + std::string(op.name()));
    protocol::internal::write_json_structure(w, shape, in);
    return r;
  }
  std::string path(op.path()), query(op.query());
  Value body = Value::object();
  for (Member m : shape.members()) {
    const Value* v = in.find(m.name());
    if (v == nullptr) continue;
    rest_member(r, path, query, m, *v);
    if (m.location() == Location::kBody) body.set(m.name(), *v);
  }
  Member payload = shape.payload();
  const Value* bytes = payload ? in.find(payload.name()) : nullptr;
  if (bytes != nullptr && bytes->is_blob()) {
    r.body = bytes->as_blob();
  } else if (bytes != nullptr) {
    protocol::internal::write_json(w, payload, *bytes);
  } else if (!payload && body.size() != 0) {
    protocol::internal::write_json_structure(w, shape, body);
  }
  r.target = path + (query.empty() ? "" : "?" + query);
  return r;
}

// ---- The tests
// ---------------------------------------------------------------------------------------------------------------

std::vector<OperationModel> listed() {
  std::vector<OperationModel> out;
  for (ServiceModel service : all_models()) {
    for (OperationModel op : service.operations()) {
      if (op.listed()) out.push_back(op);
    }
  }
  return out;
}

// A form has no empty structures.
Value without_empty(const Value& v) {
  if (!v.is_object()) return v;
  Value out = Value::object();
  for (const auto& [name, e] : v.as_object()) {
    Value inner = without_empty(e);
    if (!inner.is_object() || inner.size() != 0) out.set(name, inner);
  }
  return out;
}

std::string title(OperationModel op) {
  return std::string(op.service().name()) + ":" + std::string(op.name());
}

void there_and_back(const Maker& maker, OperationModel op) {
  std::optional<Value> in = op.input() ? maker.structure(op.input(), 0) : Value::object();
  ASSERT_TRUE(in) << title(op) << ": no sample fits a pattern of a required member";
  auto fault = maker.validator.check(op, *in);
  ASSERT_FALSE(fault) << title(op) << " " << fault->message;
  net::HttpRequest r = request_of(op, *in);
  auto to = protocol::address(op.service(), r);
  ASSERT_TRUE(to.ok()) << title(op) << " " << r.target;
  ASSERT_EQ(to->operation.name(), op.name()) << r.method << " " << r.target;
  auto read = protocol::parse(*to, r);
  ASSERT_TRUE(read.ok()) << title(op) << " " << read.error().message;
  if (op.service().protocol() == Protocol::kQuery) *in = without_empty(*in);
  EXPECT_EQ(*read, *in) << title(op) << "\n" << to_json(*read) << "\n" << to_json(*in);
}

TEST(ModelFuzz, LeastInputs) {
  Maker maker;
  EXPECT_GT(listed().size(), 300u);
  for (OperationModel op : listed()) there_and_back(maker, op);
}

TEST(ModelFuzz, FullestInputs) {
  Maker maker;
  maker.full = true;
  for (OperationModel op : listed()) there_and_back(maker, op);
}

// Visits every value of an input together with its member and AWS's path to it.
using Visit = std::function<void(Member, Value&, const std::string& path)>;

void walk(Shape s, Value& v, const std::string& prefix, const Visit& visit) {
  if (s.document()) return;
  for (Member m : s.members()) {
    Value* e = v.find(m.name());
    if (e == nullptr) continue;
    std::string name(m.name());
    if (!name.empty() && name[0] >= 'A' && name[0] <= 'Z') name[0] = static_cast<char>(name[0] + 32);
    std::string path = prefix + name;
    visit(m, *e, path);
    if (m.shape().is(ShapeKind::kStructure)) walk(m.shape(), *e, path + ".", visit);
    if (m.shape().is(ShapeKind::kList) && m.shape().element().shape().is(ShapeKind::kStructure) && e->size() > 0) {
      walk(m.shape().element().shape(), e->as_list()[0], path + ".1.member.", visit);
    }
  }
}

// Values that break one constraint of the shape, with the words that must be in the message.
std::vector<std::pair<Value, std::string>> broken(Shape s) {
  std::vector<std::pair<Value, std::string>> out;
  bool number = s.is(ShapeKind::kInteger) || s.is(ShapeKind::kLong) || s.is(ShapeKind::kDouble) || s.is(ShapeKind::kFloat);
  if (number) {
    auto of = [&](double d) {
      return s.is(ShapeKind::kDouble) || s.is(ShapeKind::kFloat) ? Value(d) : Value(static_cast<int64_t>(d));
    };
    if (s.max() && *s.max() < 1e9) out.emplace_back(of(*s.max() + 1), "Member must have value less than or equal to");
    if (s.min() && *s.min() > -1e9) out.emplace_back(of(*s.min() - 1), "Member must have value greater than or equal to");
  }
  if (s.is(ShapeKind::kString)) {
    if (s.max() && *s.max() < 1e6) {
      out.emplace_back(std::string(static_cast<size_t>(*s.max()) + 1, 'a'), "Member must have length less than or equal to");
    }
    if (s.min() && *s.min() >= 1) {
      out.emplace_back(std::string(static_cast<size_t>(*s.min()) - 1, 'a'), "Member must have length greater than or equal to");
    }
    if (s.enum_size() != 0) out.emplace_back("not one of them", "Member must satisfy enum value set: [");
  }
  if (s.is(ShapeKind::kList) && s.min() && *s.min() >= 1) {
    out.emplace_back(Value::list(), "Member must have length greater than or equal to");
  }
  return out;
}

TEST(ModelFuzz, EachConstraintBrokenOnce) {
  Maker maker;
  maker.full = true;
  size_t checked = 0;
  for (OperationModel op : listed()) {
    std::optional<Value> in = op.input() ? maker.structure(op.input(), 0) : Value::object();
    ASSERT_TRUE(in);
    std::string prefix;
    if (op.service().name() == "apigateway") {
      prefix = std::string(op.name()) + "Input.";
      prefix[0] = static_cast<char>(prefix[0] + 32);
    }
    walk(op.input(), *in, "", [&](Member m, Value& v, const std::string& path) {
      auto expect = [&](const std::string& words) {
        auto fault = maker.validator.check(op, *in);
        ASSERT_TRUE(fault) << title(op) << " " << path;
        std::string at = "at '" + path + "' failed to satisfy constraint: ",
                    other = "at '" + prefix + path + "' failed to satisfy";
        EXPECT_TRUE(fault->message.find(at + words) != std::string::npos ||
                    (!prefix.empty() && fault->message.find(other) != std::string::npos))
            << title(op) << " " << path << ": " << fault->message;
        EXPECT_EQ(fault->http_status, 400);
        ++checked;
      };
      Value right = v;
      for (auto& [wrong, words] : broken(m.shape())) {
        v = wrong;
        expect(words);
      }
      if (m.required()) {
        v = Value();
        expect("Member must not be null");
      }
      v = right;
    });
  }
  EXPECT_GT(checked, 1500u);
}

// A member of a JSON body that has the wrong kind is a SerializationException, never anything worse.
TEST(ModelFuzz, WrongKindsInBodies) {
  Maker maker;
  maker.full = true;
  size_t refused = 0;
  for (OperationModel op : listed()) {
    if (op.service().protocol() == Protocol::kQuery || !op.input() || op.input().payload()) continue;
    std::optional<Value> in = maker.structure(op.input(), 0);
    ASSERT_TRUE(in);
    net::HttpRequest good = request_of(op, *in);
    if (good.body.empty()) continue;
    auto body = parse_json(good.body);
    ASSERT_TRUE(body.ok());
    for (size_t i = 0; i < body->size(); ++i) {
      for (const Value& wrong : {Value(true), Value(7), Value("x"), Value(1.5), Value::list(), Value::object(), Value()}) {
        net::HttpRequest r = good;
        Value changed = *body;
        changed.as_object()[i].second = wrong;
        r.body = to_json(changed);
        auto to = protocol::address(op.service(), r);
        ASSERT_TRUE(to.ok());
        auto read = protocol::parse(*to, r);
        if (read.ok()) {
          EXPECT_FALSE(mismatch(op.input(), *read)) << title(op);
          continue;
        }
        EXPECT_EQ(read.error().code, "SerializationException");
        EXPECT_FALSE(read.error().message.empty());
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 3000u);
}

}  // namespace
}  // namespace savia::aws
