#include "cli/lang.h"

#include <cstdlib>
#include <vector>

namespace savia::cli {

Lang choose_lang(std::string_view flag) {
  auto named = [](std::string_view v) { return v.substr(0, 2) == "es" ? Lang::kSpanish : Lang::kEnglish; };
  if (!flag.empty()) return named(flag);
  if (const char* v = std::getenv("SAVIA_LANG"); v != nullptr && *v != '\0') return named(v);
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    if (const char* v = std::getenv(name); v != nullptr && *v != '\0') return named(v);
  }
  return Lang::kEnglish;
}

std::string say_in(Lang lang, std::string_view english, std::initializer_list<std::string> args) {
  std::string_view text = english;
  if (lang == Lang::kSpanish) {
    if (std::string_view es = spanish_of(english); !es.empty()) text = es;
  }
  const std::vector<std::string> list(args);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 2 < text.size() && text[i + 2] == '}' && text[i + 1] >= '0' && text[i + 1] <= '9') {
      auto n = static_cast<size_t>(text[i + 1] - '0');
      if (n < list.size()) {
        out += list[n];
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace savia::cli
