// Checks an input against the model's constraints and words what is wrong as AWS does:
//
//   2 validation errors detected: Value 'x' at 'functionName' failed to satisfy constraint: Member must satisfy regular
//   expression pattern: …; Value null at 'role' failed to satisfy constraint: Member must not be null
//
// All violations are in one message, in the order of the model's members. The code is the service's (ValidationException;
// query services ValidationError; logs, ecs and ecr InvalidParameterException). Values of sensitive members are not echoed.
//
// After it, a body may rely on: required members are there, no list or map holds a null, enums, lengths, ranges and patterns
// hold. Free-form documents are not looked into.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/model.h"
#include "aws/operation.h"
#include "codec/value.h"

namespace savia::aws {

// Keeps compiled patterns. Used from any thread.
class Validator {
 public:
  Validator();
  ~Validator();
  Validator(const Validator&) = delete;
  Validator& operator=(const Validator&) = delete;

  std::optional<Fault> check(OperationModel operation, const Value& input) const;

 private:
  class Patterns;
  friend struct ValidationWalk;
  std::unique_ptr<Patterns> patterns_;
};

// The same without a cache, for tests.
std::optional<Fault> validate(OperationModel operation, const Value& input);

// Why an output does not fit the model ("Configuration.MemorySize: string instead of integer"), nullopt when it does: unknown
// members, wrong kinds, values outside of an enum are allowed (AWS adds some). For tests of services and debug builds.
std::optional<std::string> mismatch(Shape shape, const Value& output);

// The form in which RE2 knows a Java pattern: its own text, or the hand-made equivalent of one that looks around.
// `refused`: values of that form do not match, though `accepted` does. Empty when there is no equivalent.
struct Re2Pattern {
  std::string accepted;
  std::string refused;
};
std::optional<Re2Pattern> re2_pattern(std::string_view java);

}  // namespace savia::aws
