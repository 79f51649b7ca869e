#include "runtime/server/grpc_figures.h"

#include "runtime/grpc/methods.h"
#include "runtime/grpc/status.h"

#include <string>
#include <utility>

namespace millrace::runtime {

void GrpcFigures::count(const GrpcTally& tally) {
    count_connections(tally.http2);
    if (tally.ended_calls == counted_.ended_calls) return;
    counted_.ended_calls = tally.ended_calls;
    static_assert(GrpcTally::kMethods == static_cast<std::size_t>(grpc::MethodId::kLast) + 2);
    for (std::size_t method = 0; method < tally.ended.size(); ++method) {
        const std::string name = method < grpc::methods().size()
                                     ? std::string(grpc::methods()[method].path.substr(1))
                                     : "unknown";
        for (std::size_t code = 0; code < tally.ended[method].size(); ++code) {
            const std::uint64_t now = tally.ended[method][code];
            const std::uint64_t before = std::exchange(counted_.ended[method][code], now);
            if (now == before) continue;
            role_
                .counter(core::Metric::kGrpcCalls,
                         {name, grpc::code_text(static_cast<grpc::Code>(code))})
                .add(now - before);
        }
    }
}

void GrpcFigures::count_connections(const io::Http2Counters& now) {
    io::Http2Counters& counted = counted_.http2;
    const auto add = [this](std::string_view why, std::uint64_t& before, std::uint64_t value) {
        if (value != before)
            role_.counter(core::Metric::kHttp2Ended, {why})
                .add(value - std::exchange(before, value));
    };
    add("flood", counted.floods, now.floods);
    add("headers", counted.header_floods, now.header_floods);
    add("protocol", counted.protocol_errors, now.protocol_errors);
}

}  // namespace millrace::runtime
