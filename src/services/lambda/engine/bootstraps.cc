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
  // Not synced, which takes longer than the rest of the start: after a crash of the machine they are written anew.
  const std::string boot = os::boot_id();
  if (os::read_file(complete, 128).value_or("") == boot) return target;
  for (const EmbeddedFile& file : embedded_runtimes()) {
    const std::string path = target + "/" + std::string(file.path);
    TRY(os::make_dirs(path.substr(0, path.rfind('/'))));
    TRY(os::write_file_until_boot(path, file.content));
  }
  TRY(os::write_file_until_boot(complete, boot));
  return target;
}

}  // namespace savia::lambda
