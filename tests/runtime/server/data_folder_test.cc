// Goal: a store is made only where nobody else's files are; what is ours, half made too, is taken.
#include "runtime/server/data_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace millrace::runtime {
namespace {

namespace fs = std::filesystem;

class DataFolder : public ::testing::Test {
protected:
    DataFolder() { fs::create_directories(folder_); }
    ~DataFolder() override { fs::remove_all(folder_); }

    void put(const std::string& name) const {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name) << "x";
    }
    bool taken() const { return check_data_folder(folder_.string()).has_value(); }

    const fs::path folder_ =
        fs::temp_directory_path() / ("millrace-folder-" + std::to_string(::getpid()));
};

TEST_F(DataFolder, EmptyMissingAndOursAreTaken) {
    EXPECT_TRUE(taken());
    EXPECT_TRUE(check_data_folder((folder_ / "new").string()));
    fs::create_directories(folder_ / "lost+found");
    EXPECT_TRUE(taken());
    put("lock");
    put("FORMAT.new");
    EXPECT_TRUE(taken()) << "a start that was ended in its first moment";
    put("notes.txt");
    EXPECT_FALSE(taken());
    put("FORMAT");
    EXPECT_TRUE(taken()) << "somebody's notes beside our store";
}

TEST_F(DataFolder, OthersFilesAreRefusedByName) {
    for (const char* name : {"passwd", ".bashrc", "rocks.txt", "sub/file"}) {
        put(name);
        const auto checked = check_data_folder(folder_.string());
        ASSERT_FALSE(checked) << name;
        EXPECT_NE(checked.error().message.find(folder_.string()), std::string::npos);
        EXPECT_NE(checked.error().message.find("--data"), std::string::npos);
        EXPECT_EQ(checked.error().field, "data.dir");
        fs::remove_all(folder_);
        fs::create_directories(folder_);
    }
}

TEST_F(DataFolder, ANodesFolderAndItsPartitionsAreNotForASingleServer) {
    put("p03/FORMAT");
    const std::string copy = (folder_ / "p03").string();
    EXPECT_TRUE(check_own_folder(folder_.string()));
    EXPECT_TRUE(check_own_folder(copy)) << "restored or copied: no node is above it";
    EXPECT_TRUE(check_own_folder((folder_ / "new").string()));
    put(kNodeLockName);
    for (const std::string& path : {folder_.string(), folder_.string() + "/", copy, copy + "/",
                                    copy + "/../p03", (folder_ / "p09").string()}) {
        const auto checked = check_own_folder(path);
        ASSERT_FALSE(checked) << path;
        EXPECT_NE(checked.error().message.find("cluster"), std::string::npos);
        EXPECT_EQ(checked.error().field, "data.dir");
    }
    EXPECT_TRUE(check_own_folder((folder_ / "p03" / "backups" / "b").string()));
}

TEST_F(DataFolder, APartitionsCopyBearsAMarkThatGoesWhereItGoes) {
    put("p03/FORMAT");
    const fs::path copy = folder_ / "p03";
    ASSERT_TRUE(mark_partition_folder(copy.string(), "shop", 3));
    ASSERT_TRUE(mark_partition_folder(copy.string(), "shop", 3));
    const fs::path moved = folder_ / "elsewhere";
    fs::copy(copy, moved, fs::copy_options::recursive);
    EXPECT_TRUE(check_data_folder(moved.string())) << "its own process opens it";
    const auto checked = check_own_folder(moved.string() + "/");
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message.find("partition 3 of the cluster 'shop'"), std::string::npos)
        << checked.error().message;
    EXPECT_EQ(checked.error().field, "data.dir");
    fs::remove(moved / kPartitionMarkName);
    EXPECT_TRUE(check_own_folder(moved.string()));
}

TEST_F(DataFolder, AFileIsNoFolder) {
    put("file");
    EXPECT_FALSE(check_data_folder((folder_ / "file").string()));
}

}  // namespace
}  // namespace millrace::runtime
