// Fuzzes what a front reads where events live by their keys: bodies that it cuts up, owners'
// answers that it puts together, cursors, pages and streams. Whatever owners say, an answer is
// JSON and accepts no more entries than there are; a cursor that reads is written as it was.
#include "core/assert.h"
#include "core/buffer.h"
#include "core/json_dom.h"
#include "io/sized_pools.h"
#include "runtime/node/ingest_merge.h"
#include "runtime/node/page_merge.h"
#include "runtime/node/stream_merge.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace millrace::runtime::node;
namespace core = millrace::core;
namespace io = millrace::io;

namespace {

void split(std::string_view text, BodyForm form) {
    std::string padded(text);
    padded.append(core::kPaddingBytes, ' ');
    static EntrySplit entries;
    IdMaker ids("f_");
    const auto plan = entries.read({.text = std::string_view(padded).substr(0, text.size()),
                                    .form = form,
                                    .content_type = "application/json"},
                                   {.tenant = "t", .hash_seed = 1, .partitions = 3}, ids);
    if (!plan) return;
    io::SizedPools pools;
    for (const SplitEntry& entry : plan->entries) {
        MR_ASSERT(entry.partition < 3);
        io::BodyWriter out(pools);
        append_entry(out, entry, ids);
        core::JsonDom dom;
        const bool is_binary = form == BodyForm::kCloudEventBinary;
        MR_ASSERT(is_binary || dom.parse(out.view()));
    }
}

void merge_answers(std::string_view text) {
    SplitPlan plan;
    for (std::uint32_t i = 0; i < 4; ++i) plan.entries.push_back({.number = i, .partition = i % 2});
    constexpr std::array<std::uint32_t, 2> even = {0, 2}, odd = {1, 3};
    const std::size_t half = text.size() / 2;
    const std::array<PartAnswer, 2> parts = {
        {{0, PartAnswer::Fate::kAnswered, 202, text.substr(0, half), even},
         {1, PartAnswer::Fate::kAnswered, 202, text.substr(half), odd}}};
    io::SizedPools pools;
    io::BodyWriter out(pools);
    merge_ingest(plan, IdMaker("f_"), parts, out);
    core::JsonDom dom;
    auto root = dom.parse(out.view());
    MR_ASSERT(root);
    std::uint64_t accepted = 0, duplicates = 0;
    core::JsonElement member;
    core::JsonArray rejected;
    MR_ASSERT(root->find("accepted", member) && member.get(accepted));
    MR_ASSERT(root->find("duplicates", member) && member.get(duplicates));
    MR_ASSERT(root->find("rejected", member) && member.get(rejected));
    MR_ASSERT(accepted + duplicates + rejected.size() == 4);
}

void read_pages(std::string_view text) {
    const std::size_t half = text.size() / 2;
    const std::array<PartPage, 2> pages = {{{0, text.substr(0, half)}, {2, text.substr(half)}}};
    for (const MergeOrder order : {MergeOrder::kNewestFirst, MergeOrder::kOldestFirst}) {
        const auto merged = merge_pages(pages, MergedCursor(3), {.order = order, .limit = 5});
        core::JsonDom dom;
        MR_ASSERT(!merged || dom.parse(*merged));
    }
    const auto counts = merge_counts(pages, MergedCursor(3));
    core::JsonDom dom;
    MR_ASSERT(!counts || dom.parse(*counts));
    const auto cursor = read_merged_cursor(text, 3);
    MR_ASSERT(!cursor || text.empty() || write_merged_cursor(*cursor) == text);
}

// The same from any pieces.
void read_stream(std::string_view text) {
    const auto read = [text](std::size_t bytes) {
        std::string out;
        SseReader reader;
        for (std::size_t at = 0; at < text.size(); at += bytes)
            reader.feed(text.substr(at, bytes), [&out](const SseReader::Message& m) {
                out.append(m.event).append("|").append(m.id).append("|").append(m.data).append(
                    "\n");
            });
        return out;
    };
    MR_ASSERT(text.size() > 4096 || read(1) == read(text.size() + 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    if (bytes == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, bytes - 1);
    switch (data[0] % 8) {
        case 0: split(text, BodyForm::kJson); break;
        case 1: split(text, BodyForm::kNdjson); break;
        case 2: split(text, BodyForm::kCloudEvent); break;
        case 3: split(text, BodyForm::kCloudEventBatch); break;
        case 4: split(text, BodyForm::kCloudEventBinary); break;
        case 5: merge_answers(text); break;
        case 6: read_pages(text); break;
        default: read_stream(text); break;
    }
    return 0;
}
