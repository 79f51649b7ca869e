// Fuzzes what an edge sends: with a sum that fits, so that what is behind it is reached. What is
// taken accounts for each of its offsets, and comes out the same when it is written again.
#include "core/assert.h"
#include "runtime/hub/edge_events.h"
#include "runtime/hub/hub_batch.h"
#include "store/commit/crc32c.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace {

using namespace millrace::runtime;
using namespace millrace::runtime::hub;

void check(const Batch& batch) {
    std::uint64_t offsets = batch.events.size();
    for (const OffsetRange& range : batch.skipped) offsets += range.to - range.from;
    MR_ASSERT(offsets == batch.head.to - batch.head.from);
    BatchWriter writer;
    writer.begin(batch.head.from);
    for (const BatchEvent& event : batch.events) writer.add(event);
    for (const OffsetRange& range : batch.skipped) writer.skip(range.from, range.to);
    const auto again = read_batch(writer.finish(batch.head));
    MR_ASSERT(again && again->events.size() == batch.events.size());
    for (std::size_t i = 0; i < again->events.size(); ++i) {
        MR_ASSERT(again->events[i].offset == batch.events[i].offset);
        MR_ASSERT(again->events[i].text == batch.events[i].text);
    }
    EdgeNode edge;
    edge.id = "e";
    LaneResult result;
    std::string lines;
    (void)EdgeEvents(100'000).append(edge, batch, lines, result);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    std::string text(reinterpret_cast<const char*>(data), bytes);
    if (const auto batch = read_batch(text)) check(*batch);
    if (text.size() < sizeof(BatchHead)) return 0;
    std::memcpy(text.data(), "MRB1", 4);
    const std::uint32_t sum = millrace::store::crc32c(std::string_view(text).substr(8));
    std::memcpy(text.data() + 4, &sum, sizeof sum);
    if (const auto batch = read_batch(text)) check(*batch);
    return 0;
}
