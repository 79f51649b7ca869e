// Fuzzes what a handler does with JSON: its decoder takes what the event parser's validator takes,
// and what its encoder writes of that the decoder takes again; the view of a valid object can be
// walked, and is encoded as the text it stands for.
#include "core/assert.h"
#include "core/json_validate.h"
#include "runtime/lua/lua_vm.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace millrace;
using namespace millrace::runtime;

constexpr std::string_view kSource = R"lua(
local function walk(v)
    local kind = sdk.json.type(v)
    if kind ~= "object" and kind ~= "array" then return end
    for _, inner in pairs(v) do walk(inner) end
    if kind == "array" then for i = #v, 1, -1 do walk(v[i]) end end
end
local function has_huge(v)
    if type(v) == "table" then
        for _, inner in pairs(v) do if has_huge(inner) then return true end end
    end
    return v == math.huge or v == -math.huge
end
return function(event)
    local text = sdk.kv.get("text")
    local ok, value = pcall(sdk.json.decode, text)
    if ok and not has_huge(value) then sdk.json.decode(sdk.json.encode(value)) end
    walk(event)
    sdk.json.copy(event)
    sdk.log.info(event, event)
    return ok
end)lua";

class TextHost final : public LuaHost {
public:
    KvAnswer kv_get(KvSpace, std::string_view, std::string& value) override {
        value = quoted;
        return KvAnswer::kFound;
    }
    KvAnswer kv_list(KvSpace, std::string_view, KvVisitor&) override { return KvAnswer::kFound; }
    bool secret(std::string_view, std::string&) override { return false; }
    std::int64_t wall_us() override { return 1; }
    std::int64_t monotonic_ns() override { return 1; }
    std::uint64_t random() override { return 4; }
    std::string quoted;
};

// The text as a JSON string whose bytes come back as they are: only ASCII is tried.
bool quote(std::string_view text, std::string& out) {
    constexpr char kHex[] = "0123456789abcdef";
    out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80) return false;
        out += "\\u00";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
    }
    out += '"';
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    static const std::unique_ptr<LuaVm> vm = std::move(*LuaVm::create({}));
    static const ScriptHandle handle = *vm->compile(kSource, "fuzz", {});
    static TextHost host;
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    if (!quote(text, host.quoted)) return 0;
    const bool valid = core::json_validate(text).has_value();
    const std::string event = valid && text.find('{') == 0 ? std::string(text) : "{}";
    EventInput input;
    input.kind = EventInput::Kind::kValue;
    input.text = event;
    const InvocationResult& result = vm->invoke(handle, input, {}, host);
    MR_ASSERT(result.completed() && result.result_json == (valid ? "true" : "false"));
    return 0;
}
