#include "edge/mock.h"

#include <re2/re2.h>

#include "base/strings.h"
#include "codec/json.h"
#include "edge/response_fields.h"
#include "net/http1.h"

namespace savia::edge {
namespace {

constexpr std::string_view kJson = "application/json";

MockAnswer compile_answer(const ports::MethodResponseSpec& spec) {
  MockAnswer answer;
  answer.status = static_cast<int>(parse_int(spec.status_code).value_or(200));
  std::string fields, content_type;
  for (const auto& [name, value] : spec.headers) {
    if (net::http1::known_name(name) == net::http1::Name::kContentType) {
      content_type = value;
    } else {
      append_rest_field(fields, name, value);
    }
  }
  auto add = [&](const std::string& type, const std::string& body) {
    MockAnswer::Variant v{type, "", body};
    append_field(v.fields, "Content-Type", content_type.empty() ? type : content_type);
    v.fields += fields;
    answer.variants.push_back(std::move(v));
  };
  if (auto json = spec.templates.find(std::string(kJson)); json != spec.templates.end()) add(json->first, json->second);
  for (const auto& [type, body] : spec.templates) {
    if (type != kJson) add(type, body);
  }
  if (answer.variants.empty()) add(std::string(kJson), "");
  return answer;
}

}  // namespace

std::string_view first_media_type(std::string_view header) {
  return trim(header.substr(0, header.find_first_of(",;")));
}

int mock_status_code(std::string_view text) {
  auto plausible = [](int64_t code) { return code >= 100 && code <= 599 ? static_cast<int>(code) : -1; };
  if (Result<Value> parsed = parse_json(text); parsed.ok()) {
    if (auto code = parsed->num("statusCode")) return plausible(*code);
    if (auto code = parsed->str("statusCode")) return plausible(parse_int(*code).value_or(-1));
    return -1;
  }
  constexpr std::string_view kName = "statusCode";
  for (size_t at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at + 1)) {
    size_t before = text.find_last_not_of(" \t\r\n\"'", at == 0 ? 0 : at - 1);
    if (at == 0 || before == std::string_view::npos || (text[before] != '{' && text[before] != ',')) continue;
    size_t value = text.find_first_not_of(" \t\r\n\"':", at + kName.size());
    if (value == std::string_view::npos) continue;
    size_t end = text.find_first_not_of("0123456789", value);
    return plausible(parse_int(text.substr(value, end == std::string_view::npos ? end : end - value)).value_or(-1));
  }
  return -1;
}

MockPlan::MockPlan(const ports::IntegrationSpec& spec) {
  for (const ports::MethodResponseSpec& response : spec.responses) {
    size_t index = answers_.size();
    answers_.push_back(compile_answer(response));
    if (response.selection_pattern.empty()) {
      if (default_answer_ < 0) default_answer_ = static_cast<int>(index);
    } else {
      patterns_.push_back({response.selection_pattern, index});
    }
  }
  for (const auto& [type, text] : spec.request_templates) templates_.push_back({type, answer_for(text)});
  passes_unmatched_ = spec.passthrough_behavior.empty() || spec.passthrough_behavior == "WHEN_NO_MATCH";
  passes_without_templates_ = spec.passthrough_behavior != "NEVER";
}

int MockPlan::answer_for(std::string_view text) const {
  int code = mock_status_code(text);
  if (code < 0) return -1;
  std::string status = std::to_string(code);
  for (const Pattern& p : patterns_) {
    if (p.text == status || RE2::FullMatch(status, RE2(p.text, RE2::Quiet))) return static_cast<int>(p.answer);
  }
  return default_answer_;
}

MockPlan::Choice MockPlan::choose(std::string_view content_type, std::string_view accept, std::string_view body) const {
  std::string_view type = first_media_type(content_type);
  if (type.empty()) type = kJson;
  Choice choice;
  int index = -2;
  for (const Template& t : templates_) {
    if (iequals(first_media_type(t.content_type), type)) index = t.answer;
  }
  if (index == -2) {
    if (templates_.empty() ? !passes_without_templates_ : !passes_unmatched_) {
      choice.error = Choice::Error::kUnsupportedMediaType;
      return choice;
    }
    index = answer_for(body);
  }
  if (index < 0) {
    choice.error = Choice::Error::kInternal;
    return choice;
  }
  const MockAnswer& answer = answers_[static_cast<size_t>(index)];
  choice.status = answer.status;
  choice.variant = &answer.variants.front();
  if (answer.variants.size() > 1) {
    std::string_view wanted = first_media_type(accept);
    for (const MockAnswer::Variant& v : answer.variants) {
      if (iequals(first_media_type(v.content_type), wanted)) choice.variant = &v;
    }
  }
  return choice;
}

}  // namespace savia::edge
