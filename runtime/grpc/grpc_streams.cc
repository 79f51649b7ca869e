#include "runtime/grpc/grpc_streams.h"

#include "runtime/grpc/frames.h"

#include <memory>
#include <utility>

namespace millrace::runtime::grpc {

class GrpcStreams::Voice final : public StreamVoice {
public:
    Voice(GrpcStreams& owner, core::ShardId edge, io::RequestToken call, bool whole)
        : owner_(owner), edge_(edge), call_(call), whole_(whole) {}

    void tell(std::string& out, std::string_view position, std::string_view data) override {
        message_.clear();
        append_event(message_, position, data, whole_);
        append_frame(out, message_);
    }
    // An event of which there is nothing but where it goes on.
    void reset(std::string& out, std::string_view position, std::string_view /*data*/) override {
        tell(out, position, "{}");
    }
    void fail(std::string& /*out*/, const core::Error& error, std::string_view position) override {
        status_ = status_of(error);
        status_.message.append(" (at position ").append(position) += ')';
    }
    void keep_alive(std::string& /*out*/) override {}  // connections are asked by pings
    void refused(core::Error&& error) override {
        if (error.field == "from") error.field = "after";
        owner_.deps_.end(edge_, call_, status_of(error));
    }
    void ended() override { owner_.deps_.end(edge_, call_, status_); }

private:
    GrpcStreams& owner_;
    const core::ShardId edge_;
    const io::RequestToken call_;
    const bool whole_;
    CallStatus status_;
    std::string message_;
};

void GrpcStreams::open(core::ShardId edge, io::RequestToken call,
                       const identity::Principal& principal, SubscribeAsk&& ask) {
    StreamRequest stream;
    stream.edge = edge;
    stream.token = call;
    stream.principal = principal;
    stream.pattern = std::move(ask.pattern);
    stream.pattern_prefix = std::move(ask.pattern_prefix);
    stream.filter = std::move(ask.filter);
    stream.from = std::move(ask.after);
    stream.voice = std::make_shared<Voice>(*this, edge, call, ask.json);
    stream.joined = true;
    if (deps_.tail->open(std::move(stream)) != 0) deps_.begin(edge, call);
}

}  // namespace millrace::runtime::grpc
