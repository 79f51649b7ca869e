// What: what a shard's gRPC face has counted, among the metrics.
// Threads: the shard's. Lifetime: borrows its role of the metrics. Limits: none. Failure: none.
#pragma once

#include "core/metrics.h"
#include "runtime/edge/grpc_connection.h"

namespace millrace::runtime {

class GrpcFigures {
public:
    explicit GrpcFigures(core::MetricsRole& role) : role_(role) {}

    // Once a duty cycle; what is counted there only ever grows.
    void count(const GrpcTally& tally);

private:
    void count_connections(const io::Http2Counters& now);

    core::MetricsRole& role_;
    GrpcTally counted_;
};

}  // namespace millrace::runtime
