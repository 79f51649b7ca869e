// What: the JSON answers of several partitions, read, and lists in them put together by what their
//       items are of.
// Threads: one owner. Lifetime: owns its texts' copies; values and names until it goes.
// Limits: those of the texts.
// Failure: an Error that names the partition whose answer does not read.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/node/member_merge.h"
#include "runtime/node/page_merge.h"

#include <deque>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node {

class PartBodies {
public:
    core::Status read(std::span<const PartPage> parts);
    PartValues values() const { return values_; }
    // A member of all: the lists, the counts.
    std::vector<PartValue> member(std::string_view name) const { return values_of(values_, name); }

private:
    std::deque<core::JsonDom> texts_;
    std::vector<PartValue> values_;
};

// The items of arrays of objects by the texts of these members, in the order in which each is first
// met.
using Grouped = std::vector<std::pair<std::string, std::vector<PartValue>>>;
Grouped grouped_by(PartValues lists, std::initializer_list<std::string_view> members);

// A member's number; 0 where there is none.
std::uint64_t count_in(core::JsonElement object, std::string_view member);
// A member's text; empty where there is none.
std::string_view text_in(core::JsonElement object, std::string_view member);

}  // namespace millrace::runtime::node
