// What the server, the helper and the init inside a sandbox say to each other: datagrams on SOCK_SEQPACKET pairs, so that
// one send is one message, descriptors ride with it (SCM_RIGHTS) and the end of a process is seen as the end of the stream.
//
// Strict steps. Server to helper: a request, answered once under its number. Helper to init: kWarm (init says that its name
// spaces stand), kRun (one spec), kReady or kFailed (one answer), kExit (how the main process ended), end of stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/fd.h"
#include "sandbox/sandbox.h"

namespace savia::sandbox {

enum class Op : uint32_t {
  // helper -> server
  kHello = 1,  // facilities
  kStarted,    // pid, counts; descriptors
  kFailed,     // kind, text: the answer to any request that failed
  kExited,     // unasked, under the number of the start
  kDone,       // a request without an answer of its own succeeded
  kUsageReply,
  // server -> helper
  kPrepare,  // begin to keep warm sandboxes
  kStart,
  kMountInto,
  kSetLimits,
  kFreeze,
  kThaw,
  kKill,
  kUsage,
  // helper <-> init
  kWarm,
  kRun,
  kReady,
  kExit,
};

struct Message {
  Op op{};
  uint64_t number = 0;
  std::string body;
  std::vector<os::Fd> fds;

  Message() = default;
  Message(Message&&) = default;
  Message& operator=(Message&&) = default;
  ~Message();  // wipes the body: specs carry environments, and the helper forks every other sandbox's init
};

class Writer {
 public:
  Writer& num(int64_t v);
  Writer& str(std::string_view s);
  const std::string& bytes() const { return out_; }

 private:
  std::string out_;
};

// Reads what Writer wrote. After the first short field everything is zero or empty and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  int64_t num();
  std::string_view str();
  bool ok() const { return ok_; }
  std::string_view rest() const { return in_; }

 private:
  std::string_view in_;
  bool ok_ = true;
};

// fds are borrowed. kUnavailable: the socket is full (non-blocking); kConflict: the other end is gone.
Result<void> send_message(int sock, Op op, uint64_t number, std::string_view body, const std::vector<int>& fds = {});
// nullopt: nothing there yet (non-blocking). kConflict: the other end is gone.
Result<std::optional<Message>> receive_message(int sock);

// A connected pair, close-on-exec, with room for a whole spec.
Result<std::pair<os::Fd, os::Fd>> make_pair();

std::string encode_error(const Error& error);
Error decode_error(std::string_view body);

// A spec as it travels: with what the server adds to it.
struct WireSpec {
  Spec spec;
  std::string resolv_conf;  // content of /etc/resolv.conf inside
  bool dns_relay = false;   // make a UDP and a TCP listener on port 53 of the gateway address, after the spec's listeners
};
std::string encode_spec(const WireSpec& spec);
Result<WireSpec> decode_spec(std::string_view body);

void encode_mounts(Writer& out, const std::vector<Mount>& mounts);
std::vector<Mount> decode_mounts(Reader& in);

std::string encode_facilities(const Facilities& f);
Facilities decode_facilities(std::string_view body);

}  // namespace savia::sandbox
