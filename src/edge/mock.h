// MOCK integrations (REST), compiled: templates hold no references, so every possible answer is known when it is published.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ports/route_snapshot.h"

namespace savia::edge {

struct MockAnswer {
  int status = 200;
  struct Variant {
    std::string content_type;  // of the response template, chosen by Accept
    std::string fields;        // finished header lines, Content-Type included
    std::string body;
  };
  std::vector<Variant> variants;  // never empty; the one to take when nothing else fits stands first
};

class MockPlan {
 public:
  MockPlan() = default;
  explicit MockPlan(const ports::IntegrationSpec& spec);

  struct Choice {
    const MockAnswer::Variant* variant = nullptr;  // null: `error` stands for what AWS answers
    int status = 200;
    enum class Error { kNone, kUnsupportedMediaType, kInternal } error = Error::kNone;
  };
  // `content_type` and `accept` as sent, maybe empty; `body` is looked at only where it is passed through.
  Choice choose(std::string_view content_type, std::string_view accept, std::string_view body) const;

 private:
  int answer_for(std::string_view text) const;  // index of an answer, or -1
  struct Template {
    std::string content_type;
    int answer = -1;
  };
  struct Pattern {
    std::string text;
    size_t answer = 0;
  };
  std::vector<Template> templates_;
  std::vector<Pattern> patterns_;
  std::vector<MockAnswer> answers_;
  int default_answer_ = -1;
  bool passes_unmatched_ = true, passes_without_templates_ = true;
};

// The statusCode that a rendered request template holds, -1 when there is none. AWS reads these leniently:
// "{statusCode:200}", as the Serverless Framework writes it, counts.
int mock_status_code(std::string_view text);

// "text/html; q=0.8, */*" -> "text/html": the first media range, without parameters.
std::string_view first_media_type(std::string_view header);

}  // namespace savia::edge
