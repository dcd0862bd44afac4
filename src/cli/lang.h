// Spanish and English. Messages are written in English in the code; lang_es.cc holds the Spanish of each, and
// tests/lang_test.py fails when one is missing.
//
//   say("deployed {0} in {1} ms", {name, ms})      ->  "multi-recipes desplegada en 812 ms"
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace savia::cli {

enum class Lang { kEnglish, kSpanish };

// --lang, else SAVIA_LANG, else Spanish where LC_ALL, LC_MESSAGES or LANG (the first that is set) begins with "es".
Lang choose_lang(std::string_view flag);

// The message in the language, its {0} {1} … replaced. Data (names, numbers, JSON keys) is never translated.
std::string say_in(Lang lang, std::string_view english, std::initializer_list<std::string> args = {});

// The Spanish of an English message; empty when there is none.
std::string_view spanish_of(std::string_view english);

}  // namespace savia::cli
