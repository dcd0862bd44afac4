#include "codec/fuzz_entry.h"

// libfyaml 0.7 does not free all of a document that breaks inside deep flow collections; what a process loses so is bounded
// by the size of the files that it reads.
extern "C" int __lsan_is_turned_off(void);
extern "C" int __lsan_is_turned_off(void) {
  return 1;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  savia::fuzz::yaml({reinterpret_cast<const char*>(data), size});
  return 0;
}
