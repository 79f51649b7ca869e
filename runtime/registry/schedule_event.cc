#include "runtime/registry/schedule_event.h"

#include "core/buffer.h"
#include "core/event_parser.h"
#include "core/hex.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/own_events.h"

#include <xxhash.h>

#include <array>

namespace millrace::runtime {
namespace {

// The server says these.
constexpr std::string_view kRefused[] = {"eventId", "timestamp", "scheduledAt", "tenantId",
                                         kScheduleMember};

void append_schedule_member(core::JsonWriter& json, const Schedule& schedule,
                            const ScheduleRun& run, bool late) {
    json.key(kScheduleMember).begin_object().field("id", schedule.id);
    json.field("scheduledAt", core::format_timestamp(run.due_us));
    json.field("periodicity", periodicity_of(schedule)).field("late", late).end_object();
}

bool names(std::string_view quoted, std::string_view name) {
    return quoted.size() == name.size() + 2 && quoted.substr(1, name.size()) == name;
}

}  // namespace

std::string schedule_event_id(const Schedule& schedule, const ScheduleRun& run) {
    const std::array<std::uint64_t, 4> parts = {schedule.tenant.value, schedule.number.value,
                                                static_cast<std::uint64_t>(run.due_us), run.serial};
    const XXH128_hash_t hash = XXH3_128bits(parts.data(), sizeof parts);
    std::string id = "sd_";
    core::append_hex(id, hash.high64);
    core::append_hex(id, hash.low64);
    return id;
}

void append_schedule_event(std::string& out, const Schedule& schedule, const ScheduleRun& run,
                           bool late) {
    core::JsonWriter json(out);
    json.begin_object().field("eventId", schedule_event_id(schedule, run));
    bool sourced = false;
    if (schedule.event.empty()) {
        json.field("pattern", schedule_pattern(schedule)).key("payload").begin_object();
        json.field("scheduleId", schedule.id);
        json.field("scheduledAt", core::format_timestamp(run.due_us));
        json.field("periodicity", periodicity_of(schedule)).end_object();
    } else {
        scan_members(schedule.event, [&](std::string_view key, std::string_view value) {
            sourced |= names(key, "source");
            json.key(key.substr(1, key.size() - 2)).raw(value);
            return true;
        });
    }
    if (!sourced) {
        json.key("source").begin_object().field("type", "task").field("id", schedule.id);
        json.end_object();
    }
    json.field("timestamp", core::format_timestamp(run.due_us));
    append_schedule_member(json, schedule, run, late);
    json.end_object();
}

core::Status check_schedule_event(Schedule& schedule) {
    const auto refuse = [](core::Error&& error) {
        std::string member = "event";
        if (!error.field.empty()) member += "." + error.field;
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "event: " + error.message).in(member));
    };
    if (schedule.event.size() > kScheduleEventBytesMax) {
        return refuse(
            core::Error(core::ErrorCode::kValidation,
                        "is longer than " + std::to_string(kScheduleEventBytesMax) + " bytes"));
    }
    core::Status status;
    scan_members(schedule.event, [&](std::string_view key, std::string_view) {
        for (const std::string_view name : kRefused) {
            if (names(key, name) && status) {
                status = refuse(core::Error(core::ErrorCode::kValidation,
                                            std::string(name) + " is made when it is due")
                                    .in(std::string(name)));
            }
        }
        return true;
    });
    if (!status) return status;
    std::string text;
    append_schedule_event(text, schedule, {}, false);
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    if (auto read =
            parser.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr);
        !read)
        return refuse(std::move(read.error()));
    if (!schedule.from_row && is_own_event(envelope.pattern)) return refuse(own_event_refused());
    schedule.source_type = envelope.source_type;
    schedule.source_id = envelope.source_id;
    return {};
}

}  // namespace millrace::runtime
