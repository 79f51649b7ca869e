// What: what the stream of a partition is called, and how it is made. Only `millrace cluster init`
//       makes one, once: a node whose folder is new must not put an empty stream in the place of
//       one that was lost.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::cluster {

inline constexpr std::uint32_t kPartitionsMax = 1024;

std::string stream_name(std::string_view cluster, std::uint32_t partition);
std::string stream_subject(std::string_view cluster, std::uint32_t partition);
// No part of the stream: what followers tell of their disks.
std::string synced_subject(std::string_view cluster, std::uint32_t partition);
// The body of $JS.API.STREAM.CREATE.<name>. A ring: what is oldest leaves when it is full; replicas
// hold what it said before.
std::string stream_config(std::string_view name, std::string_view subject, std::uint32_t replicas,
                          std::uint64_t log_bytes);

}  // namespace millrace::runtime::cluster
