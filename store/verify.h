// What: walks everything in a data folder that no server has open: each file's checksums, each
//       block's checksum, contents and place in its chain, summaries, outcomes, rows, identity
//       runs, the high-water mark. Changes nothing.
// Threads: one. Lifetime: none. Limits: at most kProblemsMax problems are told in words.
// Failure: an Error when the folder cannot be opened at all; damage found is in the report.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::store {

struct VerifyReport {
    static constexpr std::size_t kProblemsMax = 100;

    struct Shard {
        std::uint64_t first_offset = 0;
        std::uint64_t end_offset = 0;
        std::uint64_t blocks = 0;
        std::uint64_t stored_bytes = 0;
        std::uint64_t raw_bytes = 0;
        std::int64_t first_received_us = 0;
        std::int64_t last_received_us = 0;
    };
    std::vector<Shard> shards;
    std::uint64_t events = 0;
    std::uint64_t outcomes = 0;
    std::uint64_t retries = 0;
    std::uint64_t dead_letters = 0;
    std::uint64_t kv_values = 0;
    std::uint64_t documents = 0;
    std::uint64_t entities = 0;
    std::uint64_t identity_runs = 0;
    std::uint64_t problem_count = 0;
    std::vector<std::string> problems;

    bool ok() const { return problem_count == 0; }
};

core::Result<VerifyReport> verify(const std::string& data_folder);

}  // namespace millrace::store
