#include "aws/protocol/fuzz_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  savia::fuzz::protocol_query({reinterpret_cast<const char*>(data), size});
  return 0;
}
