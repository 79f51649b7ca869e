// What: figures of several partitions as one answer of the form that one server gives: executors,
//       what a tenant uses, the last lines of the log.
// Threads: pure. Lifetime: borrows. Limits: of lines, what was asked for.
// Failure: an Error that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <span>
#include <string>

namespace millrace::runtime::node {

// GET /v2/executors: what runs, may run and waits adds up; a breaker is open where one is.
core::Result<std::string> merge_executors(std::span<const PartPage> parts,
                                          std::span<const std::size_t> missing);

// GET /v2/tenants/{id}/usage: what is registered is in each partition and counted once, what is
// held and done adds up.
core::Result<std::string> merge_usage(std::span<const PartPage> parts,
                                      std::span<const std::size_t> missing);

// GET /v2/log: the newest `limit` lines of all, each with its partition.
core::Result<std::string> merge_log(std::span<const PartPage> parts,
                                    std::span<const std::size_t> missing, std::size_t limit);

}  // namespace millrace::runtime::node
