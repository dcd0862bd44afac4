// Every limit of the program that is not a fact of one AWS operation stands here, with its unit and where it comes from.
#pragma once

#include <cstddef>
#include <cstdint>

namespace savia::limits {

// HTTP, both listeners.
inline constexpr size_t kHeadBytes = 32 * 1024;            // request line and headers of one request
inline constexpr size_t kHeaders = 128;                    // header fields of one request
inline constexpr size_t kEdgeBodyBytes = 10'485'760;       // API Gateway: 10 MB payload
inline constexpr size_t kApiBodyBytes = 72 * 1024 * 1024;  // AWS front: a 50 MB zip in base64, and its JSON around it
inline constexpr size_t kApiRequestBytes = 70'167'211;  // Lambda: "Request must be smaller than 70167211 bytes", less is read
inline constexpr int64_t kIdleConnectionMs = 75'000;    // keep-alive without a request
inline constexpr int64_t kHeadTimeoutMs = 10'000;       // from the first byte of a request to the end of its head
inline constexpr int64_t kBodyTimeoutMs = 60'000;       // between two reads of a body
inline constexpr int kListenBacklog = 1024;
inline constexpr size_t kConnections = 16'384;  // open client connections of one listener

// API Gateway integration timeouts (AWS: "Quotas for REST/HTTP APIs").
inline constexpr int64_t kRestIntegrationMs = 29'000;
inline constexpr int64_t kHttpIntegrationMs = 30'000;

// API Gateway's control planes. AWS starts at 300 resources or routes and 10 stages an API and raises them on request.
inline constexpr size_t kApiRoutes = 10'000;  // resources, or routes, or integrations of one API
inline constexpr size_t kApiStages = 100;
inline constexpr size_t kStageVariables = 100;
inline constexpr size_t kStageVariableNameBytes = 64;
inline constexpr size_t kStageVariableValueBytes = 512;
inline constexpr size_t kStageNameBytes = 128;
inline constexpr int64_t kIntegrationMinMs = 50;
inline constexpr int64_t kCompressionBytes = 10'485'760;  // the largest minimumCompressionSize
inline constexpr size_t kTags = 50;                       // of one resource
inline constexpr size_t kTagKeyBytes = 128;
inline constexpr size_t kTagValueBytes = 256;

// Lambda (AWS: "Lambda quotas").
inline constexpr size_t kInvokePayloadBytes = 6 * 1024 * 1024;          // synchronous, each way
inline constexpr size_t kRuntimeResponseBytes = 6 * 1024 * 1024 + 100;  // as the runtime API counts it
inline constexpr size_t kAsyncPayloadBytes = 1024 * 1024;
inline constexpr size_t kZipUploadBytes = 50 * 1024 * 1024;
inline constexpr size_t kUnzippedBytes = 262'144'000;  // 250 MB, code and layers together
inline constexpr size_t kZipEntries = 200'000;
inline constexpr size_t kLayersPerFunction = 5;
inline constexpr size_t kEnvironmentBytes = 4096;
inline constexpr int64_t kInitTimeoutMs = 10'000;
inline constexpr size_t kLogTailBytes = 4096;
inline constexpr int64_t kVersionsPerFunction = 100'000;  // rows read of one function at start; far beyond what people publish
inline constexpr size_t kEventsInFlight = 256;            // accepted events (Invoke Event) that run at a time
inline constexpr int64_t kUnreservedConcurrency = 100;
inline constexpr int64_t kCodeStorageBytes = 80'530'636'800;  // 75 GB, as GetAccountSettings prints it

// Function environments.
inline constexpr int64_t kAccountConcurrency = 1000;      // AWS's default: invocations of one account at a time
inline constexpr int64_t kEnvironmentMib = 80;            // what an idle web function keeps resident: how many fit a machine
inline constexpr int64_t kFreezeAfterMs = 100;            // idle this long, an environment is frozen
inline constexpr int64_t kReapAfterMs = 10 * 60 * 1000;   // idle this long, it is ended, unless it is its function's last
inline constexpr int64_t kScaleOutAfterMs = 8;            // short functions: wait for a busy environment this long first
inline constexpr size_t kLogLineBytes = 256 * 1024;       // CloudWatch Logs: one event
inline constexpr size_t kLogLinesPerInvocation = 10'000;  // further ones are dropped and counted
inline constexpr size_t kLogBytesPerInvocation = 4 * 1024 * 1024;
inline constexpr size_t kHostRelays = 256;  // open connections to host_ports, all functions together

// Codecs.
inline constexpr size_t kNestingDepth = 128;          // JSON, CBOR, XML and YAML documents
inline constexpr size_t kPayloadDepth = 1000;         // JSON that Savia passes on without reading it
inline constexpr size_t kDocumentValues = 4'000'000;  // of one JSON or CBOR document: 40 bytes of memory for 2 of text
inline constexpr size_t kYamlNodes = 200'000;         // of one YAML document after aliases are resolved
inline constexpr size_t kFormPairs = 10'000;          // fields of one query string or form

// Control plane.
inline constexpr size_t kEchoedValueBytes = 16 * 1024;  // of a wrong value, in the message that says so
inline constexpr size_t kValidationErrors = 100;        // spelled out in one message; more are only counted
inline constexpr size_t kControlThreads = 8;
inline constexpr size_t kControlQueue = 4096;            // requests waiting for a thread; more are answered 503
inline constexpr int64_t kClockSkewMs = 15 * 60 * 1000;  // SigV4
inline constexpr int64_t kPresignedMaxS = 7 * 24 * 3600;

// State (src/state).
inline constexpr size_t kGroupCommitRequests = 512;      // writes that share one transaction
inline constexpr size_t kReaderConnections = 8;          // readers at once; more wait
inline constexpr size_t kIdleReaders = 2;                // reader connections kept open while nobody reads
inline constexpr size_t kPreparedStatements = 256;       // kept per connection
inline constexpr int kWriterCacheKib = 1024;             // page cache of the writer
inline constexpr int kReaderCacheKib = 128;              // page cache of one reader; the kernel's cache is behind it
inline constexpr int64_t kWalCheckpointBytes = 4 << 20;  // above it the checkpoint thread works
inline constexpr int64_t kWalKeptBytes = 8 << 20;        // the log file keeps this length when it starts over
inline constexpr int64_t kWalHardBytes = 32 << 20;       // above it the writer itself empties the log
inline constexpr int64_t kDiskReserveBytes = 16 << 20;   // free space below which writes that grow state are refused
inline constexpr int64_t kDiskCheckMs = 100;             // how long an answer of statvfs is believed
inline constexpr int kDatabaseBusyMs = 5000;             // waiting for another process (a backup tool) to let go

// Sandboxes.
inline constexpr size_t kSandboxSpecBytes = 160 * 1024;  // argv, environment, mounts of one; it travels as one datagram
inline constexpr size_t kSandboxListeners = 64;          // their descriptors pass in one message (Linux: 253 at most)
inline constexpr size_t kSandboxMounts = 64;
inline constexpr size_t kSandboxes = 16'384;                   // alive at once; each has a user id and a /31 network of its own
inline constexpr size_t kWarmSandboxes = 2;                    // name spaces made ahead, so that a start does not wait for them
inline constexpr int64_t kSandboxInitBytes = 2 * 1024 * 1024;  // allowed on top of memory_mib for the init inside
inline constexpr int64_t kSandboxShmMib = 64;                  // /dev/shm
inline constexpr int64_t kSandboxPollMs = 50;                  // memory polling where there is no memory cgroup
inline constexpr int64_t kSandboxTmpStepMib = 32;              // by how much the memory limit is kept ahead of what /tmp holds
inline constexpr size_t kDnsQueries = 64;                      // relayed at once for one sandbox; more are dropped
inline constexpr int64_t kDnsTimeoutMs = 5'000;

// CloudWatch Logs (AWS: "CloudWatch Logs quotas", PutLogEvents, GetLogEvents).
inline constexpr size_t kLogEventBytes = 256 * 1024;  // one message and the overhead below
inline constexpr size_t kLogEventOverheadBytes = 26;  // what AWS adds to each event when it counts
inline constexpr size_t kLogBatchBytes = 1'048'576;   // PutLogEvents
inline constexpr size_t kLogAnswerBytes = 1'048'576;  // GetLogEvents, FilterLogEvents
inline constexpr int64_t kLogAnswerEvents = 10'000;
inline constexpr int64_t kLogTooOldMs = 14LL * 24 * 3600 * 1000;
inline constexpr int64_t kLogTooNewMs = 2LL * 3600 * 1000;
inline constexpr int64_t kLogBatchSpanMs = 24LL * 3600 * 1000;
inline constexpr int64_t kDescribePage = 50;
inline constexpr size_t kTagsPerResource = 50;
// Log segments on disk.
inline constexpr size_t kLogSegmentBytes = 4 << 20;               // a segment is sealed above it
inline constexpr int64_t kLogSegmentSpanMs = 24LL * 3600 * 1000;  // or when its events cover a day, so that days can expire
inline constexpr size_t kLogBlockBytes = 32 * 1024;               // what a reader loads at a time
inline constexpr size_t kLogOpenFiles = 64;
inline constexpr size_t kLogStreamsInMemory = 4096;    // indexes of idle streams above it are forgotten
inline constexpr size_t kLogScanBytes = 64 << 20;      // read by one FilterLogEvents before it answers with a token
inline constexpr size_t kLogBufferBytes = 8 << 20;     // lines of functions on their way to the disk; more are dropped
inline constexpr int64_t kLogGatherMs = 10;            // lines of functions that follow others reach the page cache after that
inline constexpr size_t kLogGatherBytes = 1 << 20;     // or when so many wait
inline constexpr int64_t kLogSyncMs = 1000;            // lines of functions are on disk after that
inline constexpr int64_t kLogExpireMs = 60'000;        // between two looks for expired segments
inline constexpr int64_t kLogNameChars = 512;          // of a group or a stream
inline constexpr int64_t kLogScanMs = 2000;            // the same in time: patterns may be costly
inline constexpr size_t kLogLostStreams = 1024;        // streams that are told of dropped lines; of more they are only counted
inline constexpr int64_t kFilterRegexBytes = 1 << 20;  // memory of one compiled regular expression in a pattern
inline constexpr size_t kFilterDepth = 32;             // parentheses inside each other in a filter pattern

}  // namespace savia::limits
