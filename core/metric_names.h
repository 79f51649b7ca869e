// What: the one list of metrics: name, kind, labels, help. Code, export and documentation come from
//       it. The script... names are part of the outside contract and stay as they are.
// Threads: constants. Lifetime: none. Failure: none.
// Limits: a label that begins with '=' has a small closed set of values and is never folded; the
//       others become "other" beyond Metrics::Options::series_max.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace millrace::core {

enum class MetricKind : std::uint8_t { kCounter, kGauge, kHistogram };

// enumerator, name, kind, labels, help
#define MILLRACE_METRICS(X)                                                                        \
    X(kEventsReceived, "scripts_events_received_total", kCounter, "event_type",                    \
      "Events taken into the log, emitted ones too")                                               \
    X(kEventsProcessed, "scripts_events_processed_total", kCounter, "event_type,=status",          \
      "Events whose deliveries all had a first outcome: completed, failed or unmatched")           \
    X(kAttempts, "script_events_processed_total", kCounter, "event_type,script_id,=status",        \
      "Delivery attempts by outcome")                                                              \
    X(kAttemptSeconds, "script_event_processing_duration_seconds", kHistogram,                     \
      "event_type,script_id", "Time of one delivery attempt")                                      \
    X(kQueueSize, "script_event_queue_size", kGauge, "",                                           \
      "Deliveries waiting: in memory, in the log, for a time, a retry or their key's turn")        \
    X(kEventsDropped, "script_events_dropped_total", kCounter, "",                                 \
      "Events that a handler emitted and ingest refused: stays 0")                                 \
    X(kQueueSeconds, "script_event_queue_time_seconds", kHistogram, "",                            \
      "Time between the event's entry and the start of its first attempt")                         \
    X(kDlqEntries, "script_dlq_entries", kGauge, "", "Entries in the dead-letter queue")           \
    X(kDlqPendingRetries, "script_dlq_pending_retries", kGauge, "",                                \
      "Failed deliveries waiting for a retry")                                                     \
    X(kDlqRetries, "script_dlq_retries_total", kCounter, "=result",                                \
      "Retries and dead-letter replays by result")                                                 \
    X(kHttpRequests, "millrace_http_requests_total", kCounter, "=status",                          \
      "HTTP requests answered, by class of status: 2xx, 4xx, ...")                                 \
    X(kHttpConnections, "millrace_http_connections", kGauge, "", "Open HTTP connections")          \
    X(kSocketConnections, "millrace_socket_connections", kGauge, "",                               \
      "Open NDJSON socket connections")                                                            \
    X(kGrpcCalls, "millrace_grpc_calls_total", kCounter, "=method,=status",                        \
      "gRPC calls that have ended, by the method's and the status's name")                         \
    X(kGrpcCallsOpen, "millrace_grpc_calls_open", kGauge, "", "gRPC calls under way")              \
    X(kHttp2Ended, "millrace_http2_connections_ended_total", kCounter, "=why",                     \
      "HTTP/2 connections ended for what came on them: flood, headers or protocol")                \
    X(kConnectionsRefused, "millrace_connections_refused_total", kCounter, "=face",                \
      "Connections or requests turned away because there was no room for them")                    \
    X(kBytesReceived, "millrace_received_bytes_total", kCounter, "",                               \
      "Bytes of events taken into the log")                                                        \
    X(kEventsDuplicate, "millrace_events_duplicate_total", kCounter, "",                           \
      "Events that were in the log already")                                                       \
    X(kEventsRejected, "millrace_events_rejected_total", kCounter, "=code",                        \
      "Events refused, by error code")                                                             \
    X(kEventsEmitted, "millrace_events_emitted_total", kCounter, "", "Events emitted by handlers") \
    X(kCommits, "millrace_log_commits_total", kCounter, "", "Group commits of the log writer")     \
    X(kBlocks, "millrace_log_blocks_total", kCounter, "", "Blocks written to the log")             \
    X(kBlockBytes, "millrace_log_block_bytes_total", kCounter, "",                                 \
      "Compressed bytes of blocks written")                                                        \
    X(kCommitSeconds, "millrace_log_commit_duration_seconds", kHistogram, "",                      \
      "Time of one group commit")                                                                  \
    X(kUnsyncedBytes, "millrace_log_unsynced_bytes", kGauge, "",                                   \
      "Bytes acknowledged at level os or memory and not yet synced")                               \
    X(kRowsSetAside, "millrace_store_rows_set_aside", kGauge, "",                                  \
      "Stored rows and documents that cannot be read and are passed over")                         \
    X(kMatched, "millrace_matches_total", kCounter, "",                                            \
      "Pairs of event and subscription that matched")                                              \
    X(kMatcherVerified, "millrace_matcher_verified_total", kCounter, "",                           \
      "Sampled events that were matched by the reference too")                                     \
    X(kMatcherDisagreements, "millrace_matcher_disagreements_total", kCounter, "",                 \
      "Sampled events on which the matcher and its reference disagreed: stays 0")                  \
    X(kSubscriptions, "millrace_subscriptions", kGauge, "", "Subscriptions registered")            \
    X(kScripts, "millrace_scripts", kGauge, "", "Scripts registered")                              \
    X(kLanesCold, "millrace_shards_cold", kGauge, "",                                              \
      "Shards whose deliveries are read back from the log")                                        \
    X(kKeysWaiting, "millrace_keys_waiting", kGauge, "",                                           \
      "Partition keys whose later events wait behind a retry, by subscription")                    \
    X(kFeederEvents, "millrace_feeder_events_total", kCounter, "",                                 \
      "Events read back from the log for delivery")                                                \
    X(kScriptKills, "millrace_script_kills_total", kCounter, "=reason",                            \
      "Script runs stopped: deadline or memory")                                                   \
    X(kReplayDeliveries, "millrace_replay_deliveries_total", kCounter, "=result",                  \
      "Deliveries made by replays")                                                                \
    X(kWorkflowRunsBegun, "millrace_workflow_runs_begun_total", kCounter, "",                      \
      "Runs of workflows that have begun")                                                         \
    X(kWorkflowRunsEnded, "millrace_workflow_runs_ended_total", kCounter, "=status",               \
      "Runs of workflows that have ended, by how")                                                 \
    X(kWorkflowRunsRemoved, "millrace_workflow_runs_removed_total", kCounter, "",                  \
      "Runs of workflows that retention has removed")                                              \
    X(kWorkflowRunsActive, "millrace_workflow_runs_active", kGauge, "",                            \
      "Runs of workflows that do something now")                                                   \
    X(kWorkflowRunsSleeping, "millrace_workflow_runs_sleeping", kGauge, "",                        \
      "Runs of workflows that wait for time, events or signals")                                   \
    X(kLinkEntries, "millrace_link_entries_total", kCounter, "tenant,link,=outcome",               \
      "Of links: entries taken, duplicate, rejected and missed of a source, sent and failed of a " \
      "sink")                                                                                      \
    X(kLinkLag, "millrace_link_lag", kGauge, "tenant,link",                                        \
      "What a link's source has and is not read yet: bytes of a file, entries of a stream")        \
    X(kLinkUp, "millrace_link_up", kGauge, "tenant,link", "1 while a link's peer is there")        \
    X(kEdgeEvents, "millrace_edge_events_total", kCounter, "tenant,edge,=outcome",                 \
      "Of edges, at their hub: events taken, duplicate and rejected, and those skipped as not "    \
      "wanted")                                                                                    \
    X(kEdgeLag, "millrace_edge_lag", kGauge, "tenant,edge",                                        \
      "Events that an edge had and the hub had not, when it was heard last")                       \
    X(kHubEvents, "millrace_hub_events_total", kCounter, "=outcome",                               \
      "Of this edge: events that its hub has, those skipped, and those dropped unsent")            \
    X(kHubBytes, "millrace_hub_bytes_total", kCounter, "", "Bytes of batches sent to the hub")     \
    X(kHubLag, "millrace_hub_lag", kGauge, "", "Events that are here and not at the hub yet")      \
    X(kHubUp, "millrace_hub_up", kGauge, "", "1 while the hub answers")                            \
    X(kOutboxEntries, "millrace_outbox_entries", kGauge, "=to",                                    \
      "Events that handlers, links and edges here have made for another partition and that are "   \
      "not there yet")                                                                             \
    X(kOutboxOldestAge, "millrace_outbox_oldest_age_seconds", kGauge, "=to",                       \
      "How long the oldest of those has waited; 0: none waits")                                    \
    X(kOutboxEvents, "millrace_outbox_events_total", kCounter, "=to,=outcome",                     \
      "Events for another partition: sent, which are durable there, and failed, which were sent "  \
      "and not taken and are sent again")                                                          \
    X(kOtlpSpans, "millrace_otlp_spans_total", kCounter, "=outcome",                               \
      "Spans of deliveries: sent to the collector, dropped before, and those it refused")          \
    X(kOtlpUp, "millrace_otlp_up", kGauge, "", "1 while the collector takes what it is sent")      \
    X(kBuildInfo, "millrace_build_info", kGauge, "=version,=io", "1: what runs here")              \
    X(kDiskFree, "millrace_disk_free_bytes", kGauge, "",                                           \
      "Room that is left on the data folder's disk")                                               \
    X(kDiskReserve, "millrace_disk_reserve_bytes", kGauge, "",                                     \
      "Events are refused while less than this is free")                                           \
    X(kDiskShort, "millrace_disk_short_total", kCounter, "",                                       \
      "Times that events came to be refused for want of room on the disk")                         \
    X(kMemoryLimit, "millrace_memory_limit_bytes", kGauge, "",                                     \
      "Memory that the process may take; 0: no limit")                                             \
    X(kMemoryHeld, "millrace_memory_held_bytes", kGauge, "",                                       \
      "Memory of its own that the process holds, without pages of files")                          \
    X(kMemoryShort, "millrace_memory_short_total", kCounter, "",                                   \
      "Times that events came to be refused for want of memory")                                   \
    X(kRecovered, "millrace_recovered", kGauge, "",                                                \
      "1 when the process before did not close the data folder")                                   \
    X(kFormatUpgraded, "millrace_format_upgraded", kGauge, "",                                     \
      "1 when this process has brought the data folder into a newer format")                       \
    X(kProcessCpuSeconds, "process_cpu_seconds_total", kCounter, "",                               \
      "Processor time of the process, user and system")                                            \
    X(kProcessResident, "process_resident_memory_bytes", kGauge, "", "Resident memory")            \
    X(kProcessVirtual, "process_virtual_memory_bytes", kGauge, "", "Address space in use")         \
    X(kProcessStart, "process_start_time_seconds", kGauge, "",                                     \
      "When the process began, in seconds of Unix time")                                           \
    X(kProcessOpenFiles, "process_open_fds", kGauge, "", "Open file descriptors")                  \
    X(kProcessFilesMax, "process_max_fds", kGauge, "", "Most file descriptors that may be open")   \
    X(kProcessThreads, "process_threads", kGauge, "", "Threads")

enum class Metric : std::uint16_t {
#define X(enumerator, name, kind, labels, help) enumerator,
    MILLRACE_METRICS(X)
#undef X
};

inline constexpr Metric kAllMetrics[] = {
#define X(enumerator, name, kind, labels, help) Metric::enumerator,
    MILLRACE_METRICS(X)
#undef X
};
inline constexpr std::size_t kMetricCount = std::size(kAllMetrics);

}  // namespace millrace::core
