// What: the few file operations that the store does itself, beside RocksDB.
// Threads: any. Lifetime: none. Limits: none. Failure: Errors with path and errno's text.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::store {

// With its parents, each of them a name that stays.
core::Status make_folder(const std::string& path);
core::Status sync_folder(const std::string& path);  // makes renames inside durable
core::Status read_file(const std::string& path, std::string& out);
bool file_exists(const std::string& path);
std::uint64_t free_disk_bytes(const std::string& folder);  // 0 when unknown

tl::unexpected<core::Error> file_error(std::string_view operation, const std::string& path,
                                       int error_number);

}  // namespace millrace::store
