#include "base/metrics.h"

#include <cstdio>

namespace savia {
namespace {

// `a="x",b="y"`, with the escapes of the text format.
std::string label_text(const Metrics::Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name;
    out += "=\"";
    for (char c : value) {
      if (c == '\n') {
        out += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

std::string number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", v);
  return text;
}

void append_line(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                 std::string_view more, const std::string& value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !more.empty()) {
    out += '{';
    out += labels;
    if (!labels.empty() && !more.empty()) out += ',';
    out += more;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& h) {
  uint64_t total = 0;
  for (size_t i = 0; i < Histogram::kBounds.size(); ++i) {
    total += h.bucket(i);
    append_line(out, name, "_bucket", labels, "le=\"" + number(static_cast<double>(Histogram::kBounds[i]) / 1e6) + "\"",
                std::to_string(total));
  }
  total += h.bucket(Histogram::kBounds.size());
  append_line(out, name, "_bucket", labels, "le=\"+Inf\"", std::to_string(total));
  append_line(out, name, "_sum", labels, "", number(static_cast<double>(h.sum_us()) / 1e6));
  append_line(out, name, "_count", labels, "", std::to_string(total));
}

}  // namespace

void Histogram::observe_us(int64_t us) {
  if (us < 0) us = 0;
  size_t i = 0;
  while (i < kBounds.size() && us > kBounds[i]) ++i;
  buckets_[i].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(static_cast<uint64_t>(us), std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (const auto& b : buckets_) total += b.load(std::memory_order_relaxed);
  return total;
}

Metrics::Series& Metrics::series(Families& families, std::string_view name, std::string_view help, std::string_view type,
                                 const Labels& labels) {
  Family& family = families.try_emplace(std::string(name), Family{std::string(help), type, {}}).first->second;
  return family.series[label_text(labels)];
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return *families_.with([&](Families& f) {
    Series& s = series(f, name, help, "counter", labels);
    if (s.counter == nullptr) s.counter = std::make_unique<Counter>();
    return s.counter.get();
  });
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels) {
  return *families_.with([&](Families& f) {
    Series& s = series(f, name, help, "histogram", labels);
    if (s.histogram == nullptr) s.histogram = std::make_unique<Histogram>();
    return s.histogram.get();
  });
}

void Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> read) {
  families_.with([&](Families& f) { series(f, name, help, "gauge", labels).gauge = std::move(read); });
}

void Metrics::remove(std::string_view name, const Labels& labels) {
  families_.with([&](Families& f) {
    auto it = f.find(name);
    if (it == f.end()) return;
    it->second.series.erase(label_text(labels));
    if (it->second.series.empty()) f.erase(it);
  });
}

std::string Metrics::prometheus() const {
  return families_.with([](const Families& families) {
    std::string out;
    for (const auto& [name, family] : families) {
      out += "# HELP " + name + ' ' + family.help + "\n# TYPE " + name + ' ' + std::string(family.type) + '\n';
      for (const auto& [labels, s] : family.series) {
        if (s.counter != nullptr) append_line(out, name, "", labels, "", std::to_string(s.counter->value()));
        if (s.gauge) append_line(out, name, "", labels, "", number(s.gauge()));
        if (s.histogram != nullptr) append_histogram(out, name, labels, *s.histogram);
      }
    }
    return out;
  });
}

}  // namespace savia
