#include "edge/fuzz_entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  savia::fuzz::edge_event({reinterpret_cast<const char*>(data), size});
  return 0;
}
