// What the AWS front costs: signed GetCallerIdentity over loopback, at one connection (latency) and at sixteen (requests/s),
// and the CPU time of the server's threads per request, since load generator and server share the machine.
//
//   bench_aws_front [seconds]
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "aws/front.h"
#include "aws/sigv4.h"
#include "base/log.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "services/sts/sts.h"

namespace savia {
namespace {

net::HttpRequest signed_request(const std::string& host) {
  net::HttpRequest r;
  r.method = "POST";
  r.target = "/";
  r.headers.add("Host", host);
  r.headers.add("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  r.headers.add("Accept", "*/*");
  r.headers.add("User-Agent", "Boto3/1.26.27 Python/3.11.2 Linux/6.1 Botocore/1.29.27");
  r.body = "Action=GetCallerIdentity&Version=2011-06-15";
  aws::SignOptions o;
  o.region = "us-east-1";
  o.service = "sts";
  o.now_ms = real_clock().now_ms();
  aws::sign_headers(r, {"test", "test", ""}, o);
  return r;
}

double thread_cpu_s() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double process_cpu_s() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// `connections` threads send the same signed request for `seconds`.
void measure(const std::string& endpoint, int connections, int64_t seconds) {
  const net::HttpRequest request = signed_request(endpoint.substr(7));
  std::atomic<bool> stop{false};
  std::vector<std::vector<int64_t>> times(static_cast<size_t>(connections));
  std::vector<double> client_cpu(static_cast<size_t>(connections));
  double before = process_cpu_s();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < static_cast<size_t>(connections); ++i) {
    threads.emplace_back([&, i] {
      auto client = net::HttpClient::connect(endpoint, 5000).value();
      while (!stop) {
        int64_t start = real_clock().monotonic_us();
        auto response = client->send(request);
        if (!response.ok() || response->status != 200) std::abort();
        times[i].push_back(real_clock().monotonic_us() - start);
      }
      client_cpu[i] = thread_cpu_s();
    });
  }
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  stop = true;
  for (auto& t : threads) t.join();
  double cpu = process_cpu_s() - before;
  for (double c : client_cpu) cpu -= c;
  std::vector<int64_t> all;
  for (auto& t : times) all.insert(all.end(), t.begin(), t.end());
  std::sort(all.begin(), all.end());
  std::printf(
      "GetCallerIdentity, signed, %2d connections: %7.0f requests/s, p50 %5lld us, p99 %5lld us, server CPU %5.1f us/request\n",
      connections, static_cast<double>(all.size()) / static_cast<double>(seconds), static_cast<long long>(all[all.size() / 2]),
      static_cast<long long>(all[all.size() * 99 / 100]), cpu * 1e6 / static_cast<double>(all.size()));
}

void run(int64_t seconds) {
  char name[] = "/tmp/savia_bench_XXXXXX";
  std::string folder = mkdtemp(name);
  {
    auto db = state::Database::open(folder + "/state.db", aws::Keys::migrations()).value();
    aws::Keys keys(*db, real_clock(), secure_random(), {.builtin = true});
    auto loop = net::Loop::create().value();
    services::Sts sts(keys, {});
    Metrics metrics;
    auto front = aws::Front::create(aws::all_models(), keys, {.loop = loop.get(), .metrics = &metrics}).value();
    front->bind("sts", sts.operations());
    int fd = net::listen_tcp("127.0.0.1:0").value();
    std::string endpoint = "http://" + net::bound_address(fd);
    auto server = net::HttpServer::create(*loop, fd, {}, front->handler()).value();
    std::thread thread([&] { loop->run(); });
    measure(endpoint, 1, seconds);
    measure(endpoint, 16, seconds);
    loop->stop();
    thread.join();
    front->stop();
    server.reset();
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace savia

int main(int argc, char** argv) {
  savia::run(argc > 1 ? std::atoll(argv[1]) : 5);
  return 0;
}
