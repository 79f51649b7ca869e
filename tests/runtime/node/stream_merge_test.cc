// Goal: what partitions tell by Server-Sent Events is read from pieces of any size as it was
// written.
#include "runtime/node/stream_merge.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

std::vector<std::string> read_in_pieces(std::string_view text, std::size_t bytes) {
    SseReader reader;
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::string_view piece = text.substr(0, bytes);
        text.remove_prefix(piece.size());
        EXPECT_TRUE(reader.feed(piece, [&](const SseReader::Message& m) {
            out.push_back(std::string(m.event) + "|" + std::string(m.id) + "|" +
                          std::string(m.data));
        }));
    }
    return out;
}

TEST(SseReader, MessagesComeFromPiecesOfAnySize) {
    const std::string text =
        "event: place\nid: 0-1\ndata: {}\n\n: keep-alive\n\nid: 0-2\ndata: {\"a\":1}\n\n"
        "event: error\ndata: {\"code\":\"X\"}\n\n";
    const std::vector<std::string> want = {"place|0-1|{}", "|0-2|{\"a\":1}",
                                           "error||{\"code\":\"X\"}"};
    for (std::size_t bytes = 1; bytes <= text.size(); ++bytes)
        EXPECT_EQ(read_in_pieces(text, bytes), want) << bytes;
}

TEST(SseReader, WhatHasNoEndIsGivenUp) {
    SseReader reader;
    const std::string piece(1u << 20, 'x');
    bool reads = true;
    for (int i = 0; i < 64 && reads; ++i)
        reads = reader.feed(piece, [](const SseReader::Message&) {});
    EXPECT_FALSE(reads);
}

}  // namespace
}  // namespace millrace::runtime::node
