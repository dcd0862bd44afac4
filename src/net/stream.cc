#include "net/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace savia::net {
namespace {

std::string openssl_error(std::string_view doing) {
  char text[256] = "unknown error";
  unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return std::string(doing) + ": " + text;
}

struct FreeContext {
  void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;

void common_settings(SSL_CTX* ctx) {
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  // Released buffers: an idle connection keeps no 34 KiB of record space.
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
}

// ALPN: HTTP/1.1 is what this server speaks.
int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
                void*) {
  static constexpr unsigned char kOffer[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOffer, sizeof kOffer - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_file, const std::string& key_file) {
  ContextPtr ctx(SSL_CTX_new(TLS_server_method()));
  if (!ctx) return Error::internal(openssl_error("TLS"));
  common_settings(ctx.get());
  if (SSL_CTX_use_certificate_chain_file(ctx.get(), certificate_file.c_str()) != 1) {
    return Error::invalid(openssl_error("certificate " + certificate_file));
  }
  if (SSL_CTX_use_PrivateKey_file(ctx.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Error::invalid(openssl_error("key " + key_file));
  }
  if (SSL_CTX_check_private_key(ctx.get()) != 1) return Error::invalid(openssl_error("key does not belong to the certificate"));
  static constexpr unsigned char kSessionContext[] = "savia";
  SSL_CTX_set_session_id_context(ctx.get(), kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_alpn_select_cb(ctx.get(), choose_alpn, nullptr);
  return std::shared_ptr<TlsContext>(new TlsContext(ctx.release()));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& extra_ca_file) {
  ContextPtr ctx(SSL_CTX_new(TLS_client_method()));
  if (!ctx) return Error::internal(openssl_error("TLS"));
  common_settings(ctx.get());
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_default_verify_paths(ctx.get());
  if (!extra_ca_file.empty() && SSL_CTX_load_verify_locations(ctx.get(), extra_ca_file.c_str(), nullptr) != 1) {
    return Error::invalid(openssl_error("authorities " + extra_ca_file));
  }
  return std::shared_ptr<TlsContext>(new TlsContext(ctx.release()));
}

TlsContext::~TlsContext() {
  SSL_CTX_free(ctx_);
}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::move(other.fd_);
    ssl_ = std::exchange(other.ssl_, nullptr);
  }
  return *this;
}

Result<void> Stream::start_server_tls(const TlsContext& context) {
  ssl_ = SSL_new(context.get());
  if (ssl_ == nullptr || SSL_set_fd(ssl_, fd_.get()) != 1) return Error::internal(openssl_error("TLS connection"));
  SSL_set_accept_state(ssl_);
  return {};
}

Result<void> Stream::start_client_tls(const TlsContext& context, const std::string& host) {
  ssl_ = SSL_new(context.get());
  if (ssl_ == nullptr || SSL_set_fd(ssl_, fd_.get()) != 1) return Error::internal(openssl_error("TLS connection"));
  SSL_set_connect_state(ssl_);
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl_);
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) != 1) {  // not an address: a name, which SNI may carry
    SSL_set_tlsext_host_name(ssl_, host.c_str());
    if (SSL_set1_host(ssl_, host.c_str()) != 1) return Error::internal(openssl_error("TLS host name"));
  }
  return {};
}

void Stream::close() {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_);  // close_notify when the socket takes it at once; nobody waits for the answer
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  fd_.reset();
}

ssize_t Stream::read_plain(char* into, size_t size) {
  for (;;) {
    ssize_t n = ::recv(fd_.get(), into, size, 0);
    if (n >= 0) return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return kAgain;
    if (errno != EINTR) return kFailed;
  }
}

ssize_t Stream::write_plain(std::string_view a, std::string_view b) {
  for (;;) {
    ssize_t n;
    if (b.empty()) {
      n = ::send(fd_.get(), a.data(), a.size(), MSG_NOSIGNAL);
    } else {
      iovec parts[2] = {{const_cast<char*>(a.data()), a.size()}, {const_cast<char*>(b.data()), b.size()}};
      msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    }
    if (n >= 0) return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return kAgain;
    if (errno != EINTR) return kFailed;
  }
}

ssize_t Stream::tls_result(int n) {
  int error = SSL_get_error(ssl_, n);
  ERR_clear_error();
  switch (error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return kAgain;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      return kFailed;
  }
}

ssize_t Stream::read_tls(char* into, size_t size) {
  ERR_clear_error();
  int n = SSL_read(ssl_, into, static_cast<int>(std::min<size_t>(size, INT32_MAX)));
  return n > 0 ? n : tls_result(n);
}

// As a plain socket: what is not taken would block. (OpenSSL takes one record a call; callers wait for an edge that would
// never come if that were passed on.)
ssize_t Stream::write_tls(std::string_view a, std::string_view b) {
  constexpr size_t kRecord = 16 * 1024;
  char joined[kRecord];
  size_t taken = 0;
  while (!a.empty() || !b.empty()) {
    if (a.empty()) std::swap(a, b);
    std::string_view out = a;
    if (!b.empty() && a.size() < kRecord) {  // head and body share one record where they fit into it
      size_t rest = std::min(b.size(), kRecord - a.size());
      std::memcpy(joined, a.data(), a.size());
      std::memcpy(joined + a.size(), b.data(), rest);
      out = {joined, a.size() + rest};
    }
    ERR_clear_error();
    int n = SSL_write(ssl_, out.data(), static_cast<int>(std::min<size_t>(out.size(), INT32_MAX)));
    if (n <= 0) {
      ssize_t result = tls_result(n);
      if (taken > 0) return static_cast<ssize_t>(taken);  // a failure shows itself at the next call
      return result == 0 ? kFailed : result;
    }
    taken += static_cast<size_t>(n);
    size_t of_a = std::min(static_cast<size_t>(n), a.size());
    a.remove_prefix(of_a);
    b.remove_prefix(static_cast<size_t>(n) - of_a);
  }
  return static_cast<ssize_t>(taken);
}

}  // namespace savia::net
