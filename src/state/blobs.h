// Content-addressed bytes on disk: function code, layers, later image layers, S3 objects and artifacts.
// <root>/<2 hex>/<62 hex>, named by SHA-256; written as temp file, fsync, rename, fsync of the folder; never changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace savia::state {

class Blobs {
 public:
  static Result<std::unique_ptr<Blobs>> open(const std::string& root);  // makes it, sweeps leftover temp files
  virtual ~Blobs() = default;
  // Durable when it returns; answers the SHA-256 as 64 hex digits. Same bytes, same digest, stored once.
  virtual Result<std::string> put(std::string_view bytes) = 0;
  virtual Result<std::string> get(std::string_view digest) const = 0;  // verified; kNotFound
  virtual bool has(std::string_view digest) const = 0;
  virtual std::string path(std::string_view digest) const = 0;
  virtual Result<int64_t> size(std::string_view digest) const = 0;
  // Removes blobs for which `keep` answers false and that are older than `min_age_s` (pushes in flight are younger).
  virtual Result<int64_t> collect(const std::function<bool(std::string_view digest)>& keep, int64_t min_age_s) = 0;
  virtual Result<void> wipe() = 0;
};

}  // namespace savia::state
