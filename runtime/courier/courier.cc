#include "runtime/courier/courier.h"

#include "core/assert.h"
#include "core/http_url.h"
#include "runtime/courier/kept_claim.h"
#include "runtime/courier/redirect.h"

#include <curl/curl.h>

#include <algorithm>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::courier {

// One call, over all its hops.
struct Courier::Transfer {
    Transfer(const AddressRules& its_rules, HttpReceiver* to) : rules(its_rules), receiver(to) {}
    ~Transfer() {
        if (easy) curl_easy_cleanup(easy);
        curl_slist_free_all(header_lines);
    }
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    const AddressRules& rules;
    HttpReceiver* const receiver;
    std::uint64_t ticket = 0;
    std::uint64_t number = 0;
    HttpCall call;
    std::uint32_t hops = 0;
    std::int64_t began_ns = 0;
    bool under_way = false;

    CURL* easy = nullptr;
    curl_slist* header_lines = nullptr;
    std::string host;
    std::string blocked;    // the last address that was refused, and why
    bool looks_up = false;  // libcurl has begun to look for the host's address
    bool connected = false;
    std::size_t header_bytes = 0;
    bool too_large = false;
    bool no_room = false;  // for what is coming in, beside all others'
    HttpAnswer answer;
};

namespace {

void must(CURLcode code) { MR_ASSERT(code == CURLE_OK); }

bool address_of(const curl_sockaddr& from, AddressBytes& out) {
    if (from.family == AF_INET) {
        sockaddr_in four{};
        std::copy_n(reinterpret_cast<const char*>(&from.addr), sizeof four,
                    reinterpret_cast<char*>(&four));
        out = address_of_v4(reinterpret_cast<const std::uint8_t*>(&four.sin_addr));
        return true;
    }
    if (from.family != AF_INET6) return false;
    sockaddr_in6 six{};
    std::copy_n(reinterpret_cast<const char*>(&from.addr), sizeof six,
                reinterpret_cast<char*>(&six));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&six.sin6_addr), out.size(), out.begin());
    return true;
}

HttpFault fault_of(CURLcode code) {
    switch (code) {
        case CURLE_OK: return HttpFault::kNone;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY: return HttpFault::kDns;
        case CURLE_OPERATION_TIMEDOUT: return HttpFault::kTimeout;
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CIPHER:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_INVALIDCERTSTATUS: return HttpFault::kTls;
        case CURLE_FILESIZE_EXCEEDED: return HttpFault::kTooLarge;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL: return HttpFault::kBlocked;
        default: return HttpFault::kConnect;
    }
}

// Pools have groups of their own.
std::uint64_t group_of(const HttpCall& call) {
    return call.group * 2 + static_cast<std::uint64_t>(call.pool);
}

bool holds_control_bytes(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

}  // namespace

Courier::Courier(const core::Clock& clock, AddressRules rules, std::size_t webhooks_max,
                 std::size_t answers_bytes_max)
    : clock_(clock),
      rules_(std::move(rules)),
      loop_(clock),
      answers_(std::make_shared<core::ByteShare>(answers_bytes_max)),
      groups_({kCallsMax, webhooks_max}) {
    CURLM* const multi = loop_.multi();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(kIdleConnectionsMax));
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(kCallsPerHostMax));
}

core::Result<std::unique_ptr<Courier>> Courier::to(const core::Clock& clock, std::string_view url) {
    const auto place = core::HttpUrl::parse(url);
    if (!place) return core::fail(place.error());
    auto rules = AddressRules::make(place->host, "");
    if (!rules) return core::fail(std::move(rules.error()));
    return std::make_unique<Courier>(clock, std::move(*rules), 1);
}

Courier::~Courier() {
    for (auto& [number, transfer] : transfers_) {
        if (transfer->under_way && transfer->easy)
            curl_multi_remove_handle(loop_.multi(), transfer->easy);
    }
    transfers_.clear();
    for (CURL* const easy : idle_) curl_easy_cleanup(easy);
}

bool Courier::send(HttpReceiver& receiver, std::uint64_t ticket, HttpCall&& call) {
    Order order{&receiver, ticket, std::move(call), false};
    if (!orders_.try_push(std::move(order))) {
        // NOLINTNEXTLINE(bugprone-use-after-move): a queue that is full leaves it as it was
        call = std::move(order.call);
        return false;
    }
    wake();
    return true;
}

void Courier::cancel(HttpReceiver& receiver, std::uint64_t ticket) {
    orders_.push_beyond({&receiver, ticket, {}, true});  // bounded by the calls themselves
    wake();
}

void Courier::wake() { loop_.wake(); }

void Courier::wait(std::int64_t timeout_us) {
    if (!orders_.empty()) return;
    if (const auto at_ns = groups_.next_at_ns())
        timeout_us =
            std::clamp<std::int64_t>((*at_ns - clock_.monotonic_ns()) / 1000, 0, timeout_us);
    loop_.wait(timeout_us);
}

std::size_t Courier::do_work() {
    std::size_t done = take_orders();
    done += begin_calls();
    done += loop_.turn();
    done += end_calls();
    constexpr auto kWebhooks = static_cast<std::size_t>(HttpPool::kWebhooks);
    under_way_.store(groups_.under_way(kWebhooks), std::memory_order_relaxed);  // figures
    waiting_.store(groups_.waiting(kWebhooks), std::memory_order_relaxed);
    return done;
}

std::size_t Courier::take_orders() {
    std::size_t done = 0;
    Order order;
    while (groups_.waiting() < kCallsWaitingMax && orders_.try_pop(order)) {
        ++done;
        const Address address{order.receiver, order.ticket};
        const auto known = numbers_.find(address);
        if (order.cancels) {
            if (known != numbers_.end()) forget(*transfers_.at(known->second));
            continue;
        }
        MR_ASSERT(known == numbers_.end());
        auto transfer = std::make_unique<Transfer>(rules_, order.receiver);
        transfer->ticket = order.ticket;
        transfer->number = ++last_number_;
        transfer->call = std::move(order.call);
        const HttpCall& call = transfer->call;
        groups_.wait(transfer->number, {static_cast<std::size_t>(call.pool), group_of(call),
                                        call.group_calls_max, call.group_per_second_max});
        numbers_.emplace(address, transfer->number);
        transfers_.emplace(transfer->number, std::move(transfer));
    }
    return done;
}

std::size_t Courier::begin_calls() {
    std::size_t done = 0;
    while (const auto number = groups_.next(clock_.monotonic_ns())) {
        Transfer& transfer = *transfers_.at(*number);
        transfer.under_way = true;
        transfer.began_ns = clock_.monotonic_ns();
        begin(transfer);
        ++done;
    }
    return done;
}

// The call as it is now: the first hop, or a later one.
void Courier::begin(Transfer& transfer) {
    const HttpCall& call = transfer.call;
    transfer.answer = {};
    transfer.answer.url = call.url;
    transfer.answer.claim = claim_of(answers_);
    transfer.header_bytes = 0;
    transfer.blocked.clear();
    transfer.looks_up = transfer.connected = false;
    const auto refuse = [&](HttpFault fault, std::string why) {
        transfer.answer.fault = fault;
        transfer.answer.message = std::move(why);
        answer(transfer);
    };
    const auto url = core::HttpUrl::parse(call.url);
    if (!url) return refuse(HttpFault::kBlocked, "the URL " + url.error().message);
    transfer.host = url->host;
    if (rules_.denies_name(url->host))
        return refuse(HttpFault::kBlocked, url->host + " is denied by http_client.deny");
    const std::int64_t left_ms =
        call.timeout_ms - (clock_.monotonic_ns() - transfer.began_ns) / 1'000'000;
    if (left_ms <= 0) return refuse(HttpFault::kTimeout, "no answer in time");
    if (!parse_address(url->host) && !lookups_left_.may_look_up(call.owner, clock_.monotonic_ns()))
        return refuse(HttpFault::kDns,
                      "too many names are being looked up that nobody answers for");

    take_handle(transfer);
    set_request(transfer, left_ms);
    set_callbacks(transfer);
    MR_ASSERT(curl_multi_add_handle(loop_.multi(), transfer.easy) == CURLM_OK);
}

// Its name's look-up may go on, in a thread that nobody waits for.
void Courier::note_lookup_left(const Transfer& transfer) {
    curl_off_t took_us = 0;
    if (curl_easy_getinfo(transfer.easy, CURLINFO_NAMELOOKUP_TIME_T, &took_us) != CURLE_OK) return;
    if (took_us == 0 && transfer.looks_up)
        lookups_left_.note(transfer.call.owner, clock_.monotonic_ns());
}

void Courier::take_handle(Transfer& transfer) {
    if (transfer.easy) return curl_easy_reset(transfer.easy);  // of the hop before
    if (!idle_.empty()) {
        transfer.easy = idle_.back();
        idle_.pop_back();
    } else {
        transfer.easy = curl_easy_init();
        MR_ASSERT(transfer.easy);
    }
}

// Not in the multi handle any more.
void Courier::give_handle(Transfer& transfer) {
    CURL* const easy = std::exchange(transfer.easy, nullptr);
    if (!easy) return;
    if (idle_.size() >= kIdleHandlesMax) return curl_easy_cleanup(easy);
    curl_easy_reset(easy);  // nothing of the call is left in it, nor any secret
    idle_.push_back(easy);
}

void Courier::set_request(Transfer& transfer, std::int64_t left_ms) {
    const HttpCall& call = transfer.call;
    CURL* const easy = transfer.easy;
    curl_slist_free_all(transfer.header_lines);
    transfer.header_lines = nullptr;
    bool has_agent = false;
    for (const auto& [name, value] : call.headers) {
        if (holds_control_bytes(name) || holds_control_bytes(value)) continue;
        if (belongs_to_connection(name)) continue;
        // "name;" is how libcurl is told of a header without a value.
        std::string line = name;
        line += value.empty() ? ";" : ": ";
        line += value;
        transfer.header_lines = curl_slist_append(transfer.header_lines, line.c_str());
        has_agent |= name == "user-agent" || name == "User-Agent";
    }
    for (const char* none : {"Expect:", "Accept-Encoding:"})
        transfer.header_lines = curl_slist_append(transfer.header_lines, none);
    must(curl_easy_setopt(easy, CURLOPT_URL, call.url.c_str()));
    must(curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer));
    must(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    // A call that is over while its host's name is being looked up leaves that to itself. Without
    // this libcurl waits until the resolver has given up, and all other calls with it.
    must(curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
    must(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    must(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    must(curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"));
    must(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L));
    must(curl_easy_setopt(easy, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2}));
    must(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_2TLS}));
    must(curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kIdleSecondsMax));
    must(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                          static_cast<long>(std::min(call.connect_timeout_ms, left_ms))));
    must(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(left_ms)));
    must(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.header_lines));
    if (!has_agent) must(curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/2"));
    if (call.method == "HEAD") {
        must(curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
    } else if (call.method != "GET" || !call.body.empty()) {
        must(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                              static_cast<curl_off_t>(call.body.size())));
        must(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.data()));
        must(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method.c_str()));
    }
}

void Courier::set_callbacks(Transfer& transfer) {
    CURL* const easy = transfer.easy;
    curl_resolver_start_callback on_lookup = [](void*, void*, void* self) {
        static_cast<Courier::Transfer*>(self)->looks_up = true;
        return 0;
    };
    must(curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, on_lookup));
    must(curl_easy_setopt(easy, CURLOPT_RESOLVER_START_DATA, &transfer));
    // The address that is judged is the one that is connected to.
    curl_opensocket_callback open_socket = [](void* self, curlsocktype,
                                              curl_sockaddr* to) -> curl_socket_t {
        auto& own = *static_cast<Courier::Transfer*>(self);
        AddressBytes address{};
        const std::string_view why = address_of(*to, address)
                                         ? own.rules.blocked_because(own.host, address)
                                         : "no address of the internet";
        if (!why.empty()) {
            own.blocked = address_text(address) + " is " + std::string(why);
            return CURL_SOCKET_BAD;
        }
        own.connected = true;
        return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    };
    must(curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket));
    must(curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer));

    curl_write_callback on_header = [](char* data, std::size_t, std::size_t bytes, void* self) {
        auto& own = *static_cast<Courier::Transfer*>(self);
        own.header_bytes += bytes;
        if (own.header_bytes > kHeaderBytesMax) {
            own.too_large = true;
            return std::size_t{0};
        }
        std::string_view line(data, bytes);
        while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with("HTTP/")) own.answer.headers.clear();  // of what came before: 1xx
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) return bytes;
        std::string name(line.substr(0, colon));
        for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        std::string_view value = line.substr(colon + 1);
        while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
            value.remove_prefix(1);
        own.answer.headers.emplace_back(std::move(name), value);
        return bytes;
    };
    must(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header));
    must(curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer));

    curl_write_callback on_body = [](char* data, std::size_t, std::size_t bytes, void* self) {
        auto& own = *static_cast<Courier::Transfer*>(self);
        HttpAnswer& answer = own.answer;
        const std::size_t room = own.call.body_bytes_max - answer.body.size();
        if (!answer.claim->grow(std::min(room, bytes))) {
            own.no_room = true;
            return std::size_t{0};
        }
        answer.body.append(data, std::min(room, bytes));
        if (bytes <= room) return bytes;
        (own.call.cut_body ? answer.body_cut : own.too_large) = true;
        return std::size_t{0};
    };
    must(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body));
    must(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer));
}

std::size_t Courier::end_calls() {
    std::size_t done = 0;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(loop_.multi(), &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const CURLcode code = message->data.result;
        char* self = nullptr;
        must(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self));
        auto& transfer = *reinterpret_cast<Courier::Transfer*>(self);
        curl_multi_remove_handle(loop_.multi(), transfer.easy);
        end(transfer, code);
        ++done;
    }
    return done;
}

void Courier::end(Transfer& transfer, int raw_code) {
    const auto code = static_cast<CURLcode>(raw_code);
    HttpAnswer& out = transfer.answer;
    long status = 0;
    must(curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status));
    out.status = static_cast<int>(status);
    if (transfer.too_large) {
        out.fault = HttpFault::kTooLarge;
        out.message =
            "the answer is larger than " + std::to_string(transfer.call.body_bytes_max) + " bytes";
    } else if (transfer.no_room) {
        out.fault = HttpFault::kConnect;
        out.message = "answers that are coming in take all of their " +
                      std::to_string(answers_->bytes_max()) + " bytes; try again";
    } else if (code != CURLE_OK && !out.body_cut) {
        out.fault = fault_of(code);
        if (code == CURLE_OPERATION_TIMEDOUT) note_lookup_left(transfer);
        // Who answered, and not in HTTP: no rule of ours is against it.
        if (out.fault == HttpFault::kBlocked && transfer.connected) out.fault = HttpFault::kConnect;
        // Not libcurl's longer text: it names the host, which may hold a secret.
        out.message = curl_easy_strerror(code);
        if (!transfer.blocked.empty() && !transfer.connected) {
            out.fault = HttpFault::kBlocked;
            out.message = transfer.blocked;
        }
    } else if (go_on_elsewhere(transfer)) {
        return;
    }
    answer(transfer);
}

// An answer that is followed; each hop is looked at like the first one.
bool Courier::go_on_elsewhere(Transfer& transfer) {
    if (!is_redirect(transfer.answer.status) || transfer.hops >= transfer.call.redirects_max)
        return false;
    char* next = nullptr;
    must(curl_easy_getinfo(transfer.easy, CURLINFO_REDIRECT_URL, &next));
    if (!next) return false;
    if (!follow_redirect(transfer.call, transfer.answer.status, next)) return false;
    ++transfer.hops;
    begin(transfer);
    return true;
}

void Courier::answer(Transfer& transfer) {
    HttpReceiver* const receiver = transfer.receiver;
    const std::uint64_t ticket = transfer.ticket;
    HttpAnswer out = std::move(transfer.answer);
    give_handle(transfer);
    forget(transfer);
    receiver->receive(ticket, std::move(out));
}

void Courier::forget(Transfer& transfer) {
    const std::uint64_t number = transfer.number;
    if (transfer.under_way) {
        if (transfer.easy) {
            note_lookup_left(transfer);
            curl_multi_remove_handle(loop_.multi(), transfer.easy);
        }
        give_handle(transfer);
        groups_.ended(group_of(transfer.call));
    } else {
        groups_.forget(number, group_of(transfer.call));
    }
    numbers_.erase({transfer.receiver, transfer.ticket});
    transfers_.erase(number);
}

}  // namespace millrace::courier
