#include "net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>

namespace savia::net {
namespace {

bool is_numeric(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

Result<std::string> ask(const std::string& host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) return Error::unavailable("cannot resolve " + host + ": " + ::gai_strerror(code));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  char ip[NI_MAXHOST];
  if (::getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof ip, nullptr, 0, NI_NUMERICHOST) != 0) {
    return Error::unavailable("cannot resolve " + host);
  }
  return std::string(ip);
}

}  // namespace

Resolver::~Resolver() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    questions_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::optional<std::string> Resolver::known(const std::string& host) {
  if (is_numeric(host)) return host;
  if (host == "localhost") return "127.0.0.1";
  std::lock_guard lock(mutex_);
  auto it = remembered_.find(host);
  if (it == remembered_.end() || it->second.until_us < real_clock().monotonic_us()) return std::nullopt;
  return it->second.ip;
}

void Resolver::resolve(const std::string& host, Loop& loop, std::function<void(Result<std::string>)> done) {
  std::lock_guard lock(mutex_);
  questions_.push_back({host, &loop, std::move(done)});
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  wake_.notify_one();
}

void Resolver::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !questions_.empty(); });
    if (stopping_) return;
    Question q = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    auto answer = std::make_shared<Result<std::string>>(ask(q.host));
    lock.lock();
    if (stopping_) return;
    if (answer->ok()) {
      if (remembered_.size() >= kRemembered) remembered_.clear();
      remembered_[q.host] = {answer->value(), real_clock().monotonic_us() + kKeepMs * 1000};
    }
    q.loop->post([answer, done = std::move(q.done)] { done(std::move(*answer)); });
  }
}

}  // namespace savia::net
