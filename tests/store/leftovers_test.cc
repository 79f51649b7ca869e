// Goal: a start brings to the disk what the process before has left in the page cache, before it
// believes it: a power cut would take it, and all that was acknowledged on top of it.
// Method: libc's syncs are ours in this program, and note which files they were called for.
#include "tests/store/store_fixture.h"

#include <filesystem>
#include <mutex>
#include <set>
#include <string>

#include <sys/syscall.h>
#include <unistd.h>

namespace millrace::store::test {
namespace {

std::mutex synced_mutex;
std::set<std::string>* synced = nullptr;  // names of files; null: nobody asks

int sync_and_note(int fd, long call) {
    {
        std::lock_guard lock(synced_mutex);
        char path[4096];
        const std::string link = "/proc/self/fd/" + std::to_string(fd);
        const ssize_t bytes = synced ? ::readlink(link.c_str(), path, sizeof path) : 0;
        if (bytes > 0)
            synced->insert(std::filesystem::path(std::string(path, static_cast<std::size_t>(bytes)))
                               .filename());
    }
    return static_cast<int>(::syscall(call, fd));
}

class LeftoversTest : public StoreTest {
protected:
    std::set<std::string> names(std::string_view ending) {
        std::set<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/rocks")) {
            const std::string name = entry.path().filename();
            if (name.ends_with(ending)) out.insert(name);
        }
        return out;
    }
};

TEST_F(LeftoversTest, WhatAnEarlierProcessDidNotSyncIsSyncedByTheStart) {
    open();
    ASSERT_EQ(append(kZero, {.id = "a"}).status, AppendStatus::kAppended);
    commit(kZero, {}, Durability::kOs);
    crash();
    const std::set<std::string> wals = names(".log");
    ASSERT_FALSE(wals.empty());
    std::set<std::string> noted;
    {
        std::lock_guard lock(synced_mutex);
        synced = &noted;
    }
    open();
    {
        std::lock_guard lock(synced_mutex);
        synced = nullptr;
    }
    EXPECT_EQ(database_->durable_end(kZero).value, 1u);
    for (const std::string& wal : wals) EXPECT_TRUE(noted.contains(wal)) << wal;
    for (const char* name : {"CURRENT", "FORMAT", "rocks"})
        EXPECT_TRUE(noted.contains(name)) << name;
}

}  // namespace
}  // namespace millrace::store::test

// Instead of libc's, for RocksDB too.
extern "C" int fdatasync(int fd) { return millrace::store::test::sync_and_note(fd, SYS_fdatasync); }
extern "C" int fsync(int fd) { return millrace::store::test::sync_and_note(fd, SYS_fsync); }
