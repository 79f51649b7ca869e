// Goal: a clean stop does not take the room on the disk that the next start asks for.
// Method: libc's statvfs() is ours in this program, and says what a test wants.
#include "core/random.h"
#include "tests/store/store_fixture.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

#include <dlfcn.h>
#include <sys/statvfs.h>

namespace millrace::store::test {
namespace {

std::atomic<std::uint64_t> free_bytes_told{0};  // 0: what the system says

class CloseTest : public StoreTest {
protected:
    std::uintmax_t wal_bytes() const {
        std::uintmax_t bytes = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/rocks")) {
            if (entry.path().extension() == ".log") bytes += entry.file_size();
        }
        return bytes;
    }
};

TEST_F(CloseTest, LeavesTheRoomThatTheNextStartNeeds) {
    constexpr std::uintmax_t kLongWal = 20u << 20;
    Database::Options with = options();
    with.small_write_buffer_bytes = 1u << 20;
    open(with);
    core::Random random(5);
    std::uint32_t documents = 0;
    while (wal_bytes() < kLongWal) {
        RowBatch rows;
        for (int i = 0; i < 100; ++i) {
            std::string text(1000, ' ');
            for (char& c : text) c = static_cast<char>('a' + random.below(26));
            rows.put_registry("key", std::to_string(documents++), 1, 10, '"' + text + '"');
        }
        ASSERT_TRUE(database_->write_now(rows, Durability::kOs));
    }
    free_bytes_told = 60u << 20;
    close();
    free_bytes_told = 0;
    EXPECT_GE(wal_bytes(), kLongWal / 2);
    open();
    EXPECT_EQ(database_->registry().load_all("key")->size(), documents);
}

}  // namespace
}  // namespace millrace::store::test

extern "C" int statvfs(const char* path, struct statvfs* out) noexcept {
    static const auto real =
        reinterpret_cast<int (*)(const char*, struct statvfs*)>(::dlsym(RTLD_NEXT, "statvfs"));
    const int result = real(path, out);
    const std::uint64_t told = millrace::store::test::free_bytes_told;
    if (result == 0 && told != 0 && out->f_frsize != 0) out->f_bavail = told / out->f_frsize;
    return result;
}
