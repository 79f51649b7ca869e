// What: GET /v2/kv of several partitions as one list in the order of keys, each item with its
//       partition; a key that several have is there several times, lowest partition first.
//       Its cursor is two keys and a partition, however many partitions there are: what has been
//       told of all of them, and of those up to that one.
// Threads: pure. Lifetime: borrows. Limits: those of keys.
// Failure: read_kv_cursor() is nothing for what is none of ours; merge_kv() names the partition
//       whose page does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

struct KvPlace {
    std::string all;   // each partition's keys up to this one have been told; empty: none
    std::string some;  // up to this one, those of `partition` and lower ones
    std::uint64_t partition = 0;
    // What a partition is asked with.
    const std::string& behind(std::size_t of) const { return of <= partition ? some : all; }
};
std::string write_kv_cursor(const KvPlace& place);
std::optional<KvPlace> read_kv_cursor(std::string_view text);  // empty text: from the first

core::Result<std::string> merge_kv(std::span<const PartPage> parts, KvPlace place,
                                   std::size_t limit);

}  // namespace millrace::runtime::node
