#include "tests/sim/documents.h"

#include "tests/sim/model.h"

namespace millrace::sim {

namespace {

// What the model expects of a delivery is written here, in Lua.
constexpr std::string_view kCountScript = R"(return function(e, ctx)
  local p = e.payload
  if sdk.time.now() * 1e6 < p.at - 1 then sdk.kv.incr('early') end
  if ctx.replay then
    sdk.kv.incr('replayed:' .. ctx.replay.id .. ':' .. p.n)
    local name = ctx.replay.id .. ':' .. p.n .. ':' .. e.eventId
    if sdk.kv.incr('brought:' .. name) ~= 1 then sdk.kv.incr('again') end
    if p.fails == 0 and p.at == 0 and not ORDERED and not sdk.kv.get('seen:' .. p.n) then
      sdk.kv.incr('ahead')
    end
    return 0
  end
  if p.fails > 0 and ctx.attempt <= p.fails then error('as asked') end
  sdk.kv.incr('seen:' .. p.n)
  sdk.kv.incr('halves', 0.5)
  if p.emit then sdk.events.emit('derived.thing', {n = p.n}) end
  if p.edge then
    sdk.kv.incr((pcall(EDGES[p.edge], p) and 'edge-said:' or 'edge-refused:') .. p.n)
  end
  if p.at > 0 or (p.fails > 0 and not ORDERED) then return 0 end
  local turn = (sdk.kv.get('seq:' .. e.partitionKey) or 0) + 1
  sdk.kv.set('seq:' .. e.partitionKey, turn)
  return turn
end)";

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

}  // namespace

std::string script_document(std::string_view id, std::string_view source, std::string_view type) {
    return "{\"id\":" + quoted(id) + ",\"name\":" + quoted(id) + ",\"type\":" + quoted(type) +
           ",\"source\":" + quoted(source) + "}";
}

std::string count_script(bool ordered) {
    return "local ORDERED = " + std::string(ordered ? "true " : "false ") +
           std::string(emit_edges_script()) + std::string(kCountScript);
}

std::string subscription_document(std::string_view id, std::string_view pattern, bool ordered) {
    return "{\"id\":" + quoted(id) + ",\"name\":" + quoted(id) +
           ",\"pattern\":" + std::string(pattern) +
           ",\"executor\":{\"type\":\"script\",\"scriptId\":" + quoted(id) + "},\"ordering\":\"" +
           (ordered ? "key" : "none") +
           "\",\"retry\":{\"maxRetries\":" + std::to_string(kRetriesMax) +
           ",\"initialDelayMs\":20,\"maxDelayMs\":200,\"backoffFactor\":2,\"jitter\":false}}";
}

}  // namespace millrace::sim
