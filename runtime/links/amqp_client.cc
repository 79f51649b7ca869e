#include "runtime/links/amqp_client.h"

#include "io/tls/client_tls.h"
#include "runtime/courier/host_address.h"
#include "runtime/event/misfit.h"
#include "runtime/event/trace_context.h"
#include "runtime/links/closing_thread.h"
#include "runtime/links/file_access.h"
#include "runtime/links/peer_socket.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

constexpr amqp_channel_t kWorkChannel = 1;  // what is read or written
constexpr amqp_channel_t kLookChannel = 2;  // how long the queue is
constexpr std::int64_t kAmqpLookNs = 2'000'000'000;
constexpr std::size_t kAmqpShortTextMax = 255;
constexpr int kAmqpFramesATurn = 4'096;

amqp_bytes_t bytes_of(std::string_view text) {
    return {text.size(), const_cast<char*>(text.data())};
}
std::string_view text_of(const amqp_bytes_t& bytes) {
    return {static_cast<const char*>(bytes.bytes), bytes.len};
}

amqp_table_entry_t text_entry(std::string_view name, std::string_view text) {
    amqp_table_entry_t out{};
    out.key = bytes_of(name);
    out.value.kind = AMQP_FIELD_KIND_UTF8;
    out.value.value.bytes = bytes_of(text);
    return out;
}

std::string closed_words(std::string_view what, std::uint16_t code, const amqp_bytes_t& text) {
    std::string out = "the broker has closed the " + std::string(what) + ": ";
    return out.append(std::to_string(code)).append(" ").append(text_of(text));
}

// What became of a question.
std::string reply_error(const amqp_rpc_reply_t& reply) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) return {};
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return amqp_error_string2(reply.library_error);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
        if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
            const auto* const said = static_cast<amqp_connection_close_t*>(reply.reply.decoded);
            return closed_words("connection", said->reply_code, said->reply_text);
        }
        if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
            const auto* const said = static_cast<amqp_channel_close_t*>(reply.reply.decoded);
            return closed_words("channel", said->reply_code, said->reply_text);
        }
    }
    return "the broker has ended the connection";
}

std::string trace_of_headers(const amqp_basic_properties_t& properties) {
    if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return {};
    TraceHeaders trace;
    for (int i = 0; i < properties.headers.num_entries; ++i) {
        const amqp_table_entry_t& one = properties.headers.entries[i];
        if (one.value.kind == AMQP_FIELD_KIND_UTF8 || one.value.kind == AMQP_FIELD_KIND_BYTES)
            (void)trace.take(text_of(one.key), text_of(one.value.value.bytes));
    }
    return trace.text();
}

struct Outgoing {
    SinkText text;
    std::string routing_key;
};

// What the two threads have between them.
struct Boxes {
    std::mutex mutex;
    std::condition_variable ended_now;
    bool stopping = false, ended = false;
    bool open = false;
    std::string error, blocked;
    std::optional<std::uint64_t> ready;
    std::vector<AmqpMessage> came;
    std::uint64_t acknowledges = 0;
    std::vector<Outgoing> goes;
    std::vector<SinkAnswer> answers;
};

// A connection and its thread.
class AmqpConnection {
public:
    AmqpConnection(const PeerDeps& deps, const LinkConfig& config, bool reads)
        : wake_owner(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          wake_thread(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          clock_(*deps.clock),
          rules_(*deps.rules),
          config_(config),
          reads_(reads),
          read_ahead_bytes_(deps.read_ahead_bytes),
          probes_(deps.probes) {
        thread_ = std::thread([this] { run(); });
    }
    ~AmqpConnection();
    AmqpConnection(const AmqpConnection&) = delete;
    AmqpConnection& operator=(const AmqpConnection&) = delete;

    static void poke(const OwnedFd& fd) {
        const std::uint64_t one = 1;
        (void)!::write(fd.get(), &one, sizeof one);
    }
    static void calm(const OwnedFd& fd) {
        std::uint64_t count = 0;
        (void)!::read(fd.get(), &count, sizeof count);
    }

    const OwnedFd wake_owner, wake_thread;
    Boxes boxes;

private:
    enum class Content : std::uint8_t { kNone, kDelivery, kReturn };
    struct Sent {
        std::uint64_t ticket = 0;
        std::string id;
        std::string error;  // it came back
        bool answered = false;
    };

    void run();
    amqp_socket_t* make_socket();
    bool connect();
    bool let_in();
    bool set_up();
    bool begin_to_read();
    void serve();
    bool stops();
    bool take_orders();
    bool publish(const Outgoing& one);
    bool read_frames();
    void take(const amqp_frame_t& frame);
    void take_method(const amqp_method_t& method, amqp_channel_t channel);
    void take_close(const amqp_channel_close_t& said, amqp_channel_t channel);
    void begin_content(const amqp_frame_t& frame);
    void add_content(std::string_view piece);
    void end_content();
    void suit_prefetch(std::size_t bytes);
    void confirm(std::uint64_t tag, bool multiple, const char* refused);
    void look();
    void hand_over();
    void wait();
    bool fail(std::string why) {
        if (error_.empty()) error_ = std::move(why);
        return false;
    }
    bool send_method(amqp_channel_t channel, amqp_method_number_t id, void* decoded) {
        const int status = amqp_send_method(raw_, channel, id, decoded);
        return status == AMQP_STATUS_OK || fail(amqp_error_string2(status));
    }

    const core::Clock& clock_;
    const courier::AddressRules rules_;
    const LinkConfig config_;
    const bool reads_;
    const std::size_t read_ahead_bytes_;
    const bool probes_;
    std::atomic<int> socket_{-1};  // to be shut by whoever waits for the thread's end

    // The thread's.
    amqp_connection_state_t raw_ = nullptr;
    std::string error_, blocked_;
    std::string certificate_;  // what is wrong with the broker's
    bool open_ = false, looks_ = false, asked_ = false;
    std::int64_t looked_ns_ = 0;
    std::optional<std::uint64_t> ready_;
    Content content_ = Content::kNone;
    AmqpMessage message_;
    std::uint64_t content_left_ = 0;
    std::string return_words_;
    std::uint64_t acknowledged_ = 0;
    std::uint16_t prefetch_ = kAmqpPrefetchMin;
    double mean_bytes_ = 0;
    std::deque<Sent> sent_;
    std::uint64_t first_sent_ = 1;  // the number of the first of them
    std::deque<Outgoing> goes_;
    std::vector<AmqpMessage> came_;
    std::vector<SinkAnswer> answers_;
    std::thread thread_;
};

AmqpConnection::~AmqpConnection() {
    {
        const std::lock_guard lock(boxes.mutex);
        boxes.stopping = true;
    }
    poke(wake_thread);
    {
        // It says good-bye; where it is stuck in the midst of something it does not.
        std::unique_lock lock(boxes.mutex);
        if (!boxes.ended_now.wait_for(lock, std::chrono::seconds(1),
                                      [this] { return boxes.ended; }))
            ::shutdown(socket_.load(), SHUT_RDWR);
    }
    thread_.join();
}

void AmqpConnection::run() {
    raw_ = amqp_new_connection();
    if (!raw_)
        fail("no memory");
    else if (connect() && let_in() && set_up())
        serve();
    hand_over();
    if (raw_ && open_ && error_.empty()) {
        const timeval brief{0, 500'000};
        amqp_set_rpc_timeout(raw_, &brief);
        amqp_connection_close(raw_, AMQP_REPLY_SUCCESS);
    }
    const std::lock_guard lock(boxes.mutex);
    socket_ = -1;
    if (raw_) amqp_destroy_connection(raw_);
    boxes.ended = true;
    boxes.ended_now.notify_all();
}

bool AmqpConnection::stops() {
    const std::lock_guard lock(boxes.mutex);
    return boxes.stopping;
}

// ---- getting in

// The library would look for the address that it is given in the certificate: the rules are ours.
amqp_socket_t* AmqpConnection::make_socket() {
    if (!config_.tls) return amqp_tcp_socket_new(raw_);
    amqp_socket_t* const socket = amqp_ssl_socket_new(raw_);
    if (!socket) return nullptr;
    amqp_ssl_socket_set_verify_peer(socket, 0);
    amqp_ssl_socket_set_verify_hostname(socket, 0);
    auto ruled = io::set_client_rules(static_cast<ssl_ctx_st*>(amqp_ssl_socket_get_context(socket)),
                                      config_.host, config_.ca, &certificate_);
    if (!ruled) fail(ruled.error().message);
    return socket;
}

bool AmqpConnection::connect() {
    const std::string peer = peer_text(config_.host, config_.port);
    auto address = courier::resolve_host(rules_, config_.host);
    if (!address) return fail("connect to " + peer + " failed: " + address.error().message);
    amqp_socket_t* const socket = make_socket();
    if (!socket) return fail("no memory");
    if (!error_.empty()) return false;
    const timeval patience{kAmqpConnectSeconds, 0};
    const int status = amqp_socket_open_noblock(socket, address->c_str(),
                                                static_cast<int>(config_.port), &patience);
    if (!certificate_.empty()) return fail("TLS with " + peer + " failed: " + certificate_);
    // The library does not say why; of a refusal it leaves what it was waiting for.
    if (status == AMQP_STATUS_SOCKET_ERROR)
        return fail("connect to " + peer + " failed: nobody listens there, or it is out of reach");
    if (status != AMQP_STATUS_OK)
        return fail("connect to " + peer + " failed: " + amqp_error_string2(status));
    socket_ = amqp_get_sockfd(raw_);
    return true;
}

bool AmqpConnection::let_in() {
    const timeval patience{kAmqpAnswerSeconds, 0};
    amqp_set_handshake_timeout(raw_, &patience);
    amqp_set_rpc_timeout(raw_, &patience);
    // What the broker may tell us without being asked.
    std::array<amqp_table_entry_t, 2> may_tell{};
    const std::array<const char*, 2> names = {"connection.blocked", "consumer_cancel_notify"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        may_tell[i].key = amqp_cstring_bytes(names[i]);
        may_tell[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
        may_tell[i].value.value.boolean = 1;
    }
    amqp_table_entry_t capabilities{};
    capabilities.key = amqp_cstring_bytes("capabilities");
    capabilities.value.kind = AMQP_FIELD_KIND_TABLE;
    capabilities.value.value.table = {static_cast<int>(may_tell.size()), may_tell.data()};
    std::array<amqp_table_entry_t, 2> about = {capabilities,
                                               text_entry("connection_name", "millrace")};
    const amqp_table_t properties = {static_cast<int>(about.size()), about.data()};
    // Who comes without a name is who every broker has let in from its own machine.
    const bool named = !config_.user.empty() || !config_.password.empty();
    const std::string error = reply_error(amqp_login_with_properties(
        raw_, config_.vhost.c_str(), 4, AMQP_DEFAULT_FRAME_SIZE, kAmqpHeartbeatSeconds, &properties,
        AMQP_SASL_METHOD_PLAIN, named ? config_.user.c_str() : "guest",
        named ? config_.password.c_str() : "guest"));
    return error.empty() || fail(error);
}

bool AmqpConnection::set_up() {
    const auto answered = [this] {
        const std::string error = reply_error(amqp_get_rpc_reply(raw_));
        return error.empty() || fail(error);
    };
    amqp_channel_open(raw_, kWorkChannel);
    if (!answered()) return false;
    if (reads_) {
        const amqp_queue_declare_ok_t* const there = amqp_queue_declare(
            raw_, kWorkChannel, bytes_of(config_.queue), 1, 0, 0, 0, amqp_empty_table);
        if (!answered()) return false;
        ready_ = there->message_count;
        if (!probes_ && !begin_to_read()) return false;
    } else {
        if (!config_.exchange.empty()) {
            amqp_exchange_declare(raw_, kWorkChannel, bytes_of(config_.exchange),
                                  amqp_cstring_bytes(""), 1, 0, 0, 0, amqp_empty_table);
            if (!answered()) return false;
        }
        amqp_confirm_select(raw_, kWorkChannel);
        if (!answered()) return false;
    }
    open_ = true;
    return true;
}

bool AmqpConnection::begin_to_read() {
    const auto answered = [this] {
        const std::string error = reply_error(amqp_get_rpc_reply(raw_));
        return error.empty() || fail(error);
    };
    amqp_channel_open(raw_, kLookChannel);
    if (!answered()) return false;
    looks_ = true;
    looked_ns_ = clock_.monotonic_ns();
    // Of the channel: it may change while messages come.
    amqp_basic_qos(raw_, kWorkChannel, 0, prefetch_, 1);
    if (!answered()) return false;
    amqp_basic_consume(raw_, kWorkChannel, bytes_of(config_.queue), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    return answered();
}

// ---- the work

void AmqpConnection::serve() {
    hand_over();
    while (error_.empty() && !stops()) {
        if (!take_orders() || !read_frames()) break;
        look();
        hand_over();
        if (error_.empty()) wait();
    }
}

void AmqpConnection::wait() {
    if (amqp_frames_enqueued(raw_) || amqp_data_in_buffer(raw_)) return;
    std::array<pollfd, 2> fds = {pollfd{socket_.load(), POLLIN, 0},
                                 pollfd{wake_thread.get(), POLLIN, 0}};
    // Its heart beats when somebody looks.
    ::poll(fds.data(), fds.size(), 500);
}

bool AmqpConnection::take_orders() {
    calm(wake_thread);
    std::vector<Outgoing> fresh;
    std::uint64_t acknowledges = 0;
    {
        const std::lock_guard lock(boxes.mutex);
        fresh.swap(boxes.goes);
        acknowledges = boxes.acknowledges;
    }
    if (acknowledges > acknowledged_) {
        acknowledged_ = acknowledges;
        const int status = amqp_basic_ack(raw_, kWorkChannel, acknowledges, 1);
        if (status != AMQP_STATUS_OK) return fail(amqp_error_string2(status));
    }
    for (Outgoing& one : fresh) goes_.push_back(std::move(one));
    while (!goes_.empty() && blocked_.empty()) {
        if (!publish(goes_.front())) return false;
        goes_.pop_front();
    }
    return true;
}

bool AmqpConnection::publish(const Outgoing& one) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                        AMQP_BASIC_APP_ID_FLAG | AMQP_BASIC_HEADERS_FLAG;
    properties.content_type = amqp_cstring_bytes("application/json");
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties.app_id = amqp_cstring_bytes("millrace");
    std::array<amqp_table_entry_t, 2> headers{};
    int count = 0;
    for (const auto& [name, value] :
         {std::pair<const char*, const std::string&>("traceparent", one.text.traceparent),
          std::pair<const char*, const std::string&>("tracestate", one.text.tracestate)})
        if (!value.empty()) headers[static_cast<std::size_t>(count++)] = text_entry(name, value);
    properties.headers = {count, headers.data()};
    Sent sent{one.text.ticket, {}, {}, false};
    if (one.text.id.size() <= kAmqpShortTextMax) {
        properties._flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
        properties.message_id = bytes_of(one.text.id);
        sent.id = one.text.id;
    }
    if (one.text.pattern.size() <= kAmqpShortTextMax) {
        properties._flags |= AMQP_BASIC_TYPE_FLAG;
        properties.type = bytes_of(one.text.pattern);
    }
    sent_.push_back(std::move(sent));
    const int status =
        amqp_basic_publish(raw_, kWorkChannel, bytes_of(config_.exchange),
                           bytes_of(one.routing_key), 1, 0, &properties, bytes_of(one.text.text));
    return status == AMQP_STATUS_OK || fail(amqp_error_string2(status));
}

bool AmqpConnection::read_frames() {
    for (int i = 0; i < kAmqpFramesATurn && error_.empty(); ++i) {
        amqp_frame_t frame{};
        const timeval now{0, 0};
        const int status = amqp_simple_wait_frame_noblock(raw_, &frame, &now);
        if (status == AMQP_STATUS_TIMEOUT) break;
        if (status != AMQP_STATUS_OK) return fail(amqp_error_string2(status));
        take(frame);
        amqp_maybe_release_buffers(raw_);
    }
    return error_.empty();
}

void AmqpConnection::take(const amqp_frame_t& frame) {
    switch (frame.frame_type) {
        case AMQP_FRAME_METHOD: return take_method(frame.payload.method, frame.channel);
        case AMQP_FRAME_HEADER: return begin_content(frame);
        case AMQP_FRAME_BODY: return add_content(text_of(frame.payload.body_fragment));
        default: return;  // a heart that beats
    }
}

void AmqpConnection::take_method(const amqp_method_t& method, amqp_channel_t channel) {
    switch (method.id) {
        case AMQP_BASIC_DELIVER_METHOD: {
            const auto& said = *static_cast<amqp_basic_deliver_t*>(method.decoded);
            content_ = Content::kDelivery;
            message_ = {};
            message_.tag = said.delivery_tag;
            message_.redelivered = said.redelivered != 0;
            message_.routing_key = text_of(said.routing_key);
            return;
        }
        case AMQP_BASIC_RETURN_METHOD: {
            const auto& said = *static_cast<amqp_basic_return_t*>(method.decoded);
            content_ = Content::kReturn;
            message_ = {};
            return_words_ = "the broker gives it back: " + std::to_string(said.reply_code) + " ";
            return_words_.append(text_of(said.reply_text));
            return;
        }
        case AMQP_BASIC_ACK_METHOD: {
            const auto& said = *static_cast<amqp_basic_ack_t*>(method.decoded);
            return confirm(said.delivery_tag, said.multiple != 0, nullptr);
        }
        case AMQP_BASIC_NACK_METHOD: {
            const auto& said = *static_cast<amqp_basic_nack_t*>(method.decoded);
            return confirm(said.delivery_tag, said.multiple != 0,
                           "the broker could not keep it (nack)");
        }
        case AMQP_QUEUE_DECLARE_OK_METHOD:
            asked_ = false;
            ready_ = static_cast<amqp_queue_declare_ok_t*>(method.decoded)->message_count;
            return;
        case AMQP_BASIC_CANCEL_METHOD:
            fail("the broker has ended the reading: the queue is gone, or has moved");
            return;
        case AMQP_CONNECTION_BLOCKED_METHOD:
            blocked_ = "the broker takes nothing just now: ";
            blocked_.append(
                text_of(static_cast<amqp_connection_blocked_t*>(method.decoded)->reason));
            return;
        case AMQP_CONNECTION_UNBLOCKED_METHOD: blocked_.clear(); return;
        case AMQP_CHANNEL_CLOSE_METHOD:
            return take_close(*static_cast<amqp_channel_close_t*>(method.decoded), channel);
        case AMQP_CONNECTION_CLOSE_METHOD: {
            const auto& said = *static_cast<amqp_connection_close_t*>(method.decoded);
            fail(closed_words("connection", said.reply_code, said.reply_text));
            return;
        }
        default: return;
    }
}

void AmqpConnection::take_close(const amqp_channel_close_t& said, amqp_channel_t channel) {
    if (channel != kLookChannel) {
        fail(closed_words("channel", said.reply_code, said.reply_text));
        return;
    }
    // Whoever may read a queue need not be allowed to ask how long it is.
    looks_ = false;
    ready_.reset();
    amqp_channel_close_ok_t good{};
    (void)send_method(channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &good);
}

// ---- messages

void AmqpConnection::begin_content(const amqp_frame_t& frame) {
    const auto& properties =
        *static_cast<amqp_basic_properties_t*>(frame.payload.properties.decoded);
    content_left_ = frame.payload.properties.body_size;
    message_.whole_bytes = content_left_;
    if ((properties._flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0)
        message_.id = text_of(properties.message_id);
    if ((properties._flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0 &&
        properties.timestamp < static_cast<std::uint64_t>(INT32_MAX))
        message_.at_us = static_cast<std::int64_t>(properties.timestamp) * 1'000'000;
    if (content_ == Content::kDelivery) message_.trace = trace_of_headers(properties);
    if (content_left_ == 0) end_content();
}

void AmqpConnection::add_content(std::string_view piece) {
    content_left_ -= std::min<std::uint64_t>(content_left_, piece.size());
    if (content_ == Content::kDelivery && message_.text.size() < kPoisonBytesKept)
        message_.text.append(piece.substr(0, kPoisonBytesKept - message_.text.size()));
    if (content_left_ == 0) end_content();
}

void AmqpConnection::end_content() {
    const Content was = std::exchange(content_, Content::kNone);
    if (was == Content::kDelivery) {
        suit_prefetch(message_.whole_bytes);
        came_.push_back(std::move(message_));
        return;
    }
    if (was != Content::kReturn) return;
    // It comes back before it is confirmed, in the order in which it went out.
    const auto at = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& one) {
        return !one.answered && one.error.empty() && one.id == message_.id;
    });
    if (at != sent_.end()) at->error = return_words_;
}

// What is read and not durable is held here: so many as fit.
void AmqpConnection::suit_prefetch(std::size_t bytes) {
    mean_bytes_ += (static_cast<double>(bytes) + 256 - mean_bytes_) / (mean_bytes_ == 0 ? 1 : 16);
    const double fits = static_cast<double>(read_ahead_bytes_) / mean_bytes_;
    const auto suits =
        static_cast<std::uint16_t>(std::clamp<double>(fits, kAmqpPrefetchMin, kAmqpPrefetchMax));
    if (suits < 2 * prefetch_ && suits > prefetch_ / 2) return;
    prefetch_ = suits;
    amqp_basic_qos_t order{0, prefetch_, 1};
    (void)send_method(kWorkChannel, AMQP_BASIC_QOS_METHOD, &order);
}

void AmqpConnection::confirm(std::uint64_t tag, bool multiple, const char* refused) {
    const auto answer = [&](Sent& one) {
        if (std::exchange(one.answered, true)) return;  // it was before
        if (one.error.empty() && refused) one.error = refused;
        answers_.push_back({one.ticket, std::move(one.error)});
    };
    if (tag < first_sent_ && tag != 0) return;
    // 0 means all of them.
    const std::uint64_t end = tag == 0 ? sent_.size() : tag - first_sent_ + 1;
    if (end > sent_.size()) {
        fail("the broker confirms what was not sent");
        return;
    }
    if (multiple)
        for (std::size_t i = 0; i < end; ++i) answer(sent_[i]);
    else if (end > 0)
        answer(sent_[end - 1]);
    while (!sent_.empty() && sent_.front().answered) {
        sent_.pop_front();
        ++first_sent_;
    }
}

void AmqpConnection::look() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (!looks_ || asked_ || now_ns - looked_ns_ < kAmqpLookNs || !error_.empty()) return;
    looked_ns_ = now_ns;
    asked_ = true;
    amqp_queue_declare_t order{};
    order.queue = bytes_of(config_.queue);
    order.passive = 1;
    (void)send_method(kLookChannel, AMQP_QUEUE_DECLARE_METHOD, &order);
}

void AmqpConnection::hand_over() {
    bool tells = !came_.empty() || !answers_.empty();
    {
        const std::lock_guard lock(boxes.mutex);
        tells = tells || boxes.open != open_ || boxes.error != error_ || boxes.blocked != blocked_;
        boxes.open = open_;
        boxes.error = error_;
        boxes.blocked = blocked_;
        boxes.ready = ready_;
        for (AmqpMessage& one : came_) boxes.came.push_back(std::move(one));
        for (SinkAnswer& one : answers_) boxes.answers.push_back(std::move(one));
    }
    came_.clear();
    answers_.clear();
    if (tells) poke(wake_owner);
}

// ---- the owner's side

template <typename Interface>
class AmqpBase : public Interface {
public:
    AmqpBase(const PeerDeps& deps, const LinkConfig& config, bool reads) : closing_(*deps.closing) {
        if (closing_.full())
            error_ = "earlier connections have not ended yet";
        else
            connection_ = std::make_shared<AmqpConnection>(deps, config, reads);
    }
    ~AmqpBase() override {
        if (connection_) closing_.end(std::move(connection_));
    }

    bool open() const override { return open_; }
    void turn() override {
        if (!connection_) return;
        AmqpConnection::calm(connection_->wake_owner);
        const std::lock_guard lock(connection_->boxes.mutex);
        open_ = connection_->boxes.open;
        error_ = connection_->boxes.error;
        take(connection_->boxes);
    }
    const std::string& error() const override { return error_; }
    int fd() const override { return connection_ ? connection_->wake_owner.get() : -1; }

protected:
    virtual void take(Boxes& boxes) = 0;

    std::shared_ptr<AmqpConnection> connection_;

private:
    ClosingThread& closing_;
    bool open_ = false;
    std::string error_;
};

class LibAmqpReader final : public AmqpBase<AmqpReader> {
public:
    LibAmqpReader(const PeerDeps& deps, const LinkConfig& config) : AmqpBase(deps, config, true) {}

    bool next(AmqpMessage& out) override {
        if (came_.empty()) return false;
        out = std::move(came_.front());
        came_.pop_front();
        return true;
    }
    void acknowledge(std::uint64_t tag) override {
        if (!connection_) return;
        {
            const std::lock_guard lock(connection_->boxes.mutex);
            connection_->boxes.acknowledges = std::max(connection_->boxes.acknowledges, tag);
        }
        AmqpConnection::poke(connection_->wake_thread);
    }
    std::optional<std::uint64_t> ready_messages() const override { return ready_; }

private:
    void take(Boxes& boxes) override {
        ready_ = boxes.ready;
        for (AmqpMessage& one : boxes.came) came_.push_back(std::move(one));
        boxes.came.clear();
    }

    std::deque<AmqpMessage> came_;
    std::optional<std::uint64_t> ready_;
};

class LibAmqpWriter final : public AmqpBase<AmqpWriter> {
public:
    LibAmqpWriter(const PeerDeps& deps, const LinkConfig& config) : AmqpBase(deps, config, false) {}

    void send(SinkText&& text, std::string&& routing_key) override {
        goes_.push_back({std::move(text), std::move(routing_key)});
    }
    bool next(SinkAnswer& out) override {
        if (answers_.empty()) return false;
        out = std::move(answers_.front());
        answers_.pop_front();
        return true;
    }
    const std::string& blocked_because() const override { return blocked_; }

private:
    void take(Boxes& boxes) override {
        blocked_ = boxes.blocked;
        for (SinkAnswer& one : boxes.answers) answers_.push_back(std::move(one));
        boxes.answers.clear();
        if (goes_.empty()) return;
        for (Outgoing& one : goes_) boxes.goes.push_back(std::move(one));
        goes_.clear();
        AmqpConnection::poke(connection_->wake_thread);
    }

    std::vector<Outgoing> goes_;  // all that is given in a turn goes at once
    std::deque<SinkAnswer> answers_;
    std::string blocked_;
};

}  // namespace

std::unique_ptr<AmqpReader> make_amqp_reader(const PeerDeps& deps, const LinkConfig& config) {
    return std::make_unique<LibAmqpReader>(deps, config);
}

std::unique_ptr<AmqpWriter> make_amqp_writer(const PeerDeps& deps, const LinkConfig& config) {
    return std::make_unique<LibAmqpWriter>(deps, config);
}

}  // namespace millrace::runtime
