// What: a body of events, cut into what each partition gets, where events live by their keys: one
//       pass of the engine's own parser finds each entry's key, and its bytes go on as they came.
//       Entries that do not read are refused here, by their places in what was sent. An event
//       without an id gets one: a repeat of it has to meet the same partition.
// Threads: pure but for IdMaker, which has one owner.
// Lifetime: a plan's entries point into the body and into the plan's own text.
// Limits: SplitRules. Failure: an Error where the body as a whole is refused.
#pragma once

#include "core/event_parser.h"
#include "core/result.h"
#include "io/body_writer.h"
#include "io/http_types.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

// Ids for events that come without one: a prefix drawn at the start, and a number.
class IdMaker {
public:
    explicit IdMaker(std::string prefix) : prefix_(std::move(prefix)) {}
    std::uint64_t next() { return ++last_; }
    std::string text(std::uint64_t number) const { return prefix_ + std::to_string(number); }

private:
    std::string prefix_;
    std::uint64_t last_ = 0;
};

enum class BodyForm : std::uint8_t {
    kJson,
    kNdjson,
    kCloudEvent,       // structured
    kCloudEventBatch,  // whose entries go on as they are
    kCloudEventBinary,
};
// By Content-Type and headers, as the events' own door has it; nothing: it refuses them there.
std::optional<BodyForm> body_form(std::string_view content_type,
                                  std::span<const io::HeaderField> headers);

struct SplitRules {
    std::string_view tenant;
    std::uint64_t hash_seed = 0;
    std::size_t partitions = 1;
    std::size_t event_bytes_max = core::kEventBytesMax;
    std::size_t entries_max = core::kBatchEventsMax;
};

struct SplitBody {
    std::string_view text;  // padded
    BodyForm form = BodyForm::kJson;
    std::string_view content_type = {};
    std::span<const io::HeaderField> headers = {};
};

struct SplitEntry {
    std::uint32_t number = 0;  // in the client's body
    std::uint32_t partition = 0;
    std::string_view raw = {};
    std::uint64_t made = 0;  // of IdMaker; 0: it came with an id
};

struct SplitRefusal {
    std::uint32_t number = 0;
    core::Error error;
};

struct SplitPlan {
    std::vector<SplitEntry> entries;  // by number
    std::vector<SplitRefusal> refused;
    bool single = false;  // one object that is no batch
    bool as_came = true;  // the body may go on as it came: nothing of it was made or refused here
    std::string text;     // of a body that was written anew
    std::string_view content_type = "application/json";  // of the parts

    // Where all of it goes; nothing: to several, or nowhere.
    std::optional<std::size_t> only_partition() const;
};

class EntrySplit {
public:
    EntrySplit();
    // The plan may point into the body.
    core::Result<SplitPlan> read(const SplitBody& body, const SplitRules& rules, IdMaker& ids);

private:
    core::Status read_native(SplitPlan& plan, const SplitBody& body, const SplitRules& rules,
                             IdMaker& ids);
    core::Status read_older(SplitPlan& plan, const SplitBody& body, const SplitRules& rules,
                            IdMaker& ids);
    core::Status read_cloud_batch(SplitPlan& plan, const SplitBody& body, const SplitRules& rules);
    core::Status read_cloud_event(SplitPlan& plan, const SplitBody& body, const SplitRules& rules);
    core::Status walk(SplitPlan& plan, std::string_view text, core::BatchFormat format,
                      const SplitRules& rules, IdMaker* ids);

    core::EventParser parser_;
};

// One entry as it goes on.
void append_entry(io::BodyWriter& out, const SplitEntry& entry, const IdMaker& ids);

}  // namespace millrace::runtime::node
