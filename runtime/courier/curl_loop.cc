#include "runtime/courier/curl_loop.h"

#include "core/assert.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace::courier {
namespace {

CURLM* new_multi() {
    static std::once_flag once;
    std::call_once(once, [] { MR_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
    CURLM* multi = curl_multi_init();
    MR_ASSERT(multi);
    return multi;
}

std::uint32_t events_of(int what) {
    std::uint32_t events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
    return events;
}

int mask_of(std::uint32_t events) {
    int mask = 0;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0) mask |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((events & EPOLLERR) != 0) mask |= CURL_CSELECT_ERR;
    return mask;
}

}  // namespace

CurlLoop::CurlLoop(const core::Clock& clock)
    : clock_(clock),
      multi_(new_multi()),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    MR_ASSERT(epoll_fd_ >= 0 && wake_fd_ >= 0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = wake_fd_;
    MR_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
    const curl_socket_callback on_socket = [](CURL* easy, curl_socket_t socket, int what,
                                              void* self, void* known) {
        return watch(easy, socket, what, self, known);
    };
    const curl_multi_timer_callback on_timer = [](CURLM* multi, long timeout_ms, void* self) {
        return set_timer(multi, timeout_ms, self);
    };
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

CurlLoop::~CurlLoop() {
    curl_multi_cleanup(multi_);  // closes its connections, and says so
    ::close(wake_fd_);
    ::close(epoll_fd_);
}

// `known`: not null once a socket is in the epoll. A number comes again as another socket, so that
// what is in there is not always what libcurl believes: both ways to put it there are tried.
int CurlLoop::watch(void*, int socket, int what, void* self, void* known) {
    CurlLoop& own = *static_cast<CurlLoop*>(self);
    epoll_event event{};
    event.data.fd = socket;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(own.epoll_fd_, EPOLL_CTL_DEL, socket, &event);  // closed already: not in there
        curl_multi_assign(own.multi_, socket, nullptr);
        return 0;
    }
    event.events = events_of(what);
    const int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    const int second = known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(own.epoll_fd_, first, socket, &event) != 0 &&
        epoll_ctl(own.epoll_fd_, second, socket, &event) != 0)
        return -1;
    if (!known) curl_multi_assign(own.multi_, socket, self);
    return 0;
}

int CurlLoop::set_timer(void*, long timeout_ms, void* self) {
    CurlLoop& own = *static_cast<CurlLoop*>(self);
    own.timer_at_ns_.reset();
    if (timeout_ms >= 0)
        own.timer_at_ns_ = own.clock_.monotonic_ns() + std::int64_t{timeout_ms} * 1'000'000;
    return 0;
}

void CurlLoop::take_events(int timeout_ms) {
    epoll_event events[kEventsMax];
    const int count = epoll_wait(epoll_fd_, events, kEventsMax, timeout_ms);
    ready_count_ = 0;
    for (int i = 0; i < count; ++i) {
        if (events[i].data.fd != wake_fd_) {
            ready_[ready_count_++] = {events[i].data.fd, events[i].events};
            continue;
        }
        std::uint64_t wakes = 0;
        [[maybe_unused]] const auto read = ::read(wake_fd_, &wakes, sizeof wakes);
    }
}

std::size_t CurlLoop::turn() {
    if (ready_count_ == 0) take_events(0);
    std::size_t done = 0;
    int running = 0;
    if (timer_at_ns_ && clock_.monotonic_ns() >= *timer_at_ns_) {
        timer_at_ns_.reset();
        curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
        ++done;
    }
    // A socket that libcurl has closed meanwhile is one that it does not know: it looks at its
    // timers then.
    const int count = std::exchange(ready_count_, 0);
    for (int i = 0; i < count; ++i, ++done)
        curl_multi_socket_action(multi_, ready_[i].socket, mask_of(ready_[i].events), &running);
    return done;
}

void CurlLoop::wait(std::int64_t timeout_us) {
    if (timer_at_ns_) {
        const std::int64_t left_us = (*timer_at_ns_ - clock_.monotonic_ns() + 999) / 1000;
        timeout_us = std::clamp<std::int64_t>(left_us, 0, timeout_us);
    }
    std::uint32_t expected = kAwake;
    // acquire pairs with the release in wake(): what the waker wrote before is seen.
    if (!state_.compare_exchange_strong(expected, kAsleep, std::memory_order_acquire)) {
        state_.exchange(kAwake, std::memory_order_acq_rel);  // it was kNotified: consume it
        return;
    }
    take_events(static_cast<int>((timeout_us + 999) / 1000));
    state_.exchange(kAwake, std::memory_order_acquire);
}

void CurlLoop::wake() {
    // Always an exchange: it orders the caller's queue write before the sleeper's next look.
    if (state_.exchange(kNotified, std::memory_order_acq_rel) != kAsleep) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

}  // namespace millrace::courier
