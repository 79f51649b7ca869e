#include "runtime/stream/stream_source.h"

#include "core/json_writer.h"
#include "io/web_socket.h"

namespace millrace::runtime {

void append_stream_message(std::string& out, const StreamRequest& request, std::string_view name,
                           std::string_view position, std::string_view data) {
    const bool ends = name == "error";
    if (StreamVoice* const voice = request.voice.get()) {
        if (name == "event") return voice->tell(out, position, data);
        return voice->reset(out, position, data);
    }
    if (!request.accept.empty()) {
        std::string text;
        core::JsonWriter json(text);
        json.begin_object();
        if (!ends) json.field("id", position);
        json.raw_field(name, data).end_object();
        return io::append_ws_frame(out, io::WsOpcode::kText, text);
    }
    if (name != "event") (out += "event: ").append(name) += "\n";
    if (!ends) (out += "id: ").append(position) += "\n";
    const std::size_t begin = (out += "data: ").size();
    out += data;
    // The event's own text may hold line ends between its tokens; SSE knows no other escape.
    for (std::size_t i = begin; i < out.size(); ++i) {
        if (out[i] == '\n' || out[i] == '\r') out[i] = ' ';
    }
    out += "\n\n";
}

}  // namespace millrace::runtime
