#include "services/lambda/engine/bootstraps.h"

#include "codec/digest.h"
#include "os/file.h"

namespace savia::lambda {

Result<std::string> unpack_runtimes(const std::string& dir) {
  std::string all;
  for (const EmbeddedFile& file : embedded_runtimes()) {
    all += std::string(file.path) + '\0' + std::string(file.content) + '\0';
  }
  const std::string target = dir + "/" + sha256_hex(all).substr(0, 16);
  const std::string complete = target + "/.complete";
  if (os::exists(complete)) return target;
  for (const EmbeddedFile& file : embedded_runtimes()) {
    const std::string path = target + "/" + std::string(file.path);
    TRY(os::make_dirs(path.substr(0, path.rfind('/'))));
    TRY(os::write_file_atomic(path, file.content, 0644));
  }
  TRY(os::write_file_atomic(complete, ""));
  return target;
}

}  // namespace savia::lambda
