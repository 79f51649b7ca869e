// What: what every Lua test needs: a host in memory with a clock moved by hand, a VM, and one
//       call to
//       compile and run a source over an event.
// Threads: one. Lifetime: a test. Limits: none. Failure: through GoogleTest.
#pragma once

#include "core/decimal.h"
#include "core/random.h"
#include "runtime/lua/lua_vm.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

class MemoryHost final : public LuaHost {
public:
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override {
        if (unavailable) return KvAnswer::kUnavailable;
        const auto found = rooms[static_cast<int>(space)].find(std::string(key));
        if (found == rooms[static_cast<int>(space)].end()) return KvAnswer::kAbsent;
        value_json += found->second;
        return KvAnswer::kFound;
    }
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override {
        if (unavailable) return KvAnswer::kUnavailable;
        for (const auto& [key, value] : rooms[static_cast<int>(space)]) {
            if (key.starts_with(prefix) && !visitor.entry(key, value)) break;
        }
        return KvAnswer::kFound;
    }
    bool secret(std::string_view name, std::string& value) override {
        const auto found = secrets.find(std::string(name));
        if (found == secrets.end()) return false;
        value += found->second;
        return true;
    }
    std::int64_t wall_us() override { return now_us; }
    std::int64_t monotonic_ns() override { return now_us * 1000; }
    std::uint64_t random() override { return generator.next(); }

    // What a commit does with the writes of a completed run.
    void commit(const InvocationResult& result);

    std::map<std::string, std::string> rooms[2];
    std::map<std::string, std::string> secrets;
    std::int64_t now_us = 1'700'000'000'123'456;
    core::Random generator{7};
    bool unavailable = false;
};

inline void MemoryHost::commit(const InvocationResult& result) {
    for (const KvOp& op : result.kv_ops) {
        auto& room = rooms[static_cast<int>(op.space)];
        const std::string key(op.key);
        if (op.kind == KvOp::Kind::kSet) {
            room[key] = op.value_json;
        } else if (op.kind == KvOp::Kind::kDelete) {
            room.erase(key);
        } else {
            core::Decimal sum;
            core::Decimal delta = core::Decimal::of(op.delta);
            if (!op.delta_text.empty()) (void)core::Decimal::parse(op.delta_text, delta);
            if (room.contains(key)) (void)core::Decimal::parse(room[key], sum);
            EXPECT_TRUE(sum.add(delta));
            room[key].clear();
            sum.append_to(room[key]);
        }
    }
}

inline constexpr std::string_view kInvoice =
    R"({"eventId":"inv-1","pattern":"invoice.created","version":"1.0",)"
    R"("source":{"type":"external","id":"shop"},"timestamp":"2026-01-31T12:00:00Z",)"
    R"("payload":{"amount":129.5,"currency":"EUR",)"
    R"("customer":{"id":"c-17","name":"J\u00f6rg \"J\""},)"
    R"("lines":[{"sku":"a","qty":2},{"sku":"b","qty":1}],"paid":false,"note":null,)"
    R"("big":9007199254740993,"huge":18446744073709551615,"low":-9223372036854775808,)"
    R"("empty":[],"none":{}},)"
    R"("metadata":{"correlationId":"corr-9"}})";

class LuaFixture : public ::testing::Test {
protected:
    void SetUp() override { reset(LuaVm::Options{}); }

    void reset(const LuaVm::Options& options) {
        vm.reset();
        auto created = LuaVm::create(options);
        ASSERT_TRUE(created) << created.error().message;
        vm = std::move(*created);
    }

    ScriptHandle compile(std::string_view source, const ScriptOptions& options = {}) {
        auto handle = vm->compile(source, "script", options);
        EXPECT_TRUE(handle) << handle.error().message << "\n" << source;
        return handle ? *handle : ScriptHandle{};
    }

    static EventInput input_of(std::string_view text) {
        EventInput input;
        input.text = text;
        input.tenant_id = "default";
        input.received_at_us = 1'700'000'000'000'000;
        return input;
    }

    const InvocationResult& run(ScriptHandle handle, std::string_view text = kInvoice) {
        return vm->invoke(handle, input_of(text), context, host);
    }
    const InvocationResult& run(std::string_view source, std::string_view text = kInvoice) {
        return run(compile(source), text);
    }
    // The result of `return <expression>` in a handler, as JSON text; the error text when it fails.
    std::string value_of(std::string_view expression, std::string_view text = kInvoice) {
        const ScriptHandle handle =
            compile("return function(event, ctx) return " + std::string(expression) + " end");
        const InvocationResult& result = run(handle, text);
        std::string value(result.completed() ? result.result_json : result.error);
        vm->remove(handle);
        return value;
    }

    MemoryHost host;
    InvocationContext context;
    std::unique_ptr<LuaVm> vm;
};

}  // namespace millrace::runtime
