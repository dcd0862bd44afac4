// A trivial HTTP upstream for the edge's benchmarks: answers every request with 96 bytes of JSON, or with /N bytes. It looks
// for the end of the head and for nothing else, so that the proxy in front of it is what is measured.
//   edge_upstream PORT
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>

namespace {

std::string answer_of(size_t size) {
  std::string body = "{\"message\":\"hello from the upstream\",\"padding\":\"";
  if (body.size() + 2 < size) body.append(size - body.size() - 2, 'x');
  body += "\"}";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

struct Connection {
  std::string in, out;
};

}  // namespace

int main(int argc, char** argv) {
  int port = argc > 1 ? std::atoi(argv[1]) : 27080;
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 1024) != 0) {
    std::perror("edge_upstream");
    return 1;
  }
  int epoll = ::epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  std::unordered_map<int, Connection> connections;
  const std::string usual = answer_of(96);
  static char buffer[65536];
  for (;;) {
    epoll_event events[256];
    int n = ::epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < n; ++i) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int made;
        while ((made = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0) {
          event.events = EPOLLIN | EPOLLOUT | EPOLLET;
          event.data.fd = made;
          ::epoll_ctl(epoll, EPOLL_CTL_ADD, made, &event);
          connections[made];
        }
        continue;
      }
      Connection& c = connections[fd];
      bool closed = false;
      for (;;) {
        ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) {
          closed = got == 0 || errno != EAGAIN;
          break;
        }
        c.in.append(buffer, static_cast<size_t>(got));
        size_t end;
        while ((end = c.in.find("\r\n\r\n")) != std::string::npos) {
          size_t slash = c.in.find('/');
          size_t size = slash < end ? std::strtoul(c.in.c_str() + slash + 1, nullptr, 10) : 0;
          c.out += size > 0 ? answer_of(size) : usual;
          c.in.erase(0, end + 4);
        }
        if (static_cast<size_t>(got) < sizeof buffer) break;
      }
      if (!closed && !c.out.empty()) {
        ssize_t sent = ::send(fd, c.out.data(), c.out.size(), MSG_NOSIGNAL);
        if (sent > 0) c.out.erase(0, static_cast<size_t>(sent));
      }
      if (closed) {
        ::close(fd);
        connections.erase(fd);
      }
    }
  }
}
