// Memory of this process that the system may have back.
#pragma once

namespace savia::os {

// What only the start needed: pages of code and constants leave the page table, free heap goes back. The next use of a page is
// a soft fault that finds it in the page cache. For processes that have done their start and wait; costs some 0.1 ms.
void release_unused_memory();

}  // namespace savia::os
