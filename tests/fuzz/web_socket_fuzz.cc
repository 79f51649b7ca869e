// Goal: a client's bytes mean the same however they are cut, and no message is larger than it may
// be.
#include "io/web_socket.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace millrace::io;

namespace {

std::string read(std::string_view bytes, std::size_t piece, WsClose& fault) {
    std::string out;
    WsDecoder decoder;
    while (!bytes.empty()) {
        decoder.feed(bytes.substr(0, piece), [&](WsOpcode opcode, std::string_view payload) {
            if (payload.size() > kWsMessageBytesMax) std::abort();
            out += static_cast<char>(opcode);
            out += payload;
            out += '\n';
        });
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    fault = decoder.fault();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    WsClose whole_fault{}, cut_fault{};
    const std::string whole = read(text, size + 1, whole_fault);
    const std::string cut = read(text, 1, cut_fault);
    if (whole != cut || whole_fault != cut_fault) std::abort();
    return 0;
}
