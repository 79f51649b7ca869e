#include "tools/offline/fixture.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/executors/trial_answers.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace millrace::tools {
namespace {

using runtime::KvAnswer;
using runtime::KvSpace;

// 2026-01-01: what a fixture has for now unless it says so.
constexpr std::int64_t kNowUs = 1'767'225'600'000'000;

// {"key": value} in the common room, or a list of {"space","namespace","key","value"}.
void read_kv(core::JsonObject& in, Fixture& out) {
    const auto given = in.any("kv");
    if (!given || given->is_null()) return;
    core::JsonMembers members;
    if (given->get(members)) {
        for (const core::JsonMember member : members) {
            std::string value;
            core::append_json(value, member.value);
            out.kv[{KvSpace::kKv, std::string(1, '\0') + std::string(member.key)}] = value;
        }
        return;
    }
    core::JsonArray list;
    if (!given->get(list)) return in.refuse("kv", "must be an object of values, or a list");
    for (const core::JsonElement item : list) {
        core::JsonMembers entry;
        if (!item.get(entry)) return in.refuse("kv", "must hold objects");
        core::JsonObject one(entry, "kv[]");
        std::string space = "kv", room, key;
        one.text("space", space);
        one.text("namespace", room);
        one.text("key", key, {.presence = core::Presence::kRequired, .bytes_max = 4096});
        const auto value = one.any("value");
        const auto before = one.any("before");  // as a trial tells it
        (void)one.any("op");
        (void)one.finish();
        in.join(one);
        const auto held = value ? value : before;
        if (!held || held->is_null()) continue;
        std::string text;
        core::append_json(text, *held);
        out.kv[{space == "cache" ? KvSpace::kCache : KvSpace::kKv, room + '\0' + key}] = text;
    }
}

void read_secrets(core::JsonObject& in, Fixture& out) {
    const auto given = in.any("secrets");
    core::JsonMembers members;
    if (!given || !given->get(members)) return;
    for (const core::JsonMember member : members) {
        std::string_view value;
        if (!member.value.get(value)) return in.refuse("secrets", "must be an object of texts");
        out.secrets.emplace(member.key, value);
    }
}

core::Status read_script(core::JsonObject& in, const std::string& folder, Fixture& out) {
    std::string path, type = "event";
    in.text("script", path, {.presence = core::Presence::kRequired, .bytes_min = 1});
    in.text("scriptType", type);
    in.integer("timeoutMs", out.script.timeout_ms, 1, runtime::kScriptTimeoutMsMax);
    if (!in.ok()) return in.finish();
    const std::filesystem::path at(path);
    auto source = read_file((at.is_absolute() ? at : std::filesystem::path(folder) / at).string());
    if (!source) return core::fail(std::move(source.error()));
    out.script.source = std::move(*source);
    out.script.id = out.script.name = at.stem().string();
    out.what.event_is_value = type == "api" || type == "endpoint";
    return {};
}

// Numbers by their digits, members in any order.
bool same_json(core::JsonElement one, core::JsonElement other) {
    core::JsonArray a, b;
    if (one.get(a) && other.get(b)) {
        if (a.size() != b.size()) return false;
        auto at = b.begin();
        for (const core::JsonElement item : a) {
            if (!same_json(item, *at)) return false;
            ++at;
        }
        return true;
    }
    core::JsonMembers members, others;
    if (one.get(members) && other.get(others)) {
        if (members.size() != others.size()) return false;
        for (const core::JsonMember member : members) {
            core::JsonElement twin;
            if (!others.find(member.key, twin) || !same_json(member.value, twin)) return false;
        }
        return true;
    }
    if (one.type() != other.type()) return false;
    std::string_view text, twin;
    if (one.get(text) && other.get(twin)) return text == twin;
    double number = 0, same = 0;
    if (one.get(number) && other.get(same)) return number == same;
    return one.raw() == other.raw();
}

// What a test says of a list's items: each of the expected members, others may be there.
bool holds(core::JsonElement actual, core::JsonElement expected) {
    core::JsonMembers wanted;
    core::JsonArray items, wanted_items;
    if (actual.get(items) && expected.get(wanted_items)) {
        if (items.size() != wanted_items.size()) return false;
        auto at = wanted_items.begin();
        for (const core::JsonElement item : items) {
            if (!holds(item, *at)) return false;
            ++at;
        }
        return true;
    }
    if (!actual.is_object() || !expected.get(wanted)) return same_json(actual, expected);
    for (const core::JsonMember member : wanted) {
        core::JsonElement there;
        if (!actual.find(member.key, there)) {
            if (!member.value.is_null()) return false;
        } else if (member.key == "payload" || member.key == "after" || member.key == "input") {
            if (!same_json(there, member.value)) return false;
        } else if (!holds(there, member.value)) {
            return false;
        }
    }
    return true;
}

}  // namespace

core::Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return core::fail(core::ErrorCode::kNotFound, "file '" + path + "' can't be read");
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (text.size() > kFixtureBytesMax)
        return core::fail(core::ErrorCode::kPayloadTooLarge,
                          "file '" + path + "' is longer than 16777216 bytes");
    return text;
}

core::Result<Fixture> read_fixture(std::string_view text, const std::string& folder) {
    Fixture out;
    core::JsonDocument document;
    auto in = document.parse_object(text, "fixture");
    if (!in) return core::fail(std::move(in.error()));
    in->text("name", out.name, {.bytes_max = 256});
    if (auto read = read_script(*in, folder, out); !read) return core::fail(read.error());
    if (in->object("event", core::Presence::kRequired))
        core::append_json(out.what.event, *in->any("event"));
    out.what.now_us = kNowUs;
    out.what.seed = runtime::kTrialSeed;
    in->timestamp("now", out.what.now_us);
    in->text("subscriptionId", out.what.subscription_id);
    read_kv(*in, out);
    read_secrets(*in, out);
    read_recorded_answers(*in, "calls", out.what.answers);
    if (in->object("expect")) core::append_json(out.expected, *in->any("expect"));
    (void)in->any("note");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    out.what.event_id = "evt_fixture";
    return out;
}

runtime::TrialOutcome run_fixture(Fixture& fixture, runtime::LuaWatchdogSlot* slot) {
    runtime::TrialCase& what = fixture.what;
    what.script = &fixture.script;
    what.kv_get = [&](KvSpace space, std::string_view key, std::string& value) {
        const auto at = fixture.kv.find({space, std::string(key)});
        if (at == fixture.kv.end()) return KvAnswer::kAbsent;
        value += at->second;
        return KvAnswer::kFound;
    };
    what.kv_list = [&](KvSpace space, std::string_view prefix,
                       runtime::LuaHost::KvVisitor& visitor) {
        for (const auto& [key, value] : fixture.kv) {
            if (key.first == space && std::string_view(key.second).starts_with(prefix) &&
                !visitor.entry(key.second, value))
                break;
        }
        return KvAnswer::kFound;
    };
    what.secret = [&](std::string_view name, std::string& value) {
        const auto at = fixture.secrets.find(std::string(name));
        if (at != fixture.secrets.end()) value += at->second;
        return at != fixture.secrets.end();
    };
    return runtime::try_script(what, slot);
}

std::string outcome_json(const runtime::TrialOutcome& outcome) {
    std::string body = "{";
    runtime::append_trial(body, outcome);
    return body + "}";
}

std::vector<std::string> compare_fixture(const Fixture& fixture,
                                         const runtime::TrialOutcome& outcome) {
    std::vector<std::string> differences;
    core::JsonDom expected_dom, actual_dom;
    core::JsonElement expected, actual;
    const std::string actual_text = outcome_json(outcome);
    if (!actual_dom.read(actual_text, actual)) return {"the outcome is no JSON"};
    if (fixture.expected.empty()) {
        if (outcome.status != "completed")
            differences.push_back("status: " + std::string(outcome.status) + ": " + outcome.error);
        return differences;
    }
    core::JsonMembers members;
    if (!expected_dom.read(fixture.expected, expected) || !expected.get(members))
        return {"expect is no object"};
    for (const core::JsonMember member : members) {
        core::JsonElement there;
        const bool found = actual.find(member.key, there);
        std::string_view text, wanted;
        bool same = found && holds(there, member.value);
        if (member.key == "result") same = found && same_json(there, member.value);
        if (member.key == "error" && found && there.get(text) && member.value.get(wanted))
            same = text.find(wanted) != std::string_view::npos;
        if (same) continue;
        std::string line(member.key);
        if (!found) {
            differences.push_back(line + ": there is nothing of that name to expect");
            continue;
        }
        line += ": expected ";
        core::append_json(line, member.value);
        line += ", got ";
        core::append_json(line, there);
        differences.push_back(std::move(line));
    }
    return differences;
}

}  // namespace millrace::tools
