// What: links as all partitions that run them tell them, as one answer, where a tenant's events
//       live by their keys: the document is the home's, a source's status too (it is read there
//       alone). Of a sink each partition sends what it has: counts and lag are sums, its state is
//       that of the one which is worst off, and "partitions" says what each of them is at.
// Threads: pure. Lifetime: borrows. Limits: none.
// Failure: kInternal that names the partition whose answer does not read.
#pragma once

#include "core/result.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <span>
#include <string>

namespace millrace::runtime::node {

// Of one link, or of a page of them. The home's is among them.
core::Result<std::string> merge_link(std::span<const PartPage> parts, std::size_t home);
core::Result<std::string> merge_links(std::span<const PartPage> parts, std::size_t home);

}  // namespace millrace::runtime::node
