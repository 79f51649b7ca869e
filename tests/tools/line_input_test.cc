// Goal: lines come out of files as they went in, whatever the files are packed with, with their
// places, and a file that is damaged or cut off is told.
// Method: files of a few lines, packed by the command line programs' own libraries.
#include "tools/cli/line_input.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>
#include <zlib.h>

namespace millrace::tools {
namespace {

std::string gzipped(const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string zstandard(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

struct Read {
    std::vector<std::string> lines;
    std::vector<std::uint64_t> bytes;
    std::string error;
};

Read read(const std::string& content) {
    const std::string path = testing::TempDir() + "/millrace_lines";
    std::ofstream(path, std::ios::binary) << content;
    Read out;
    auto input = LineInput::open(path);
    EXPECT_TRUE(input);
    std::string line;
    while ((*input)->next(line)) {
        out.lines.push_back(line);
        out.bytes.push_back((*input)->byte());
        EXPECT_EQ((*input)->line(), out.lines.size());
    }
    out.error = (*input)->error();
    ::unlink(path.c_str());
    return out;
}

TEST(LineInput, GivesLinesAndWhereTheyBegin) {
    const Read read_lines = read("one\r\n\nthree");
    EXPECT_EQ(read_lines.lines, (std::vector<std::string>{"one", "", "three"}));
    EXPECT_EQ(read_lines.bytes, (std::vector<std::uint64_t>{0, 5, 6}));
    EXPECT_TRUE(read("").lines.empty());
}

TEST(LineInput, UnpacksGzipAndZstdAndSeveralBehindEachOther) {
    std::string text;
    for (int n = 0; n < 200'000; ++n) text += "line " + std::to_string(n) + "\n";
    for (const auto pack : {gzipped, zstandard}) {
        const Read once = read(pack(text));
        ASSERT_EQ(once.lines.size(), 200'000u) << once.error;
        EXPECT_EQ(once.lines.back(), "line 199999");
        EXPECT_EQ(once.bytes[1], 7u);
        const Read twice = read(pack("a\nb") + pack("c\n"));
        EXPECT_EQ(twice.lines, (std::vector<std::string>{"a", "bc"})) << twice.error;
    }
}

TEST(LineInput, TellsOfAFileThatIsCutOffOrDamaged) {
    std::string text;
    for (int n = 0; n < 50'000; ++n) text += std::to_string(n * 7919) + "\n";
    for (const auto pack : {gzipped, zstandard}) {
        const std::string packed = pack(text);
        const Read cut = read(packed.substr(0, packed.size() / 2));
        EXPECT_FALSE(cut.error.empty());
        EXPECT_LT(cut.lines.size(), 50'000u);
        std::string damaged = packed;
        damaged[packed.size() / 2] = static_cast<char>(damaged[packed.size() / 2] ^ 0x55);
        damaged[packed.size() / 2 + 1] = static_cast<char>(~damaged[packed.size() / 2 + 1]);
        EXPECT_FALSE(read(damaged).error.empty());
    }
}

TEST(LineInput, ALineThatIsTooLongIsToldAndPassedOver) {
    const std::string path = testing::TempDir() + "/millrace_long_line";
    std::ofstream(path) << std::string(LineInput::kLineBytesMax + 10, 'x') << "\nnext\n";
    auto input = LineInput::open(path);
    ASSERT_TRUE(input);
    std::string line;
    ASSERT_TRUE((*input)->next(line));
    EXPECT_TRUE((*input)->too_long());
    EXPECT_EQ(line.size(), LineInput::kLineBytesMax);
    ASSERT_TRUE((*input)->next(line));
    EXPECT_FALSE((*input)->too_long());
    EXPECT_EQ(line, "next");
    EXPECT_EQ((*input)->byte(), LineInput::kLineBytesMax + 11);
    ::unlink(path.c_str());
}

TEST(LineInput, WhatCanNotBeReadIsToldAtOnce) {
    EXPECT_FALSE(LineInput::open("/no/such/file"));
    EXPECT_FALSE(LineInput::open("/tmp"));
}

}  // namespace
}  // namespace millrace::tools
