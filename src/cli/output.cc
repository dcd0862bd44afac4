#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "codec/json.h"

namespace savia::cli {
namespace {

void put(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return;  // the reader has gone; a command that only prints has nothing better to do
    text.remove_prefix(static_cast<size_t>(n));
  }
}

const char* code(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\033[1m";
    case Style::kDim:
      return "\033[2m";
    case Style::kGood:
      return "\033[32m";
    case Style::kWarn:
      return "\033[33m";
    case Style::kBad:
      return "\033[31m";
  }
  return "";
}

std::string_view mark_of(Style style) {
  switch (style) {
    case Style::kGood:
      return "✓";
    case Style::kWarn:
      return "!";
    case Style::kBad:
      return "✗";
    default:
      return "·";
  }
}

}  // namespace

Output::Output(Lang lang, bool json) : lang_(lang), json_(json), terminal_(isatty(1) == 1) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  colour_ = terminal_ && (no_colour == nullptr || *no_colour == '\0') && !(term != nullptr && std::string_view(term) == "dumb");
}

std::string Output::paint(Style style, std::string_view text) const {
  if (!colour_ || style == Style::kPlain) return std::string(text);
  return code(style) + std::string(text) + "\033[0m";
}

void Output::line(std::string_view text) {
  if (!json_) put(1, std::string(text) + "\n");
}

void Output::note(std::string_view text) {
  put(2, std::string(text) + "\n");
}

void Output::error(std::string_view text, std::string_view what_next) {
  if (pending_) put(1, "\n");
  pending_ = false;
  put(2, paint(Style::kBad, say("error:")) + " " + std::string(text) + "\n");
  if (!what_next.empty()) put(2, "  " + paint(Style::kDim, say("next:")) + " " + std::string(what_next) + "\n");
}

void Output::warn(std::string_view text) {
  put(2, paint(Style::kWarn, say("warning:")) + " " + std::string(text) + "\n");
}

void Output::begin(std::string_view what) {
  if (json_ || !terminal_) return;
  put(1, "  … " + std::string(what));
  pending_ = true;
}

void Output::end(Style mark, std::string_view what, std::string_view detail) {
  if (json_) return;
  std::string text = pending_ ? "\r\033[K" : "";
  pending_ = false;
  text += "  " + paint(mark, mark_of(mark)) + " " + std::string(what);
  if (!detail.empty()) text += "  " + paint(Style::kDim, detail);
  put(1, text + "\n");
}

void Output::table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  if (json_) return;
  std::vector<size_t> widths(head.size(), 0);
  for (size_t c = 0; c < head.size(); ++c) widths[c] = width(head[c]);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size() && c < widths.size(); ++c) widths[c] = std::max(widths[c], width(row[c]));
  }
  auto print = [&](const std::vector<std::string>& cells, Style style) {
    std::string text;
    for (size_t c = 0; c < cells.size() && c < widths.size(); ++c) {
      text += cells[c];
      if (c + 1 < cells.size()) text += std::string(widths[c] - width(cells[c]) + 2, ' ');
    }
    line(paint(style, text));
  };
  print(head, Style::kDim);
  for (const auto& row : rows) print(row, Style::kPlain);
}

void Output::print_json(const Value& value) {
  put(1, to_json(value) + "\n");
}

size_t width(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string human_bytes(int64_t bytes) {
  char buf[32];
  if (bytes < 1024) {
    std::snprintf(buf, sizeof buf, "%d B", static_cast<int>(bytes));
  } else if (bytes < 1024 * 1024) {
    std::snprintf(buf, sizeof buf, "%.1f KB", static_cast<double>(bytes) / 1024);
  } else {
    std::snprintf(buf, sizeof buf, "%.1f MB", static_cast<double>(bytes) / (1024 * 1024));
  }
  return buf;
}

std::string human_ms(int64_t us) {
  char buf[32];
  if (us < 10'000) {
    std::snprintf(buf, sizeof buf, "%.1f ms", static_cast<double>(us) / 1000);
  } else if (us < 10'000'000) {
    std::snprintf(buf, sizeof buf, "%d ms", static_cast<int>(us / 1000));
  } else {
    std::snprintf(buf, sizeof buf, "%.1f s", static_cast<double>(us) / 1e6);
  }
  return buf;
}

}  // namespace savia::cli
