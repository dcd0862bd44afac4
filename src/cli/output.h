// What commands print: steps, tables, errors with what to do next. People read it on a terminal (colour that only adds to
// the words, NO_COLOR honoured); programs read `--json`, whose keys are never translated.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "cli/lang.h"
#include "codec/value.h"

namespace savia::cli {

enum class Style { kPlain, kBold, kDim, kGood, kWarn, kBad };

class Output {
 public:
  Output(Lang lang, bool json);

  Lang lang() const { return lang_; }
  bool json() const { return json_; }
  bool terminal() const { return terminal_; }

  std::string say(std::string_view english, std::initializer_list<std::string> args = {}) const {
    return say_in(lang_, english, args);
  }
  std::string paint(Style style, std::string_view text) const;

  void line(std::string_view text = {});                               // stdout; nothing in JSON mode
  void note(std::string_view text);                                    // stderr; shown in both modes
  void error(std::string_view text, std::string_view what_next = {});  // "error: …" and the next step, on stderr
  void warn(std::string_view text);

  // A step that takes time: shown at once on a terminal, replaced by its end.
  void begin(std::string_view what);
  void end(Style mark, std::string_view what, std::string_view detail = {});

  void table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);
  void print_json(const Value& value);  // one document, on stdout

 private:
  Lang lang_;
  bool json_;
  bool terminal_;
  bool colour_;
  bool pending_ = false;
};

// Columns a text takes: code points, which is right for Spanish and English.
size_t width(std::string_view utf8);
std::string human_bytes(int64_t bytes);
std::string human_ms(int64_t us);  // "3.2 ms", "812 ms", "4.1 s"

}  // namespace savia::cli
