// Question: what does one hand-over between agents cost, in ns an item: through the ring alone,
// from thread to thread, and to a thread that sleeps; beside moodycamel's queue, which any thread
// may push into and which allocates its blocks. Budget: a few ns an item, since what travels are
// blocks and jobs of many events; a wake-up costs what the kernel takes for a futex.
#include "core/parker.h"
#include "core/spsc_ring.h"

#include <benchmark/benchmark.h>
#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace millrace::bench {
namespace {

constexpr std::size_t kCapacity = 1024;
constexpr std::int64_t kParkUsMax = 100'000;

class Ring {
public:
    bool push(std::uint64_t item) { return ring_.try_push(std::move(item)); }
    bool pop(std::uint64_t& item) { return ring_.try_pop(item); }

private:
    core::SpscRing<std::uint64_t> ring_{kCapacity};
};

class Moodycamel {
public:
    bool push(std::uint64_t item) { return queue_.enqueue(producer_, item); }
    bool pop(std::uint64_t& item) { return queue_.try_dequeue_from_producer(producer_, item); }

private:
    moodycamel::ConcurrentQueue<std::uint64_t> queue_{kCapacity};
    moodycamel::ProducerToken producer_{queue_};
};

template <typename Queue>
void one_thread(benchmark::State& state) {
    Queue queue;
    std::uint64_t item = 0;
    for (auto _ : state) {
        queue.push(item + 1);
        queue.pop(item);
        benchmark::DoNotOptimize(item);
    }
}
BENCHMARK_TEMPLATE(one_thread, Ring);
BENCHMARK_TEMPLATE(one_thread, Moodycamel);

// A consumer on the other core takes whatever comes; items must come in order.
template <typename Queue>
void two_threads(benchmark::State& state) {
    Queue queue;
    std::atomic<bool> stopping{false};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> taken{0};
    std::thread consumer([&] {
        std::uint64_t expected = 0;
        std::uint64_t item = 0;
        for (;;) {
            if (!queue.pop(item)) {
                if (stopping.load(std::memory_order_acquire)) break;  // pairs with the store below
                std::this_thread::yield();
                continue;
            }
            wrong += item != expected;
            taken.store(++expected, std::memory_order_relaxed);  // a figure for the producer
        }
    });
    std::uint64_t next = 0;
    for (auto _ : state) {
        while (next - taken.load(std::memory_order_relaxed) >= kCapacity) std::this_thread::yield();
        while (!queue.push(std::uint64_t{next})) std::this_thread::yield();
        ++next;
    }
    while (taken.load(std::memory_order_relaxed) != next) std::this_thread::yield();
    stopping.store(true, std::memory_order_release);
    consumer.join();
    if (wrong != 0) state.SkipWithError("items out of order");
}
BENCHMARK_TEMPLATE(two_threads, Ring)->UseRealTime();
BENCHMARK_TEMPLATE(two_threads, Moodycamel)->UseRealTime();

// There and back with both sides asleep in between: two wake-ups.
void wake_and_answer(benchmark::State& state) {
    Ring there;
    Ring back;
    core::Parker server;
    core::Parker client;
    std::atomic<bool> stopping{false};
    std::thread thread([&] {
        std::uint64_t item = 0;
        while (!stopping.load(std::memory_order_acquire)) {  // pairs with the store below
            if (!there.pop(item)) {
                server.park(kParkUsMax);
                continue;
            }
            back.push(item);
            client.unpark();
        }
    });
    std::uint64_t item = 0;
    for (auto _ : state) {
        there.push(item);
        server.unpark();
        while (!back.pop(item)) client.park(kParkUsMax);
    }
    stopping.store(true, std::memory_order_release);
    server.unpark();
    thread.join();
}
BENCHMARK(wake_and_answer)->UseRealTime();

}  // namespace
}  // namespace millrace::bench

BENCHMARK_MAIN();
