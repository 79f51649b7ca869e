// Goal: no document and no message of a client harms, a mistake is told within the text, what is
// taken stays within its limits, and its result is JSON.
#include "core/assert.h"
#include "core/json_dom.h"
#include "runtime/graphql/introspection.h"
#include "runtime/graphql/request.h"
#include "runtime/graphql/result_writer.h"
#include "runtime/graphql/socket_protocol.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::graphql {
namespace {

constexpr std::string_view kAnswer =
    R"({"items":[{"eventId":"e","id":"i","payload":{"a":[1,null]},"source":{"type":"task"}},7],)"
    R"("next":null,"eventId":"e","id":1,"metadata":{"context":{"id":[]}},"attempts":[{"at":""}]})";

std::size_t count_of(const std::vector<PlannedField>& fields, std::size_t depth) {
    MR_ASSERT(depth <= kIntrospectionDepthMax);
    std::size_t count = 0;
    for (const PlannedField& field : fields) {
        MR_ASSERT(field.field != nullptr && !field.key.empty());
        count += 1 + count_of(field.fields, depth + 1);
    }
    return count;
}

void use(const PreparedOperation& operation) {
    MR_ASSERT(count_of(operation.plan().fields, 0) <= kSelectionsMax);
    core::JsonDom from, written;
    core::JsonElement root, result;
    MR_ASSERT(from.read(kAnswer, root));
    for (const PlannedField& field : operation.plan().fields) {
        std::string out;
        if (is_introspection(field)) {
            if (!write_introspection(field, out)) continue;
        } else {
            MR_ASSERT(write_result(field, root, {}, out));
        }
        MR_ASSERT(written.read(out, result));
    }
}

void run(std::string_view query, std::string_view variables) {
    const auto made = PreparedOperation::make({std::string(query), {}, std::string(variables)});
    if (made) return use(**made);
    const core::Error& error = made.error();
    MR_ASSERT(error.position <= static_cast<std::int64_t>(query.size()));
    core::JsonDom dom;
    core::JsonElement root;
    MR_ASSERT(dom.read(errors_document(error, query), root));
}

}  // namespace
}  // namespace millrace::runtime::graphql

// A first byte 'v': the first line is the variables. 'm': each line is a message of a WebSocket.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace::runtime::graphql;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (text.starts_with('m')) {
        SocketProtocol protocol;
        for (text.remove_prefix(1); !text.empty();) {
            const std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(text.size(), line.size() + 1));
            const SocketTurn turn = protocol.take(line);
            if (turn.what == SocketTurn::What::kSubscribe) (void)read_request(turn.text);
        }
        return 0;
    }
    std::string_view variables;
    if (text.starts_with('v')) {
        variables = text.substr(1, text.find('\n') - 1);
        text.remove_prefix(std::min(text.size(), text.find('\n')));
    }
    run(text, variables);
    return 0;
}
