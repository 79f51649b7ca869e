#include "tests/sim/emit_edges.h"

#include "core/buffer.h"
#include "core/event_parser.h"
#include "core/json_walker.h"
#include "core/limits.h"

#include <algorithm>

namespace millrace::sim {

namespace {

enum Kind : std::size_t {
    kNone,
    kContextType,
    kContextNumber,
    kContextGood,
    kMixedKeys,
    kControlCharacter,
    kPatternBytes,
    kPartitionKeyBytes,
    kDepth,
    kKeys,
    kBytes,
    kKinds
};

// In the order of Kind.
constexpr std::string_view kScript = R"(local EDGES = {
  function(p) sdk.events.emit('derived.edge', {n=p.n}, {context={type='nope', id='x'}}) end,
  function(p) sdk.events.emit('derived.edge', {n=p.n}, {context={type='user', id=5}}) end,
  function(p) sdk.events.emit('derived.edge', {n=p.n}, {context={type='user', id='u'}}) end,
  function(p) sdk.events.emit('derived.edge', {n=p.n, [1]='a', ['1']='b'}) end,
  function(p) sdk.events.emit('derived.edge\1', {n=p.n}) end,
  function(p) sdk.events.emit('derived.edge' .. ('p'):rep(p.size - 12), {n=p.n}) end,
  function(p) sdk.events.emit('derived.edge', {n=p.n}, {partitionKey=('k'):rep(p.size)}) end,
  function(p)
    local t = {n=p.n}
    local at = t
    for _ = 2, p.size do at.a = {}; at = at.a end
    sdk.events.emit('derived.edge', t)
  end,
  function(p)
    local t = {n=p.n}
    for i = 2, p.size do t['k' .. i] = i end
    sdk.events.emit('derived.edge', t)
  end,
  function(p) sdk.events.emit('derived.edge', {n=p.n, text=('x'):rep(p.size)}) end,
}
)";

// As a client would send it.
std::string as_sent(std::size_t kind, std::size_t size) {
    std::string payload = R"({"n":1)";
    if (kind == kDepth) {
        for (std::size_t i = 1; i < size; ++i) payload += R"(,"a":{"b":1)";
        payload.append(size - 1, '}');
    } else if (kind == kKeys) {
        for (std::size_t i = 2; i <= size; ++i)
            payload += ",\"k" + std::to_string(i) + "\":" + std::to_string(i);
    }
    return R"({"pattern":"a","payload":)" + payload + "}}";
}

}  // namespace

EmitEdge EmitEdge::draw(core::Random& random) {
    EmitEdge out;
    // What takes long to write comes seldom.
    out.kind = 1 + random.below(random.below(8) == 0 ? kKinds - 1 : kKeys - 1);
    const auto around = [&random](std::size_t limit) { return limit - 2 + random.below(4); };
    switch (out.kind) {
        case kPatternBytes: out.size = around(core::kPatternBytesMax); break;
        case kPartitionKeyBytes: out.size = around(core::kPartitionKeyBytesMax); break;
        case kDepth: out.size = around(core::kJsonDepthMax); break;
        case kKeys: out.size = around(core::kJsonKeysPerObjectMax); break;
        // The envelope around it has some hundred bytes.
        case kBytes: out.size = core::kEventBytesMax - random.below(600); break;
        default: break;
    }
    return out;
}

std::string EmitEdge::members() const {
    if (kind == kNone) return "";
    return ",\"edge\":" + std::to_string(kind) + ",\"size\":" + std::to_string(size);
}

std::optional<bool> EmitEdge::taken() const {
    switch (kind) {
        case kContextGood: return true;
        case kPatternBytes: return size <= core::kPatternBytesMax;
        case kPartitionKeyBytes: return size <= core::kPartitionKeyBytesMax;
        case kDepth:
        case kKeys: return check_emitted_text(as_sent(kind, size)).empty();
        case kBytes: return std::nullopt;
        default: return false;
    }
}

std::string_view emit_edges_script() { return kScript; }

std::string check_emitted_text(std::string_view text) {
    std::string padded(text);
    padded.append(std::max(core::kWalkerPaddingBytes, core::kPaddingBytes), ' ');
    core::EventParser parser;
    core::Envelope envelope;
    const core::Status status = parser.parse_one(std::string_view(padded).substr(0, text.size()),
                                                 nullptr, envelope, nullptr);
    return status ? "" : status.error().message;
}

}  // namespace millrace::sim
