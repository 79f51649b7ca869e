// Goal: transfers go on by turns and waits alone, however many there are; a wait ends with what
// happens, a timer of libcurl's or a wake, and no wake is lost; a socket's number may come again.
// Method: libcurl's own transfers to a listener on loopback that the same thread serves.
#include "runtime/courier/curl_loop.h"

#include "tests/support/loopback_peer.h"

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::courier {
namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point from) {
    return std::chrono::duration<double>(Steady::now() - from).count();
}

class CurlLoopTest : public testing::Test {
protected:
    void TearDown() override {
        for (CURL* easy : easies_) {
            curl_multi_remove_handle(loop_.multi(), easy);
            curl_easy_cleanup(easy);
        }
    }

    CURL* begin(long timeout_ms = 20'000) {
        CURL* easy = curl_easy_init();
        easies_.push_back(easy);
        curl_easy_setopt(easy, CURLOPT_URL, peer_.url().c_str());
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
        const curl_write_callback write = [](char*, std::size_t size, std::size_t count, void* to) {
            *static_cast<std::size_t*>(to) += size * count;
            return size * count;
        };
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bytes_);
        EXPECT_EQ(curl_multi_add_handle(loop_.multi(), easy), CURLM_OK);
        return easy;
    }
    // Until so many have ended; how they did is in ends_.
    void run(std::size_t count, std::int64_t wait_us = 2'000) {
        const auto began = Steady::now();
        while (ends_.size() < count && seconds_since(began) < 30) {
            const std::size_t done = loop_.turn();
            EXPECT_LE(done, static_cast<std::size_t>(CurlLoop::kEventsMax) + 1);
            most_ = std::max(most_, done);
            int left = 0;
            while (const CURLMsg* told = curl_multi_info_read(loop_.multi(), &left))
                ends_[told->easy_handle] = told->data.result;
            peer_.serve();
            if (done == 0 && ends_.size() < count) loop_.wait(wait_us);
        }
        ASSERT_EQ(ends_.size(), count);
    }
    void expect_all_ended_well() const {
        for (const auto& [easy, how] : ends_) EXPECT_EQ(how, CURLE_OK) << curl_easy_strerror(how);
    }

    core::RealClock clock_;
    LoopbackPeer peer_;
    CurlLoop loop_{clock_};
    std::vector<CURL*> easies_;
    std::map<CURL*, CURLcode> ends_;
    std::size_t bytes_ = 0;
    std::size_t most_ = 0;
};

TEST_F(CurlLoopTest, ATurnWithNothingToDoIsNone) {
    EXPECT_EQ(loop_.turn(), 0u);
    loop_.wait(0);
    EXPECT_EQ(loop_.turn(), 0u);
}

TEST_F(CurlLoopTest, MoreTransfersThanATurnTakesAllEnd) {
    constexpr std::size_t kCount = 3 * CurlLoop::kEventsMax;
    peer_.answers = false;
    for (std::size_t i = 0; i < kCount; ++i) begin();
    const auto began = Steady::now();
    while (peer_.accepted() < kCount && seconds_since(began) < 30) {
        if (loop_.turn() == 0) loop_.wait(1'000);
        peer_.serve();
    }
    ASSERT_EQ(peer_.accepted(), kCount);
    peer_.answers = true;
    peer_.serve();  // all of them have something to read now
    run(kCount);
    expect_all_ended_well();
    EXPECT_EQ(bytes_, 5 * kCount);
    EXPECT_GE(most_, static_cast<std::size_t>(CurlLoop::kEventsMax)) << "as many as a turn takes";
}

TEST_F(CurlLoopTest, ASocketsNumberComesAgain) {
    peer_.closes = true;
    for (std::size_t i = 1; i <= 50; ++i) {
        begin();
        run(i);
    }
    expect_all_ended_well();
    EXPECT_EQ(peer_.accepted(), 50u);
}

TEST_F(CurlLoopTest, ATimerOfATransferEndsAWait) {
    peer_.answers = false;
    CURL* const slow = begin(100);
    const auto began = Steady::now();
    run(1, 10'000'000);
    EXPECT_EQ(ends_[slow], CURLE_OPERATION_TIMEDOUT);
    EXPECT_LT(seconds_since(began), 5);
}

TEST_F(CurlLoopTest, NoWakeIsLost) {
    auto began = Steady::now();
    loop_.wake();
    loop_.wake();
    loop_.wait(10'000'000);
    EXPECT_LT(seconds_since(began), 5) << "it came before the wait";
    for (int i = 0; i < 20; ++i) {
        began = Steady::now();
        std::thread other([this, i] {
            std::this_thread::sleep_for(std::chrono::microseconds(i * 100));
            loop_.wake();
        });
        loop_.wait(10'000'000);
        other.join();
        EXPECT_LT(seconds_since(began), 5) << i;
    }
    began = Steady::now();
    loop_.wait(50'000);
    EXPECT_GE(seconds_since(began), 0.02) << "a wake ends one wait";
}

TEST_F(CurlLoopTest, WhatComesEndsAWait) {
    peer_.answers = false;
    begin();
    const auto began = Steady::now();
    while (peer_.accepted() == 0 && seconds_since(began) < 30) {
        if (loop_.turn() == 0) loop_.wait(1'000);
        peer_.serve();
    }
    while (loop_.turn() != 0) {
    }
    std::thread other([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        peer_.answers = true;
        peer_.serve();
    });
    loop_.wait(10'000'000);
    other.join();
    EXPECT_LT(seconds_since(began), 8);
    run(1);
    expect_all_ended_well();
}

}  // namespace
}  // namespace millrace::courier
