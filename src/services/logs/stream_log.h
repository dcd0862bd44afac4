// One log stream's events on disk, in append-only segments.
//
// The problem: functions write lines all day, readers want them in order of time, by range, from either end, a page at a
// time and while writing goes on; a kill must not lose a line that was written, nor power loss one that was acknowledged;
// old lines must go without rewriting the rest. Rows would cost an index update and a share of the write-ahead log for each
// line, so lines are files:
//
//   <root>/<stream id>/00000001.log    sealed: header · records · footer
//                      00000002.log    active: header · records                <- writes go to its end, one write(2) a batch
//
//   record   u32 length · u32 CRC-32C · i64 timestamp · i64 ingestion time · message
//   footer   block index · summary · CRC, behind the records, when the segment is full or has covered a day
//
// Events may come late: a second batch may be older than the first. A file stays in order of arrival, and a *block* is a
// stretch of records in it, at most kLogBlockBytes, whose times do not decrease; a late batch simply begins a new block.
// Readers take the blocks that touch their range from all streams and merge them (event_merge.h), loading a block when the
// merge reaches its first time and dropping it at its end. For a stream in order that is one block at a time; the price of
// disorder is paid only by those who read it. Sorting at write time instead would rewrite; sorting at read time would hold
// a whole range in memory.
//
// An event's *ordinal* is segment << 32 | offset: unique in its stream, growing with arrival, and never reused, because ids of
// streams and numbers of segments are not. Tokens and event ids are made of time, stream id and ordinal.
//
// Crash: write(2) reaches the page cache, so a killed process loses nothing that was written. Power loss may cut or tear the
// tail: the active segment is scanned when it is first touched, and cut where the first record fails its CRC. What sync() had
// covered lies before that point. A segment that lost its footer is scanned once and given a new one. Damage inside a sealed
// segment costs the rest of that block, not more.
//
// Full disk: an append that does not fit leaves the file as it was (cut back) and answers kExhausted.
//
// Threads: all methods from any thread. `mutex_` guards the index and the end of the file, `sync_mutex_` (taken first) lets
// whoever needs durability wait for the sync that is under way instead of overtaking it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/logs/file_cache.h"
#include "services/logs/segment_format.h"
#include "state/disk_guard.h"

namespace savia::logs {

struct NewEvent {
  int64_t timestamp_ms = 0;
  std::string_view message;
};

class StreamLog;

// A block as a reader holds it: where its bytes are, and whose they are.
struct BlockRef {
  std::shared_ptr<StreamLog> stream;
  uint32_t segment = 0;
  Block block;
};

class StreamLog {
 public:
  StreamLog(std::string root, int64_t id, FileCache& files, state::DiskGuard& guard)
      : root_(std::move(root)), folder_(root_ + "/" + std::to_string(id)), id_(id), files_(files), guard_(guard) {}

  int64_t id() const { return id_; }
  // Visible to readers when it returns; durable after sync(). kNotFound when the stream has been deleted.
  Result<void> append(std::span<const NewEvent> events, int64_t ingestion_ms);
  Result<void> sync();
  Summary summary();
  // Appends the blocks that may hold events in [from_ms, to_ms].
  static void collect(const std::shared_ptr<StreamLog>& self, int64_t from_ms, int64_t to_ms, std::vector<BlockRef>& out);
  Result<std::string> read_block(uint32_t segment, const Block& block) const;
  // Removes segments whose newest event is older than `before_ms`; answers how many.
  int64_t expire(int64_t before_ms);
  void mark_deleted();  // further appends answer kNotFound
  void remove_files();  // after mark_deleted()
  bool idle();          // nothing to sync: may be forgotten and loaded again

 private:
  struct Segment {
    uint32_t number = 0;
    uint32_t data_end = 0;
    bool sealed = false;      // no more appends
    bool has_footer = false;  // the block index is in the file, not in `index`
    Summary summary;          // of a segment with a footer; else index.summary()
    BlockIndex index;
    const Summary& sums() const { return has_footer ? summary : index.summary(); }
  };

  std::string path(uint32_t number) const;
  Result<void> load();
  Result<bool> load_segment(uint32_t number, bool newest);
  Result<void> scan_segment(const os::Fd& fd, Segment& s, uint64_t file_size, bool newest);
  void seal(Segment& s);
  Result<void> start_segment();
  bool must_roll(const Segment& s, int64_t timestamp_ms) const;
  Result<Footer> read_footer(uint32_t number) const;
  Result<void> write_batch(Segment& s, std::span<const NewEvent> events, int64_t ingestion_ms);

  const std::string root_;
  const std::string folder_;
  const int64_t id_;
  FileCache& files_;
  state::DiskGuard& guard_;

  std::mutex sync_mutex_;
  std::mutex mutex_;
  bool loaded_ = false;
  bool deleted_ = false;
  bool folder_dirty_ = false;
  std::vector<Segment> segments_;  // by number; the last may be active
  uint32_t next_number_ = 1;
  std::vector<std::shared_ptr<os::Fd>> dirty_;
};

}  // namespace savia::logs
