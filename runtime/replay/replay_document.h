// What: a replay as it is kept in the registry, so that it goes on after a restart: what was asked,
//       where each shard stands, what was counted.
// Threads: pure. Lifetime: values. Limits: none. Failure: a document that does not read is an
//       Error.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/replay/replay_types.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kReplayKind = "replay";

struct ReplayState {
    ReplaySpec spec;
    ReplayProgress progress;
    // By shard:
    std::vector<core::LogOffset> first;  // where it began; an older version did not tell
    std::vector<core::LogOffset> next;   // everything below is delivered, and is in the counts
    std::vector<core::LogOffset> begun;  // nothing at or behind it has been handed over
    std::vector<core::LogOffset> end;    // where it ends: the log's end when it began, at most
};

std::string replay_document(const ReplayState& state);
// Finds a version of a script again; null when it is gone.
using FindScriptVersion = std::function<std::shared_ptr<const Script>(
    core::TenantId tenant, std::string_view id, std::uint32_t version)>;
// `find` may be empty: the scripts of a dry run are left out then.
core::Result<ReplayState> parse_replay_document(std::string_view json,
                                                const FindScriptVersion& find = {});

}  // namespace millrace::runtime
