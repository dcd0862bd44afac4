// One connected socket, plain or TLS, with the same non-blocking read and write. Owned by a connection object, which
// registers the fd with its loop and calls again on any readiness, since TLS may need to write in order to read.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/fd.h"

struct ssl_ctx_st;
struct ssl_st;

namespace savia::net {

// Certificates and settings that connections share; its session tickets are valid for all of them. TLS 1.2 and 1.3.
class TlsContext {
 public:
  // PEM files: the chain, leaf first, and its key.
  static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate_file, const std::string& key_file);
  // Verifies against the system's authorities, and those of `extra_ca_file` when given.
  static Result<std::shared_ptr<TlsContext>> client(const std::string& extra_ca_file = {});
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ssl_ctx_st* get() const { return ctx_; }

 private:
  explicit TlsContext(ssl_ctx_st* ctx) : ctx_(ctx) {}
  ssl_ctx_st* ctx_;
};

class Stream {
 public:
  static constexpr ssize_t kAgain = -1;   // nothing now: wait for an edge
  static constexpr ssize_t kFailed = -2;  // reset, or broken TLS
  Stream() = default;
  explicit Stream(os::Fd fd) : fd_(std::move(fd)) {}
  Stream(Stream&& other) noexcept : fd_(std::move(other.fd_)), ssl_(std::exchange(other.ssl_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  Result<void> start_server_tls(const TlsContext& context);
  Result<void> start_client_tls(const TlsContext& context, const std::string& host);  // SNI and name check

  int fd() const { return fd_.get(); }
  bool open() const { return static_cast<bool>(fd_); }
  bool secure() const { return ssl_ != nullptr; }
  void close();

  // Bytes read; 0 at the end of the stream, or kAgain, kFailed.
  ssize_t read(char* into, size_t size) { return ssl_ == nullptr ? read_plain(into, size) : read_tls(into, size); }
  // Bytes of `a` followed by `b` that were taken (possibly fewer than all), or kAgain, kFailed. One system call when plain.
  ssize_t write(std::string_view a, std::string_view b = {}) { return ssl_ == nullptr ? write_plain(a, b) : write_tls(a, b); }

 private:
  ssize_t read_plain(char* into, size_t size);
  ssize_t write_plain(std::string_view a, std::string_view b);
  ssize_t read_tls(char* into, size_t size);
  ssize_t write_tls(std::string_view a, std::string_view b);
  ssize_t tls_result(int n);

  os::Fd fd_;
  ssl_st* ssl_ = nullptr;
};

}  // namespace savia::net
