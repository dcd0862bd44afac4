#include "net/http.h"

#include <algorithm>

#include "base/strings.h"

namespace savia::net {

void Headers::set(std::string_view name, std::string_view value) {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!iequals(fields_[i].first, name)) continue;
    fields_[i].second = value;
    fields_.erase(std::remove_if(fields_.begin() + static_cast<std::ptrdiff_t>(i) + 1, fields_.end(),
                                 [&](const Field& f) { return iequals(f.first, name); }),
                  fields_.end());
    return;
  }
  add(name, value);
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const Field& f) { return iequals(f.first, name); });
}

const std::string* Headers::find(std::string_view name) const {
  for (const Field& f : fields_) {
    if (iequals(f.first, name)) return &f.second;
  }
  return nullptr;
}

std::string_view Headers::get(std::string_view name) const {
  const std::string* value = find(name);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

}  // namespace savia::net
