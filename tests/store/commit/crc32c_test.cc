#include "store/commit/crc32c.h"

#include "core/random.h"
#include "store/commit/rocks_crc32c.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include <dlfcn.h>

namespace millrace::store {
namespace {

std::string random_bytes(std::size_t size) {
    core::Random random(size + 1);
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(random.next());
    return out;
}

std::uint32_t bit_by_bit(std::string_view bytes) {
    std::uint32_t state = ~0u;
    for (const char c : bytes) {
        state ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit)
            state = (state >> 1) ^ ((state & 1u) != 0 ? 0x82f63b78u : 0u);
    }
    return ~state;
}

TEST(Crc32c, GivesTheSumsOfRfc3720) {
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
    std::string rising;
    for (char c = 0; c < 32; ++c) rising.push_back(c);
    EXPECT_EQ(crc32c(rising), 0x46dd794eu);
    std::reverse(rising.begin(), rising.end());
    EXPECT_EQ(crc32c(rising), 0x113fdb5cu);
}

TEST(Crc32c, IsTheSameForEachLengthAroundItsPieces) {
    for (const std::size_t near : {0u, 8u, 768u, 1536u, 12288u, 24576u, 12288u + 768u}) {
        for (std::size_t size = near > 9 ? near - 9 : 0; size <= near + 9; ++size) {
            const std::string bytes = random_bytes(size);
            ASSERT_EQ(crc32c(bytes), bit_by_bit(bytes)) << size;
        }
    }
}

TEST(Crc32c, GoesOnFromThePieceBefore) {
    const std::string bytes = random_bytes(40'000);
    for (const std::size_t cut : {0u, 1u, 777u, 12'288u, 39'999u, 40'000u}) {
        const std::string_view all(bytes);
        EXPECT_EQ(crc32c(all.substr(cut), crc32c(all.substr(0, cut))), crc32c(bytes)) << cut;
    }
}

// RocksDB's own function, from inside its library, where the program has one of the same name.
using Extend = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);
Extend rocks_extend() {
    void* library = ::dlopen("librocksdb.so.7.8", RTLD_NOW | RTLD_NOLOAD);
    if (!library) return nullptr;
    auto found = reinterpret_cast<Extend>(::dlsym(library, "_ZN7rocksdb6crc32c6ExtendEjPKcm"));
    ::dlclose(library);
    return found;
}

TEST(RocksCrc32c, IsAskedByRocksdb) { EXPECT_TRUE(use_own_crc32c()); }

TEST(RocksCrc32c, GivesTheSumThatRocksdbItselfWouldGive) {
    const Extend theirs = rocks_extend();
    ASSERT_NE(theirs, nullptr);
    ASSERT_NE(theirs, &rocksdb::crc32c::Extend);
    for (const std::size_t size : {0u, 1u, 7u, 64u, 4096u, 100'000u}) {
        const std::string bytes = random_bytes(size);
        EXPECT_EQ(theirs(17, bytes.data(), size), rocksdb::crc32c::Extend(17, bytes.data(), size));
    }
}

}  // namespace
}  // namespace millrace::store
