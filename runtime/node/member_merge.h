// What: objects of several partitions that have the same members as one object, member by member:
//       numbers add up, unless a rule says what else a member means. Members come in the order in
//       which they are first met.
// Threads: pure. Lifetime: borrows. Limits: those of the texts.
// Failure: none; what has no number counts as nothing, and of texts the first one is taken.
#pragma once

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

// One partition's value of a member. A member that it does not have is not among them.
struct PartValue {
    std::size_t partition = 0;
    core::JsonElement value;
};
using PartValues = std::span<const PartValue>;

// Writes one value that stands for all; never called with none.
using ValueMerge = void (*)(core::JsonWriter& json, PartValues values);

void sum_of(core::JsonWriter& json, PartValues values);
void largest_of(core::JsonWriter& json, PartValues values);
void smallest_of(core::JsonWriter& json, PartValues values);
void first_of(core::JsonWriter& json, PartValues values);  // that is not null
void true_of_all(core::JsonWriter& json, PartValues values);
void true_of_any(core::JsonWriter& json, PartValues values);
// Texts in the order of their bytes, which is that of times: nulls are none.
void earliest_of(core::JsonWriter& json, PartValues values);
void latest_of(core::JsonWriter& json, PartValues values);
// Arrays of objects behind one another, each with its `partition`.
void each_of(core::JsonWriter& json, PartValues values);

struct MemberRule {
    std::string_view path;  // "store.bytes"
    ValueMerge merge;
};
// Objects go member by member, numbers are summed, anything else is the first one's.
void merge_members(core::JsonWriter& json, PartValues objects, std::span<const MemberRule> rules);
// The same without the braces, for whoever has more to say.
void append_members(core::JsonWriter& json, PartValues objects, std::span<const MemberRule> rules);

// An object's own members, and behind them the partition that it is of, whatever it says of that
// itself. What is no object stays as it is.
void append_with_partition(core::JsonWriter& json, const PartValue& object);
std::string with_partition(std::string_view object, std::size_t partition);

// ,"missing":[3]: partitions that have not said theirs. Nothing where all have.
void append_missing(core::JsonWriter& json, std::span<const std::size_t> missing);

// The values of one member, of those objects that have it.
std::vector<PartValue> values_of(PartValues objects, std::string_view name);

}  // namespace millrace::runtime::node
