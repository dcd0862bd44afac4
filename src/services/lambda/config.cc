// What a function's configuration may be, and how it is kept: the checks that the model cannot say, AWS's defaults, AWS's
// words.
#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "services/lambda/control.h"

namespace savia::lambda {
namespace {

// Accepted now, in the order in which AWS printed its set when it was recorded.
constexpr std::array<std::string_view, 25> kRuntimes = {
    "nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x", "nodejs22.x",
    "java25",     "python3.10", "python3.11",      "java21",     "ruby3.3",    "ruby3.4",    "ruby3.2",
    "python3.8",  "python3.9",  "java17",          "nodejs16.x", "dotnet10",   "dotnet8",    "java11",
    "dotnet6",    "nodejs18.x", "provided.al2",    "java8.al2"};
// Accepted, but AWS has ended its support.
constexpr std::array<std::string_view, 5> kAged = {"nodejs16.x", "nodejs18.x", "python3.8", "python3.9", "dotnet6"};
// Refused by AWS with words of their own.
constexpr std::array<std::string_view, 21> kEnded = {
    "nodejs",        "nodejs4.3",     "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x",    "nodejs12.x",
    "nodejs14.x",    "java8",         "python2.7",      "python3.6",  "python3.7",  "dotnetcore1.0", "dotnetcore2.0",
    "dotnetcore2.1", "dotnetcore3.1", "dotnet5.0",      "go1.x",      "ruby2.5",    "ruby2.7",       "provided"};

// Set by Lambda itself (AWS: "Reserved environment variables"); TZ is listed there but taken.
constexpr std::array<std::string_view, 20> kReservedKeys = {"_HANDLER",
                                                            "_X_AMZN_TRACE_ID",
                                                            "AWS_DEFAULT_REGION",
                                                            "AWS_REGION",
                                                            "AWS_EXECUTION_ENV",
                                                            "AWS_LAMBDA_FUNCTION_NAME",
                                                            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                                            "AWS_LAMBDA_FUNCTION_VERSION",
                                                            "AWS_LAMBDA_INITIALIZATION_TYPE",
                                                            "AWS_LAMBDA_LOG_GROUP_NAME",
                                                            "AWS_LAMBDA_LOG_STREAM_NAME",
                                                            "AWS_ACCESS_KEY",
                                                            "AWS_ACCESS_KEY_ID",
                                                            "AWS_SECRET_ACCESS_KEY",
                                                            "AWS_SESSION_TOKEN",
                                                            "AWS_LAMBDA_RUNTIME_API",
                                                            "LAMBDA_TASK_ROOT",
                                                            "LAMBDA_RUNTIME_DIR",
                                                            "AWS_LAMBDA_MAX_CONCURRENCY",
                                                            "_LAMBDA_TELEMETRY_LOG_FD"};

template <size_t N>
bool one_of(const std::array<std::string_view, N>& list, std::string_view s) {
  return std::find(list.begin(), list.end(), s) != list.end();
}

std::string joined(const std::vector<std::string_view>& list) {
  std::string out;
  for (std::string_view s : list) out += (out.empty() ? "" : ", ") + std::string(s);
  return out;
}

std::optional<Fault> check_runtime(std::string_view runtime, const FunctionEngine& engine, const std::string& function) {
  if (one_of(kEnded, runtime)) {
    return invalid_parameter(
        "The runtime parameter of " + std::string(runtime) +
        " is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported "
        "runtime while creating or updating functions.");
  }
  if (!one_of(kRuntimes, runtime)) {
    return invalid_parameter("Value " + std::string(runtime) +
                             " at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [" +
                             joined({kRuntimes.begin(), kRuntimes.end()}) + "] or be a valid ARN");
  }
  RuntimeStatus status = engine.runtime_status(std::string(runtime));
  if (!status.known) return unsupported("Runtime " + std::string(runtime));
  if (one_of(kAged, runtime)) log_warn("lambda.runtime.aged", {{"function", function}, {"runtime", std::string(runtime)}});
  if (!status.installed) {
    log_warn("lambda.runtime.missing",
             {{"function", function}, {"runtime", std::string(runtime)}, {"install", status.install_command}});
  }
  return std::nullopt;
}

std::optional<Fault> check_environment(const Value& in) {
  const Value* environment = in.object_at(k::Environment);
  const Value* variables = environment == nullptr ? nullptr : environment->object_at(k::Variables);
  if (variables == nullptr) return std::nullopt;
  std::vector<std::string_view> reserved;
  for (const Value::Member& m : variables->as_object()) {
    if (one_of(kReservedKeys, m.first)) reserved.push_back(m.first);
    if (m.second.is_string() && m.second.as_string().find('\0') != std::string::npos) {
      return invalid_parameter("The value of environment variable " + m.first + " holds a NUL byte.");
    }
  }
  constexpr std::string_view kCannot =
      "Lambda was unable to configure your environment variables because the environment variables you have provided ";
  if (!reserved.empty()) {
    return invalid_parameter(
        std::string(kCannot) +
        "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: " +
        joined(reserved));
  }
  std::string measured = to_json(*variables);
  if (measured.size() > limits::kEnvironmentBytes) {
    return invalid_parameter(std::string(kCannot) + "exceeded the 4KB limit. String measured: " + measured);
  }
  return std::nullopt;
}

bool filled(const Value* object, std::string_view member) {
  if (object == nullptr) return false;
  const Value* v = object->find(member);
  if (v == nullptr || v->is_null()) return false;
  if (v->is_string()) return !v->as_string().empty();
  if (v->is_list() || v->is_object()) return v->size() > 0;
  return true;
}

// Members that ask for something that is not built: named, and nothing is stored.
std::optional<Fault> check_unsupported(const Value& in) {
  for (std::string_view member : {k::PublishTo, k::KMSKeyArn, k::FileSystemConfigs, k::CodeSigningConfigArn, k::ImageConfig,
                                  k::TenancyConfig, k::CapacityProviderConfig, k::DurableConfig, k::SourceKMSKeyArn}) {
    if (filled(&in, member)) return unsupported(member);
  }
  if (filled(in.object_at(k::VpcConfig), k::SubnetIds) || filled(in.object_at(k::VpcConfig), k::SecurityGroupIds)) {
    return unsupported(k::VpcConfig);
  }
  if (filled(in.object_at(k::DeadLetterConfig), k::TargetArn)) return unsupported(k::DeadLetterConfig);
  if (const Value* tracing = in.object_at(k::TracingConfig); tracing != nullptr && tracing->str(k::Mode) == "Active") {
    return unsupported("TracingConfig Active");
  }
  if (const Value* snap = in.object_at(k::SnapStart); snap != nullptr && snap->str(k::ApplyOn) == "PublishedVersions") {
    return unsupported("SnapStart PublishedVersions");
  }
  if (in.str(k::PackageType) == "Image") return unsupported("PackageType Image");
  if (const Value::List* list = in.list_at(k::Architectures)) {
    for (const Value& a : *list) {
      if (a.is_string() && a.as_string() != "x86_64") return unsupported("Architectures " + a.as_string());
    }
  }
  return std::nullopt;
}

std::optional<Fault> check_code_source(const Value* code) {
  for (std::string_view member :
       {k::S3Bucket, k::S3Key, k::S3ObjectVersion, k::S3ObjectStorageMode, k::ImageUri, k::SourceKMSKeyArn}) {
    if (filled(code, member)) return unsupported(member);
  }
  return std::nullopt;
}

Value runtime_version(const std::string& region, std::string_view runtime) {
  Value v = Value::object();
  v.set(k::RuntimeVersionArn, "arn:aws:lambda:" + region + "::runtime:" + sha256_hex("savia runtime " + std::string(runtime)));
  return v;
}

Value logging_config(const Value* asked, const Value* before, const std::string& name) {
  Value v = before != nullptr ? *before : Value::object();
  if (before == nullptr) v.set(k::LogFormat, "Text").set(k::LogGroup, "/aws/lambda/" + name);
  if (asked != nullptr) {
    for (std::string_view member : {k::LogFormat, k::ApplicationLogLevel, k::SystemLogLevel, k::LogGroup}) {
      if (filled(asked, member)) v.set(member, *asked->find(member));
    }
  }
  if (v.str(k::LogFormat) == "JSON") {
    for (std::string_view level : {k::ApplicationLogLevel, k::SystemLogLevel}) {
      if (!v.has(level)) v.set(level, "INFO");
    }
  } else {
    v.erase(k::ApplicationLogLevel);
    v.erase(k::SystemLogLevel);
  }
  return v;
}

std::optional<Fault> check_common(const Value& in) {
  if (auto f = check_unsupported(in)) return f;
  if (auto f = check_environment(in)) return f;
  constexpr int64_t kMostMemory = 10'240;  // the model's bound is of other kinds of functions
  if (auto memory = in.num(k::MemorySize); memory && *memory > kMostMemory) {
    return user_fault("ValidationException",
                      "1 validation error detected: Value '" + std::to_string(*memory) +
                          "' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240");
  }
  const Value* logging = in.object_at(k::LoggingConfig);
  if (logging != nullptr && logging->str(k::LogFormat) != "JSON" &&
      (logging->has(k::ApplicationLogLevel) || logging->has(k::SystemLogLevel)) && logging->str(k::LogFormat).has_value()) {
    return invalid_parameter(
        "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the "
        "LogFormat to \"JSON\" and try again.");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> Control::check_create(const CallContext&, const Value& in) {
  if (auto f = check_code_source(in.object_at(k::Code))) return f;
  if (auto f = check_common(in)) return f;
  if (!filled(&in, k::Runtime) || !filled(&in, k::Handler)) {
    return invalid_parameter("Runtime and Handler are mandatory parameters for functions created with deployment packages.");
  }
  if (const Value* tags = in.object_at(k::Tags); tags != nullptr && tags->size() > limits::kTagsPerResource) {
    return invalid_parameter("Number of tags exceeds resource tag limit.");
  }
  return check_runtime(*in.str(k::Runtime), engine_, in.str_or(k::FunctionName, ""));
}

std::optional<Fault> Control::check_update(const CallContext&, const Value& in) {
  if (auto f = check_code_source(&in)) return f;
  if (auto f = check_common(in)) return f;
  if (filled(&in, k::Runtime)) return check_runtime(*in.str(k::Runtime), engine_, in.str_or(k::FunctionName, ""));
  return std::nullopt;
}

Result<CodeStore::Zip, Fault> Control::take_zip(std::string_view zip) {
  if (zip.size() > limits::kZipUploadBytes) {
    return Fault("RequestEntityTooLargeException",
                 "Zipped size must be smaller than " + std::to_string(limits::kZipUploadBytes) + " bytes", 413);
  }
  if (zip.empty()) return invalid_parameter("Uploaded file must be a non-empty zip");
  auto added = code_->add(zip);
  if (added.ok()) {
    if (added->unpacked == 0) return invalid_parameter("Uploaded file must be a non-empty zip");
    return std::move(added).value();
  }
  const Error& e = added.error();
  if (e.kind() == ErrorKind::kExhausted && e.message().find("unpacks to more than") != std::string::npos) {
    return invalid_parameter("Unzipped size must be smaller than " + std::to_string(limits::kUnzippedBytes) + " bytes");
  }
  if (e.kind() == ErrorKind::kInvalid || e.message().starts_with("zip ")) {
    // AWS's words for what is no zip at all; what is refused inside one is named.
    std::string text = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    if (e.message().find("zip entry") != std::string::npos || e.kind() == ErrorKind::kExhausted) text += " " + e.message();
    return invalid_parameter(std::move(text));
  }
  return Fault(e);
}

void Control::set_code(VersionRow& row, const CodeStore::Zip& zip) {
  row.code = zip.digest;
  row.unpacked = zip.unpacked;
  row.config.set(k::CodeSha256, base64_encode(from_hex(zip.digest).value_or(""))).set(k::CodeSize, zip.size);
}

void Control::set_layers(VersionRow& row, std::vector<LayerUse> layers) {
  row.layers = std::move(layers);
  row.config.erase(k::Layers);
  if (row.layers.empty()) return;
  Value list = Value::list();
  for (const LayerUse& l : row.layers) {
    Value one = Value::object();
    one.set(k::Arn, l.arn).set(k::CodeSize, l.size);
    list.push(std::move(one));
  }
  row.config.set(k::Layers, std::move(list));
}

std::optional<Fault> Control::check_unpacked(const VersionRow& row) {
  int64_t total = row.unpacked;
  for (const LayerUse& l : row.layers) total += l.unpacked;
  if (total <= static_cast<int64_t>(limits::kUnzippedBytes)) return std::nullopt;
  return invalid_parameter("Function code combined with layers exceeds the maximum allowed size of " +
                           std::to_string(limits::kUnzippedBytes) + " bytes. The actual size is " + std::to_string(total) +
                           " bytes.");
}

Result<std::vector<LayerUse>, Fault> Control::resolve_layers(const CallContext& c, const Value::List& arns) {
  std::vector<LayerUse> out;
  if (arns.size() > limits::kLayersPerFunction) {
    return invalid_parameter("Cannot reference more than " + std::to_string(limits::kLayersPerFunction) + " layers.");
  }
  std::vector<LayerRef> refs;
  for (const Value& v : arns) {
    std::string text = v.is_string() ? v.as_string() : "";
    auto ref = parse_layer_ref(c, text);
    if (!ref || ref->version == 0 || !text.starts_with("arn:"))
      return invalid_parameter("'" + text + "' is no layer version's ARN");
    if (ref->region != c.region) {
      return invalid_parameter("Layers are not in the same region as the function. Layers are expected to be in region " +
                               c.region + ".");
    }
    refs.push_back(std::move(*ref));
  }
  Outcome found = read([&](Tx& tx) -> Outcome {
    for (const LayerRef& ref : refs) {
      auto row = TRY(store::layer_version(tx, ref));
      if (!TRY(may_use_layer(tx, c, ref))) return layer_denied(c, ref);
      if (!row) return invalid_parameter("Layer version " + ref.version_arn() + " does not exist.");
      out.push_back({ref.version_arn(), row->digest, row->size, row->unpacked});
    }
    return Value();
  });
  if (!found.ok()) return std::move(found).error();
  for (size_t i = 0; i < refs.size(); ++i) {
    for (size_t j = i + 1; j < refs.size(); ++j) {
      if (refs[i].arn() != refs[j].arn()) continue;
      return invalid_parameter(
          "Two different versions of the same layer are not allowed to be referenced in the same function. " +
          refs[i].version_arn() + " and " + refs[j].version_arn() + " are versions of the same layer.");
    }
  }
  return out;
}

Result<VersionRow, Fault> Control::new_version_row(const CallContext& c, const FunctionRef& f, const Value& in,
                                                   const CodeStore::Zip& zip) {
  VersionRow row;
  row.config = Value::object();
  row.config.set(k::FunctionName, f.name)
      .set(k::FunctionArn, f.arn())
      .set(k::Runtime, in.str_or(k::Runtime, ""))
      .set(k::Role, in.str_or(k::Role, ""))
      .set(k::Handler, in.str_or(k::Handler, ""))
      .set(k::CodeSize, 0)
      .set(k::Description, "")
      .set(k::Timeout, 3)
      .set(k::MemorySize, 128)
      .set(k::LastModified, "")
      .set(k::CodeSha256, "")
      .set(k::Version, kLatest);
  set_code(row, zip);
  Value tracing = Value::object(), snap = Value::object(), storage = Value::object(), architectures = Value::list();
  tracing.set(k::Mode, "PassThrough");
  snap.set(k::ApplyOn, "None").set(k::OptimizationStatus, "Off");
  storage.set(k::Size, 512);
  architectures.push("x86_64");
  row.config.set(k::TracingConfig, std::move(tracing))
      .set(k::RevisionId, "")
      .set(k::PackageType, "Zip")
      .set(k::Architectures, std::move(architectures))
      .set(k::EphemeralStorage, std::move(storage))
      .set(k::SnapStart, std::move(snap))
      .set(k::RuntimeVersionConfig, Value::object())
      .set(k::LoggingConfig, logging_config(nullptr, nullptr, f.name));
  if (auto fault = apply_configuration(c, in, row)) return std::move(*fault);
  return row;
}

// Members of CreateFunction or UpdateFunctionConfiguration over what is there; gives new revisions.
std::optional<Fault> Control::apply_configuration(const CallContext& c, const Value& in, VersionRow& row) {
  Value& config = row.config;
  for (std::string_view member : {k::Runtime, k::Role, k::Handler, k::Description, k::Timeout, k::MemorySize}) {
    if (in.has(member)) config.set(member, *in.find(member));
  }
  if (const Value* environment = in.object_at(k::Environment)) {
    Value variables = environment->object_at(k::Variables) != nullptr ? *environment->object_at(k::Variables) : Value::object();
    Value e = Value::object();
    e.set(k::Variables, std::move(variables));
    config.set(k::Environment, std::move(e));
  }
  if (const Value* storage = in.object_at(k::EphemeralStorage); storage != nullptr && storage->has(k::Size)) {
    config.set(k::EphemeralStorage, *storage);
  }
  if (const Value* logging = in.object_at(k::LoggingConfig)) {
    config.set(k::LoggingConfig,
               logging_config(logging, config.object_at(k::LoggingConfig), config.str_or(k::FunctionName, "")));
  }
  if (const Value::List* layers = in.list_at(k::Layers)) {
    auto resolved = resolve_layers(c, *layers);
    if (!resolved.ok()) return std::move(resolved).error();
    set_layers(row, std::move(resolved).value());
  }
  if (auto fault = check_unpacked(row)) return fault;
  config.set(k::RuntimeVersionConfig, runtime_version(c.region, config.str_or(k::Runtime, "")));
  config.set(k::LastModified, format_lambda_time(clock_.now_ms())).set(k::RevisionId, new_id());
  row.spec_revision = new_id();
  return std::nullopt;
}

Value show(const VersionRow& row, ShownState state) {
  Value v = row.config;
  constexpr std::string_view kBeingCreated = "The function is being created.";
  switch (state) {
    case ShownState::kNone:  // as lists show it
      v.erase(k::RuntimeVersionConfig);
      break;
    case ShownState::kCreating:
      v.set(k::State, "Pending").set(k::StateReason, kBeingCreated).set(k::StateReasonCode, "Creating");
      break;
    case ShownState::kActive:
      v.set(k::State, "Active").set(k::LastUpdateStatus, "Successful");
      break;
    case ShownState::kUpdating:
      v.set(k::State, "Active")
          .set(k::LastUpdateStatus, "InProgress")
          .set(k::LastUpdateStatusReason, kBeingCreated)
          .set(k::LastUpdateStatusReasonCode, "Creating");
      break;
  }
  return v;
}

}  // namespace savia::lambda
