// Function code and layers on disk: the uploaded zips as blobs, and folders unpacked from them that sandboxes mount.
//
//   DATA/code/<sha256 of the zip>/           what a zip holds
//   DATA/opt/<sha256 of the layer list>/     layers merged in order, hard links into code/; one layer alone is its own folder
//
// The blob is the truth and durable before an upload is acknowledged; a folder is a cache that can be made again from it. So
// folders are not fsynced file by file (thousands of files a layer): a background pass writes the file system out once and
// then leaves `<folder>.ok` beside it. After a reboot only folders with that mark are believed, the others are unpacked again;
// after a mere restart of the program the page cache still holds everything, and all are.
//
// A folder lives as long as a row names its digest or someone holds its Tree (an environment that still runs old code).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "state/blobs.h"

namespace savia::lambda {

// A folder in use. Immutable.
struct Tree {
  std::string path;
};
using TreeHold = std::shared_ptr<const Tree>;

class CodeStore {
 public:
  // Makes the folders below `data_dir`, clears what a crash left half-made.
  static Result<std::unique_ptr<CodeStore>> open(const std::string& data_dir, state::Blobs& blobs);
  ~CodeStore();

  struct Zip {
    std::string digest;  // SHA-256 of the zip, 64 hex digits
    int64_t size = 0;
    int64_t unpacked = 0;
    TreeHold tree;
  };
  // Checks, stores and unpacks a zip. kInvalid: no zip, or one that is refused (the text names entry and reason); kExhausted
  // with "unzipped" in it: unpacks to more than limits::kUnzippedBytes.
  Result<Zip> add(std::string_view bytes);
  Result<TreeHold> code(const std::string& digest);                        // unpacks it when the folder is gone
  Result<TreeHold> merged(const std::vector<std::string>& layer_digests);  // null for none
  Result<std::string> zip_file(std::string_view digest) const;             // the blob's file

  // Deletes folders that nobody holds and that are not in these sets: at start everything on disk is looked at, later only
  // what was let go since the last call. `lists`: ordered layer lists in use.
  Result<void> collect(const std::set<std::string>& zips, const std::set<std::vector<std::string>>& lists);
  bool has_garbage() const;  // something was let go since the last collect()
  // Writes new folders out and marks them (see above). Slow: for a background thread.
  void settle();
  Result<void> wipe();

 private:
  struct State;
  explicit CodeStore(std::shared_ptr<State> state, state::Blobs& blobs);
  Result<void> make_code(const std::string& digest, std::string_view zip_bytes, const std::string& into);
  Result<void> make_merged(const std::vector<TreeHold>& layers, const std::string& into);
  Result<TreeHold> get(const std::string& key, const std::function<Result<void>(const std::string& into)>& make);
  std::shared_ptr<State> state_;  // shared with the Trees, which may outlive the store by a moment at shutdown
  state::Blobs& blobs_;
};

}  // namespace savia::lambda
