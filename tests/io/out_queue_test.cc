// Goal: what is queued leaves whole and in order, and no send takes so much of it that others wait.
// Method: sends that take all they are offered, or a part.
#include "io/out_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace millrace::io {
namespace {

struct Queue {
    SizedPools pools{};
    std::size_t all = 0;
    OutQueue out{pools, all};
    std::string gone{};

    // Returns what was offered; takes `part` of it at most.
    std::size_t send(std::size_t part) {
        SendVector vector;
        out.begin_send(vector);
        std::size_t offered = 0, taken = 0;
        for (std::size_t i = 0; i < vector.count; ++i) {
            const iovec& piece = vector.pieces[i];
            offered += piece.iov_len;
            const std::size_t bytes = std::min(piece.iov_len, part - taken);
            gone.append(static_cast<const char*>(piece.iov_base), bytes);
            taken += bytes;
        }
        out.sent(taken);
        return offered;
    }
};

TEST(OutQueue, OffersALargeAnswerInParts) {
    constexpr std::size_t kBytes = 3u << 20;
    Queue queue;
    core::BufferPool pool;
    core::BufferRef large = pool.acquire(kBytes);
    for (std::size_t i = 0; i < kBytes; ++i) large.data()[i] = static_cast<char>('a' + i % 23);
    large.set_size(kBytes);
    std::string all = "head";
    all += large.view();
    all += "tail";
    queue.out.append("head");
    queue.out.append(large);
    queue.out.append("tail");
    std::size_t sends = 0;
    for (; !queue.out.empty() && sends < 1000; ++sends) {
        const std::size_t offered = queue.send(sends % 3 == 2 ? 1000 : kBytes);
        EXPECT_GT(offered, 0u);
        EXPECT_LE(offered, 256u << 10);
    }
    EXPECT_GE(sends, 12u);
    EXPECT_EQ(queue.gone, all);
    EXPECT_EQ(queue.all, 0u);
}

TEST(OutQueue, SmallOnesLeaveTogether) {
    Queue queue;
    for (int i = 0; i < 100; ++i) queue.out.append("0123456789");
    EXPECT_EQ(queue.send(1u << 20), 1000u);
    EXPECT_TRUE(queue.out.empty());
}

}  // namespace
}  // namespace millrace::io
