// What: calls whose answer is put together from what each partition has for itself: what is asked
//       of each of them, and how their answers become one.
// Threads: pure; `merge` is called once. Lifetime: owns what it needs of the request.
// Limits: those of the calls. Failure: an Error for what can not be asked of several.
#pragma once

#include "core/result.h"
#include "io/http_types.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

enum class Figures : std::uint8_t {
    kNone,
    kStats,
    kPulse,  // GET /v2/stats/stream: the newest second of kStats, each second
    kExecutors,
    kLog,
    kGroups,
    kUsage,
    kPreview,
    kSchemaCheck,
    kKv,
    kTrace,  // in rounds (runtime/node/trace_merge.h)
};
Figures figures_of(io::Method method, std::string_view path);

struct FiguresAsk {
    std::vector<std::string> targets;  // by partition
    // What one partition has not said makes an answer wrong, not less: all or none. Otherwise the
    // answer says who is `missing`.
    bool whole = false;
    std::function<core::Result<std::string>(std::span<const PartPage> parts,
                                            std::span<const std::size_t> missing)>
        merge;
};
core::Result<FiguresAsk> figures_ask(Figures which, std::string_view target,
                                     std::size_t partitions);

}  // namespace millrace::runtime::node
