#include "os/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

namespace savia::os {
namespace {

constexpr uintptr_t kPage = 4096;

// Only segments that nothing writes: there every page is the file's. Relocated constants (RELRO) lie in a writable segment.
int release_object(dl_phdr_info* info, size_t, void*) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (info->dlpi_addr + segment.p_vaddr) & ~(kPage - 1);
    const uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz + kPage - 1) & ~(kPage - 1);
    if (begin != 0) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // the vDSO refuses
  }
  return 0;
}

}  // namespace

void release_unused_memory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(release_object, nullptr);
}

}  // namespace savia::os
