// Calls of a GrpcConnection: what their messages mean.
#include "io/content_coding.h"
#include "runtime/edge/grpc_connection.h"
#include "runtime/grpc/reflection.h"
#include "runtime/grpc/wire.h"

#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::string_view kEventsService = "millrace.v2.Events";

// Of grpc.health.v1.HealthCheckResponse.
constexpr std::uint64_t kServing = 1, kNotServing = 2, kServiceUnknown = 3;

core::Error many_messages() {
    return {core::ErrorCode::kValidation, "a second message: this call takes one"};
}

std::string health_answer(std::uint64_t status) {
    std::string out;
    grpc::append_number_field(out, 1, status);
    return out;
}

}  // namespace

void GrpcConnection::on_data(std::uint32_t stream, std::string_view bytes) {
    Call* const call = find(stream);
    if (!call || call->ended || call->ending) return session_.give_room(stream, bytes.size());
    if (call->waiting) {
        call->early.append(bytes);
        kept_bytes_ += bytes.size();
        return;
    }
    call->owed_bytes += bytes.size();
    const std::size_t before = call->frames.kept_bytes();
    const auto taken =
        call->frames.take(bytes, [&](bool compressed, std::string_view message) -> core::Status {
            if (call->ended) return {};
            return take_message(stream, *call, compressed, message);
        });
    kept_bytes_ += call->frames.kept_bytes() - before;
    if (!taken && call->method->kind == grpc::MethodKind::kPublish) {
        // What came before it still is acknowledged.
        if (!call->ending) call->ending = grpc::status_of(taken.error());
        gathered_.push_back(stream);
    } else if (!taken) {
        return fail(stream, *call, taken.error());
    }
    give_room(stream, *call);
}

core::Status GrpcConnection::take_message(std::uint32_t stream, Call& call, bool compressed,
                                          std::string_view message) {
    if (!compressed) return take_plain(stream, call, message);
    if (!call.inflates) {
        return core::fail(core::ErrorCode::kValidation,
                          "a message is compressed, and no grpc-encoding says how");
    }
    if (!context_.inflate_pools) {
        constexpr std::size_t kKeptBytes = 1u << 20;
        context_.inflate_pools = std::make_unique<io::SizedPools>(kKeptBytes);
    }
    const auto plain =
        io::inflate_gzip(message, context_.message_bytes_max, *context_.inflate_pools);
    if (!plain) return core::fail(plain.error());
    return take_plain(stream, call, plain->view());
}

core::Status GrpcConnection::take_plain(std::uint32_t stream, Call& call,
                                        std::string_view message) {
    switch (call.method->kind) {
        case grpc::MethodKind::kPublish:
            if (!call.queue.has_gathered()) gathered_.push_back(stream);
            return call.queue.add(message, grpc::kFrameHeadBytes + message.size());
        case grpc::MethodKind::kSubscribe: {
            if (std::exchange(call.asked, true)) return core::fail(many_messages());
            auto ask = grpc::read_subscribe(message);
            if (!ask) return core::fail(std::move(ask.error()));
            if (context_.host.open_subscription(token_of(stream), call.principal, std::move(*ask)))
                return {};
            return core::fail(
                core::Error(core::ErrorCode::kUnavailable, "too many requests wait; come again")
                    .retry_after(1));
        }
        case grpc::MethodKind::kHealthCheck:
        case grpc::MethodKind::kHealthWatch: return check_health(stream, call, message);
        case grpc::MethodKind::kReflect: {
            if (session_.unsent_bytes(stream) > kUnreadBytesMax) {
                cut_off(stream, call);
                return {};
            }
            auto answer = grpc::reflect(message);
            if (!answer) return core::fail(std::move(answer.error()));
            say(stream, *answer);
            return {};
        }
    }
    return {};
}

void GrpcConnection::on_end(std::uint32_t stream) {
    Call* const call = find(stream);
    if (!call || call->ended) return;
    call->client_ended = true;
    if (call->waiting) return;
    const bool half = call->frames.kept_bytes() != 0;
    switch (call->method->kind) {
        case grpc::MethodKind::kPublish:
            if (half && !call->ending) {
                call->ending = grpc::CallStatus{grpc::Code::kInvalidArgument,
                                                "the call ends within a message"};
            }
            if (!call->queue.has_gathered()) settle(stream, *call);
            return;
        case grpc::MethodKind::kReflect: return end_call(stream, *call, {});
        case grpc::MethodKind::kSubscribe:
        case grpc::MethodKind::kHealthCheck:
        case grpc::MethodKind::kHealthWatch: break;
    }
    if (call->asked && !half) return;
    fail(stream, *call,
         core::Error(core::ErrorCode::kValidation, "the call ends without a whole message"));
}

void GrpcConnection::on_closed(std::uint32_t stream) {
    const auto found = calls_.find(stream);
    if (found == calls_.end()) return;
    const Call& call = found->second;
    if (!call.ended) {
        count_end(call, grpc::Code::kCancelled);
        if (call.asked && call.method->kind == grpc::MethodKind::kSubscribe)
            context_.host.stream_closed(token_of(stream));
    }
    kept_bytes_ -= call.frames.kept_bytes() + call.early.size();
    --context_.tally.open_calls;
    calls_.erase(found);
    context_.host.call_closed(token_of(stream));
    if (calls_.empty()) idle_since_ns_ = context_.host.clock().monotonic_ns();
}

// ---- Publish

core::Status GrpcConnection::may_publish(const Call& call) {
    if (auto admitted = context_.host.admit(); !admitted) return admitted;
    return call.principal.still_holds(context_.host.clock().wall_us());
}

// What was gathered goes its way, or is nobody's: the call says why it ends.
void GrpcConnection::start_batch(std::uint32_t stream, Call& call) {
    if (call.ended) return;
    if (auto may = may_publish(call); !may) {
        call.ending = grpc::status_of(may.error());
        return;
    }
    context_.host.publish({token_of(stream), call.principal, call.trace, peer_, call.method->path},
                          call.queue.take());
}

grpc::PublishQueue::Batch* GrpcConnection::find_batch(std::uint32_t stream, std::uint64_t number) {
    Call* const call = find(stream);
    return !call || call->ended ? nullptr : call->queue.find(number);
}

void GrpcConnection::finish(std::uint32_t stream, grpc::PublishQueue::Batch& batch) {
    Call& call = *find(stream);
    std::string out;
    call.queue.finish(batch, out);
    session_.write(stream, out);
    if (session_.unsent_bytes(stream) > kUnreadBytesMax) return cut_off(stream, call);
    give_room(stream, call);
    settle(stream, call);
}

// Whether a Publish call is over.
void GrpcConnection::settle(std::uint32_t stream, Call& call) {
    if (call.ended || call.method->kind != grpc::MethodKind::kPublish) return;
    const bool under_way = call.queue.under_way();
    if (call.ending && !under_way) return end_call(stream, call, *call.ending);
    if (call.client_ended && !under_way && !call.queue.has_gathered()) end_call(stream, call, {});
}

void GrpcConnection::give_room(std::uint32_t stream, Call& call) {
    if (call.owed_bytes == 0) return;
    if (session_.unsent_bytes(stream) > kHeldBytesMax)
        return session_.want_room(stream, kHeldBytesMax / 2);
    if (call.queue.held_bytes() > kHeldBytesMax && !call.ended) return;
    session_.give_room(stream, std::exchange(call.owed_bytes, 0));
}

// ---- health

std::uint64_t GrpcConnection::health_of(std::string_view service) const {
    if (!service.empty() && !grpc::is_service(service)) return kServiceUnknown;
    if (leaving_ || context_.host.draining()) return kNotServing;
    if (service == kEventsService && !context_.host.admit()) return kNotServing;
    return kServing;
}

core::Status GrpcConnection::check_health(std::uint32_t stream, Call& call,
                                          std::string_view message) {
    if (std::exchange(call.asked, true)) return core::fail(many_messages());
    auto service = grpc::read_text_message(message);
    if (!service) return core::fail(std::move(service.error()));
    call.watched = std::move(*service);
    if (call.method->kind == grpc::MethodKind::kHealthWatch) {
        tell_health(stream, call);
        return {};
    }
    if (health_of(call.watched) == kServiceUnknown) {
        return core::fail(core::ErrorCode::kNotFound,
                          "'" + call.watched.substr(0, 128) + "' is no service of this server");
    }
    tell_health(stream, call);
    end_call(stream, call, {});
    return {};
}

// Where it is another one than was told.
void GrpcConnection::tell_health(std::uint32_t stream, Call& call) {
    const std::uint64_t status = health_of(call.watched);
    if (std::exchange(call.told, status) != status) say(stream, health_answer(status));
}

}  // namespace millrace::runtime
