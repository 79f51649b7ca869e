// POST /v2/schedules/bulk: many schedules with one sync. Each is taken or refused by itself.
#include "io/error_body.h"
#include "runtime/api/handlers.h"
#include "runtime/api/own_subscription.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kSchedulesPerCallMax = 1'000;

struct ScheduleBulkBody {
    std::vector<std::string> schedules;
    bool dry_run = false;
    std::int64_t expect = -1;  // as many are to be taken; none: whatever can be
};

core::Result<ScheduleBulkBody> read_schedule_bulk(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text);
    if (!in) return core::fail(std::move(in.error()));
    ScheduleBulkBody out;
    in->boolean("dryRun", out.dry_run);
    in->integer("expect", out.expect, 0, kSchedulesPerCallMax);
    core::JsonArray array;
    const auto given = in->any("schedules", core::Presence::kRequired);
    if (given && !given->get(array)) in->refuse("schedules", "is no array");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    for (const core::JsonElement one : array) {
        core::append_json(out.schedules.emplace_back(), one);
        if (out.schedules.size() <= kSchedulesPerCallMax) continue;
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "schedules: more than " +
                                          std::to_string(kSchedulesPerCallMax) + " in one call")
                              .in("schedules")
                              .bound(kSchedulesPerCallMax));
    }
    return out;
}

class ScheduleBulk {
public:
    explicit ScheduleBulk(Call& call) : call_(call) {}

    void take(const ScheduleBulkBody& body, bool dry_run) {
        for (std::size_t i = 0; i < body.schedules.size(); ++i) {
            auto id = take_one(body.schedules[i], dry_run);
            if (id)
                ids_.push_back(std::move(*id));
            else
                refuse(i, std::move(id.error()));
        }
    }
    std::size_t taken() const { return ids_.size(); }
    // The first one's error, when nothing was taken.
    const std::optional<core::Error>& first() const { return first_; }
    std::string text(bool dry_run) const {
        std::string out;
        core::JsonWriter json(out);
        json.begin_object().field("success", true).field("created", dry_run ? 0 : ids_.size());
        json.field("count", ids_.size()).field("dryRun", dry_run).key("ids").begin_array();
        for (const std::string& id : ids_) json.value(id);
        json.end_array().raw_field("rejected", "[" + rejected_ + "]").end_object();
        return out;
    }

private:
    core::Result<std::string> take_one(std::string_view body, bool dry_run) {
        ChangeContext context = change_context(call_);
        context.if_match = {};
        context.dry_run = dry_run;
        auto& table = call_.services.registry().table<Schedule>();
        const auto make = [&] { return table.create(context, body, bounds_of<Schedule>(call_)); };
        if (dry_run) return would_take(make());
        auto both = change_both<Schedule>(call_, make);
        if (!both) return core::fail(std::move(both.error()));
        std::string id = both->document.after->id;
        OwnChange own;  // nothing closes with a beginning
        if (auto answer = changed_owning<Schedule>(call_, std::move(both), 201, own); !answer)
            return core::fail(std::move(answer.error()));
        return id;
    }
    core::Result<std::string> would_take(core::Result<DocumentChange<Schedule>>&& made) {
        if (!made) return core::fail(std::move(made.error()));
        std::string id = made->after->id;
        if (seen_.insert(id).second) return id;
        return core::fail(
            core::Error(core::ErrorCode::kConflict, "schedule \"" + id + "\" comes twice")
                .in("id"));
    }
    void refuse(std::size_t index, core::Error&& error) {
        if (!rejected_.empty()) rejected_ += ',';
        core::JsonWriter json(rejected_);
        json.begin_object().field("index", index).raw_field("error", io::error_object(error));
        json.end_object();
        if (!first_) first_ = std::move(error);
    }

    Call& call_;
    std::vector<std::string> ids_;
    std::set<std::string> seen_;  // of a dry run
    std::string rejected_;
    std::optional<core::Error> first_;
};

}  // namespace

Answer create_schedules(Call& call) {
    const auto body = read_schedule_bulk(call.request.body_view());
    if (!body) return core::fail(body.error());
    if (body->dry_run || body->expect >= 0) {
        ScheduleBulk would(call);
        would.take(*body, true);
        if (body->expect >= 0 && static_cast<std::size_t>(body->expect) != would.taken()) {
            return core::fail(core::Error(core::ErrorCode::kConflict,
                                          "expect: " + std::to_string(would.taken()) + " of " +
                                              std::to_string(body->schedules.size()) +
                                              " can be made")
                                  .in("expect"));
        }
        if (body->dry_run) return json_response(200, would.text(true));
    }
    ScheduleBulk bulk(call);
    Registry& registry = call.services.registry();
    registry.begin_many();
    bulk.take(*body, false);
    if (auto durable = registry.end_many(); !durable) return core::fail(durable.error());
    if (bulk.taken() == 0 && bulk.first()) return core::fail(*bulk.first());
    return json_response(201, bulk.text(false));
}

}  // namespace millrace::runtime::api
