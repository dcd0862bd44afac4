// What lies where in the data folder.
//
//   savia.db            the control plane's rows (SQLite, WAL)
//   blobs/              content-addressed bytes: uploaded zips
//   code/ opt/          unpacked code and merged layers, by digest
//   logs/               CloudWatch Logs segments
//   runtimes/           interpreters that `savia runtime install` brought
//   run/                sockets, roots of living sandboxes; worthless after a stop
//   lock                held by the one server that uses the folder
#pragma once

#include <string>

namespace savia::server {

class Layout {
 public:
  explicit Layout(std::string dir) : dir_(std::move(dir)) {}

  static constexpr const char* kDatabase = "savia.db";
  static constexpr const char* kKept[] = {"blobs", "code", "opt", "logs"};  // besides the database, what a backup holds

  const std::string& dir() const { return dir_; }
  std::string database() const { return dir_ + "/" + kDatabase; }
  std::string blobs() const { return dir_ + "/blobs"; }
  std::string logs() const { return dir_ + "/logs"; }
  std::string runtimes() const { return dir_ + "/runtimes"; }
  std::string run() const { return dir_ + "/run"; }
  std::string lock() const { return dir_ + "/lock"; }

 private:
  std::string dir_;
};

}  // namespace savia::server
