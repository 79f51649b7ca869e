#include "runtime/links/kafka_client.h"

#include "runtime/event/trace_context.h"
#include "runtime/links/closing_thread.h"
#include "runtime/links/file_access.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

using Settings = std::map<std::string, std::string>;

Settings kafka_settings(const LinkConfig& config) {
    Settings out = {{"bootstrap.servers", config.brokers},
                    {"client.id", "millrace"},
                    {"socket.keepalive.enable", "true"},
                    {"socket.connection.setup.timeout.ms", std::to_string(kKafkaAnswerMs)},
                    {"socket.timeout.ms", "10000"},
                    {"reconnect.backoff.max.ms", "2000"},
                    {"topic.metadata.refresh.interval.ms", "10000"}};
    const bool lets_in = !config.user.empty() || !config.password.empty();
    if (lets_in) {
        out["sasl.mechanism"] = config.mechanism;
        out["sasl.username"] = config.user;
        out["sasl.password"] = config.password;
    }
    out["security.protocol"] =
        std::string(lets_in ? "sasl_" : "") + (config.tls ? "ssl" : "plaintext");
    if (!config.ca.empty()) out["ssl.ca.pem"] = config.ca;
    return out;
}

// Where we read is ours: nothing is committed, and what is not there is told, not passed over.
void add_reader_settings(Settings& out, std::size_t read_ahead_bytes) {
    const std::size_t queued = read_ahead_bytes / 4 * 3, answer = read_ahead_bytes / 4;
    out["enable.auto.commit"] = "false";
    out["auto.offset.reset"] = "error";
    out["enable.partition.eof"] = "true";
    out["allow.auto.create.topics"] = "false";
    out["isolation.level"] = "read_committed";
    out["check.crcs"] = "true";
    out["fetch.wait.max.ms"] = "100";
    out["queued.max.messages.kbytes"] = std::to_string(queued >> 10);
    out["fetch.max.bytes"] = std::to_string(answer);
    // A message that is longer comes all the same.
    out["max.partition.fetch.bytes"] = std::to_string(std::min<std::size_t>(answer, 1u << 20));
    out["message.max.bytes"] = std::to_string(std::min<std::size_t>(answer, 1u << 20));
    out["receive.message.max.bytes"] = std::to_string(64u << 20);
}

// What was acknowledged stands on all replicas that have to have it, once and in its order. Keys go
// where other clients of Kafka put them.
void add_writer_settings(Settings& out) {
    out["enable.idempotence"] = "true";
    out["acks"] = "all";
    out["partitioner"] = "murmur2_random";
    out["linger.ms"] = "2";
    out["message.timeout.ms"] = "25000";
    out["message.max.bytes"] = std::to_string(LinkSink::kSinkUnsentMax);
    out["queue.buffering.max.messages"] = std::to_string(2 * LinkSink::kSinkTurnTexts);
    out["queue.buffering.max.kbytes"] = std::to_string((4 * LinkSink::kSinkUnsentMax) >> 10);
}

std::string_view node_host(std::string_view node) {
    const std::size_t colon = node.rfind(':');
    return node.substr(0, colon == std::string_view::npos ? node.size() : colon);
}

// What the library's own threads use of us, and all that has to end with it. Destroyed on the
// closing thread.
class KafkaHandle {
public:
    KafkaHandle(const courier::AddressRules& rules, const LinkConfig& config,
                const Settings& settings, rd_kafka_type_t type);
    ~KafkaHandle();
    KafkaHandle(const KafkaHandle&) = delete;
    KafkaHandle& operator=(const KafkaHandle&) = delete;

    void look() { ask(wanted_); }
    std::optional<KafkaLook> looked();
    // What was read ahead has been taken. Where that was full, the library's threads do not look
    // again for up to a second, unless something is asked of them.
    void nudge() { ask(nudged_); }
    std::string refused() const {
        const std::lock_guard lock(mutex_);
        return refused_;
    }
    void poke() const {
        const std::uint64_t one = 1;
        (void)!::write(wake.get(), &one, sizeof one);
    }

    OwnedFd wake;
    std::string error;
    rd_kafka_t* client = nullptr;
    rd_kafka_topic_t* topic = nullptr;
    rd_kafka_queue_t* main = nullptr;   // what it says of itself, and of what was sent
    rd_kafka_queue_t* reads = nullptr;  // of a reader: what it has read
    std::set<std::int32_t> started;     // partitions

private:
    static int connect(int fd, const sockaddr* address, int bytes, const char* node, void* opaque);
    bool configure(rd_kafka_conf_t* conf, const Settings& settings);
    void ask(bool& what);
    void answer_looks();
    void ask_each_leader();
    KafkaLook look_now();
    void look_at_partitions(const rd_kafka_metadata_topic& of, KafkaLook& out);
    bool stops() const {
        const std::lock_guard lock(mutex_);
        return stopping_;
    }

    const courier::AddressRules rules_;
    mutable std::mutex mutex_;
    std::condition_variable asked_;
    bool wanted_ = false, nudged_ = false, stopping_ = false;
    std::optional<KafkaLook> answer_;
    std::string refused_;  // an address that the rules do not let through
    // The looker's: a partition of each leader.
    std::map<std::int32_t, std::int32_t> by_leader_;
    std::thread looker_;  // asks what has to be waited for
};

KafkaHandle::KafkaHandle(const courier::AddressRules& rules, const LinkConfig& config,
                         const Settings& settings, rd_kafka_type_t type)
    : wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), rules_(rules) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    if (!configure(conf, settings)) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    std::array<char, 512> why{};
    client = rd_kafka_new(type, conf, why.data(), why.size());
    if (!client) {
        error = why.data();
        rd_kafka_conf_destroy(conf);
        return;
    }
    topic = rd_kafka_topic_new(client, config.subject.c_str(), nullptr);
    if (!topic) {
        error = rd_kafka_err2str(rd_kafka_last_error());
        return;
    }
    const std::uint64_t one = 1;
    main = rd_kafka_queue_get_main(client);
    rd_kafka_queue_io_event_enable(main, wake.get(), &one, sizeof one);
    if (type == RD_KAFKA_CONSUMER) {
        reads = rd_kafka_queue_new(client);
        rd_kafka_queue_io_event_enable(reads, wake.get(), &one, sizeof one);
    }
    looker_ = std::thread([this] { answer_looks(); });
}

KafkaHandle::~KafkaHandle() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    asked_.notify_one();
    if (looker_.joinable()) looker_.join();
    for (const std::int32_t partition : started) rd_kafka_consume_stop(topic, partition);
    if (reads) rd_kafka_queue_destroy(reads);
    if (main) rd_kafka_queue_destroy(main);
    if (topic) rd_kafka_topic_destroy(topic);
    if (client) rd_kafka_destroy(client);
}

bool KafkaHandle::configure(rd_kafka_conf_t* conf, const Settings& settings) {
    std::array<char, 512> why{};
    for (const auto& [name, value] : settings) {
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) ==
            RD_KAFKA_CONF_OK)
            continue;
        // What was set may be a secret.
        error = name == "sasl.password" ? "the password can not be used" : why.data();
        return false;
    }
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_log_cb(conf, nullptr);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_DR);
    rd_kafka_conf_set_connect_cb(conf, connect);
    return true;
}

// Of every address, brokers' own that they name themselves too, on the library's threads.
int KafkaHandle::connect(int fd, const sockaddr* address, int bytes, const char* node,
                         void* opaque) {
    auto& self = *static_cast<KafkaHandle*>(opaque);
    std::string host(node_host(node));
    for (char& c : host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    courier::AddressBytes where{};
    if (address->sa_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, address, sizeof four);
        where = courier::address_of_v4(reinterpret_cast<const std::uint8_t*>(&four.sin_addr));
    } else {
        sockaddr_in6 six{};
        std::memcpy(&six, address, sizeof six);
        std::memcpy(where.data(), &six.sin6_addr, where.size());
    }
    std::string why;
    if (self.rules_.denies_name(host))
        why = host + " is denied by http_client.deny";
    else if (const std::string_view blocked = self.rules_.blocked_because(host, where);
             !blocked.empty())
        why = courier::address_text(where) + " is " + std::string(blocked) +
              "; http_client.allow lets it through";
    if (!why.empty()) {
        const std::lock_guard lock(self.mutex_);
        self.refused_ = "connect to " + std::string(node) + " failed: " + why;
        return EACCES;
    }
    if (::connect(fd, address, static_cast<socklen_t>(bytes)) == 0 || errno == EINPROGRESS)
        return 0;
    return errno;
}

// ---- what has to be waited for

void KafkaHandle::ask(bool& what) {
    {
        const std::lock_guard lock(mutex_);
        what = true;
    }
    asked_.notify_one();
}

std::optional<KafkaLook> KafkaHandle::looked() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
}

void KafkaHandle::answer_looks() {
    std::unique_lock lock(mutex_);
    for (;;) {
        asked_.wait(lock, [this] { return stopping_ || wanted_ || nudged_; });
        if (stopping_) return;
        const bool looks = std::exchange(wanted_, false);
        nudged_ = false;
        lock.unlock();
        KafkaLook look;
        if (looks)
            look = look_now();
        else
            ask_each_leader();
        lock.lock();
        if (!looks) continue;
        answer_ = std::move(look);
        poke();
    }
}

void KafkaHandle::ask_each_leader() {
    for (const auto& [leader, partition] : by_leader_) {
        std::int64_t first = 0, end = 0;
        if (!stops())
            (void)rd_kafka_query_watermark_offsets(client, rd_kafka_topic_name(topic), partition,
                                                   &first, &end, kKafkaAnswerMs);
    }
}

KafkaLook KafkaHandle::look_now() {
    KafkaLook out;
    const struct rd_kafka_metadata* found = nullptr;
    const rd_kafka_resp_err_t failed = rd_kafka_metadata(client, 0, topic, &found, kKafkaAnswerMs);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        out.error = std::string("no broker tells of the topic: ") + rd_kafka_err2str(failed);
        return out;
    }
    const bool named = found->topic_cnt == 1;
    const rd_kafka_resp_err_t said =
        named ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (said == RD_KAFKA_RESP_ERR_NO_ERROR)
        look_at_partitions(found->topics[0], out);
    else if (said != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
             said != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        out.error = std::string("the brokers refuse the topic: ") + rd_kafka_err2str(said);
    rd_kafka_metadata_destroy(found);
    return out;
}

void KafkaHandle::look_at_partitions(const rd_kafka_metadata_topic& of, KafkaLook& out) {
    out.there = of.partition_cnt > 0;
    by_leader_.clear();
    for (int i = 0; i < of.partition_cnt && !stops(); ++i) {
        KafkaPartition one;
        one.number = of.partitions[i].id;
        one.leader = of.partitions[i].leader;
        if (one.leader >= 0) by_leader_[one.leader] = one.number;
        // A writer needs to know no more.
        if (reads) {
            const rd_kafka_resp_err_t failed = rd_kafka_query_watermark_offsets(
                client, of.topic, one.number, &one.bounds.first, &one.bounds.end, kKafkaAnswerMs);
            if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) one.error = rd_kafka_err2str(failed);
        }
        out.partitions.push_back(std::move(one));
    }
}

// ---- both

template <typename Interface>
class KafkaBase : public Interface {
public:
    KafkaBase(const PeerDeps& deps, const LinkConfig& config, const Settings& settings,
              rd_kafka_type_t type)
        : closing_(*deps.closing) {
        if (closing_.full()) {
            error_ = "earlier connections have not ended yet";
            return;
        }
        handle_ = std::make_shared<KafkaHandle>(*deps.rules, config, settings, type);
        error_ = handle_->error;
    }
    ~KafkaBase() override {
        if (handle_) closing_.end(std::move(handle_));
    }

    void look() override {
        if (error_.empty()) handle_->look();
    }
    bool looked(KafkaLook& out) override {
        auto answer = handle_ ? handle_->looked() : std::nullopt;
        if (!answer) return false;
        if (answer->error.empty()) came_up();
        out = std::move(*answer);
        return true;
    }
    void turn() override {
        if (!error_.empty()) return;
        std::uint64_t count = 0;
        (void)!::read(handle_->wake.get(), &count, sizeof count);
        if (std::string refused = handle_->refused(); !refused.empty()) error_ = refused;
        look_for_the_end();
        for (std::size_t i = 0; i < LinkSink::kSinkTurnTexts; ++i) {
            rd_kafka_event_t* const event = rd_kafka_queue_poll(handle_->main, 0);
            if (!event) return;
            if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
                take_error(event);
            else
                take_event(event);
            rd_kafka_event_destroy(event);
        }
        handle_->poke();
    }
    const std::string& down_because() const override { return down_; }
    const std::string& error() const override { return error_; }
    int fd() const override { return handle_ ? handle_->wake.get() : -1; }

protected:
    virtual void take_event(rd_kafka_event_t*) {}
    void fail(std::string why) {
        if (error_.empty()) error_ = std::move(why);
    }
    void came_up() { down_.clear(); }

    std::shared_ptr<KafkaHandle> handle_;

private:
    // A producer that has come to its end takes nothing any more, and need not have told so yet.
    void look_for_the_end() {
        std::array<char, 512> why{};
        const rd_kafka_resp_err_t code =
            rd_kafka_fatal_error(handle_->client, why.data(), why.size());
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
        fail(std::string(rd_kafka_err2name(code)) + ": " + why.data() +
             "; another producer goes on");
    }
    void take_error(rd_kafka_event_t* event) {
        const rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        const std::string words = rd_kafka_event_error_string(event);
        switch (code) {
            case RD_KAFKA_RESP_ERR__FATAL: look_for_the_end(); break;
            case RD_KAFKA_RESP_ERR__AUTHENTICATION:
            case RD_KAFKA_RESP_ERR__SSL: fail("the brokers do not let us in: " + words); break;
            // Of one of them; the last one's reason stands for all.
            case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
                down_ = last_words_.empty() ? words : last_words_;
                break;
            default: last_words_ = words;
        }
    }

    ClosingThread& closing_;
    std::string error_, down_, last_words_;
};

class LibKafkaReader final : public KafkaBase<KafkaReader> {
public:
    LibKafkaReader(const PeerDeps& deps, const LinkConfig& config, const Settings& settings)
        : KafkaBase(deps, config, settings, RD_KAFKA_CONSUMER),
          much_bytes_(deps.read_ahead_bytes / 4) {}
    ~LibKafkaReader() override {
        while (at_ < count_) rd_kafka_message_destroy(taken_[at_++]);
        leave_message();
    }

    void read_at(std::int32_t partition, std::int64_t offset) override {
        if (!error().empty()) return;
        // Not a seek: that does nothing for a partition whose reading an error has ended.
        if (handle_->started.erase(partition) > 0) rd_kafka_consume_stop(handle_->topic, partition);
        if (rd_kafka_consume_start_queue(handle_->topic, partition, offset, handle_->reads) == 0)
            handle_->started.insert(partition);
        else
            fail("partition " + std::to_string(partition) +
                 " can not be read: " + rd_kafka_err2str(rd_kafka_last_error()));
    }

    Came next(KafkaMessage& out) override {
        leave_message();
        if (!error().empty()) return Came::kNothing;
        if (at_ == count_) {
            const ssize_t got =
                rd_kafka_consume_batch_queue(handle_->reads, 0, taken_.data(), taken_.size());
            at_ = 0;
            count_ = got > 0 ? static_cast<std::size_t>(got) : 0;
            if (count_ < taken_.size() && taken_bytes_ >= much_bytes_) {
                taken_bytes_ = 0;
                handle_->nudge();
            }
            if (count_ == 0) return Came::kNothing;
        }
        current_ = taken_[at_++];
        taken_bytes_ += current_->len;
        out.partition = current_->partition;
        out.offset = current_->offset;
        switch (current_->err) {
            case RD_KAFKA_RESP_ERR_NO_ERROR: fill(out); return Came::kMessage;
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: came_up(); return Came::kEnd;
            case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
            case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: return Came::kOutside;
            default:
                fail("partition " + std::to_string(current_->partition) + ": " +
                     rd_kafka_message_errstr(current_));
                return Came::kNothing;
        }
    }

private:
    void leave_message() {
        if (current_) rd_kafka_message_destroy(std::exchange(current_, nullptr));
    }
    void fill(KafkaMessage& out) {
        came_up();
        rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        const std::int64_t at_ms = rd_kafka_message_timestamp(current_, &type);
        out.at_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || at_ms < 0 ? 0 : at_ms;
        out.key = {static_cast<const char*>(current_->key), current_->key_len};
        out.text = {static_cast<const char*>(current_->payload), current_->len};
        out.trace.clear();
        rd_kafka_headers_t* headers = nullptr;
        if (rd_kafka_message_headers(current_, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
        TraceHeaders trace;
        for (const char* const name : {"traceparent", "tracestate"}) {
            const void* value = nullptr;
            std::size_t bytes = 0;
            if (rd_kafka_header_get_last(headers, name, &value, &bytes) ==
                RD_KAFKA_RESP_ERR_NO_ERROR)
                (void)trace.take(name, {static_cast<const char*>(value), bytes});
        }
        out.trace = trace.text();
    }

    std::array<rd_kafka_message_t*, 512> taken_{};
    std::size_t at_ = 0, count_ = 0;
    const std::size_t much_bytes_;
    std::size_t taken_bytes_ = 0;  // since the last nudge
    rd_kafka_message_t* current_ = nullptr;
};

class LibKafkaWriter final : public KafkaBase<KafkaWriter> {
public:
    LibKafkaWriter(const PeerDeps& deps, const LinkConfig& config, const Settings& settings)
        : KafkaBase(deps, config, settings, RD_KAFKA_PRODUCER) {}

    KafkaAnswer send(const SinkText& text) override {
        rd_kafka_headers_t* const headers = rd_kafka_headers_new(4);
        const auto add = [&](const char* name, const std::string& value) {
            if (value.empty()) return;
            rd_kafka_header_add(headers, name, -1, value.data(),
                                static_cast<ssize_t>(value.size()));
        };
        add("eventId", text.id);
        add("pattern", text.pattern);
        add("traceparent", text.traceparent);
        add("tracestate", text.tracestate);
        const void* const key = text.key.empty() ? nullptr : text.key.data();
        const rd_kafka_resp_err_t failed = rd_kafka_producev(
            handle_->client, RD_KAFKA_V_RKT(handle_->topic),
            RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA), RD_KAFKA_V_KEY(key, text.key.size()),
            RD_KAFKA_V_VALUE(const_cast<char*>(text.text.data()), text.text.size()),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(text.ticket)), RD_KAFKA_V_END);
        if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
        rd_kafka_headers_destroy(headers);
        return {text.ticket, rd_kafka_err2str(failed), is_too_large(failed)};
    }

    bool next(KafkaAnswer& out) override {
        if (at_ == answers_.size()) {
            answers_.clear();
            at_ = 0;
            return false;
        }
        out = std::move(answers_[at_++]);
        return true;
    }

private:
    static bool is_too_large(rd_kafka_resp_err_t error) {
        return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
               error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
    }
    void take_event(rd_kafka_event_t* event) override {
        while (const rd_kafka_message_t* const one = rd_kafka_event_message_next(event)) {
            const auto ticket = reinterpret_cast<std::uint64_t>(one->_private);
            if (one->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                came_up();
                answers_.push_back({ticket, {}});
                continue;
            }
            std::string why = rd_kafka_err2str(one->err);
            if (!down_because().empty()) why += "; " + down_because();
            if (rd_kafka_message_status(one) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
                why += "; whether it has arrived is not known";
            answers_.push_back({ticket, std::move(why), is_too_large(one->err)});
        }
    }

    std::vector<KafkaAnswer> answers_;
    std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<KafkaReader> make_kafka_reader(const PeerDeps& deps, const LinkConfig& config) {
    Settings settings = kafka_settings(config);
    add_reader_settings(settings, deps.read_ahead_bytes);
    return std::make_unique<LibKafkaReader>(deps, config, settings);
}

std::unique_ptr<KafkaWriter> make_kafka_writer(const PeerDeps& deps, const LinkConfig& config) {
    Settings settings = kafka_settings(config);
    add_writer_settings(settings);
    return std::make_unique<LibKafkaWriter>(deps, config, settings);
}

}  // namespace millrace::runtime
