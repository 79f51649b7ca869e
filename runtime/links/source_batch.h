// What: what a source has read in one turn: texts with the ids that their events get, and the
//       position behind the last of them.
// Threads: the links'. Lifetime: a batch is filled, taken and cleared; it keeps its memory.
// Limits: entries_max entries, kBatchTextBytesMax of text and one entry more.
// Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kBatchEntriesMax = 4'096;
inline constexpr std::size_t kBatchTextBytesMax = 1u << 20;

class SourceBatch {
public:
    struct Entry {
        std::string_view id;
        std::string_view text;
        std::string_view subject{};     // that it came with, where the peer has such
        std::uint64_t whole_bytes = 0;  // more than the text has: it was too long to be kept
        std::int64_t at_us = 0;         // when the peer took it; 0: it does not say
        std::string_view trace{};       // as TraceHeaders tells it; empty: none
        std::string_view key{};         // whose order the peer keeps, where it has such
        // The peer has given it before, and nothing tells whether it became an event then.
        bool again = false;
    };

    void add(std::string_view id, std::string_view text, std::uint64_t whole_bytes,
             std::int64_t at_us, std::string_view subject = {}, std::string_view trace = {}) {
        add({id, text, subject, whole_bytes, at_us, trace, {}, false});
    }
    void add(const Entry& entry) {
        places_.push_back({bytes_.size(), entry.id.size(), entry.text.size(), entry.subject.size(),
                           entry.trace.size(), entry.key.size(), entry.whole_bytes, entry.at_us,
                           entry.again});
        bytes_.append(entry.id).append(entry.text).append(entry.subject).append(entry.trace);
        bytes_.append(entry.key);
    }
    Entry operator[](std::size_t index) const {
        const Place& at = places_[index];
        std::string_view bytes = std::string_view(bytes_).substr(at.begin);
        const auto next = [&bytes](std::size_t count) {
            const std::string_view piece = bytes.substr(0, count);
            bytes.remove_prefix(count);
            return piece;
        };
        Entry out;
        out.id = next(at.id_bytes);
        out.text = next(at.text_bytes);
        out.subject = next(at.subject_bytes);
        out.trace = next(at.trace_bytes);
        out.key = next(at.key_bytes);
        out.whole_bytes = at.whole_bytes;
        out.at_us = at.at_us;
        out.again = at.again;
        return out;
    }
    std::size_t size() const { return places_.size(); }
    std::size_t bytes() const { return bytes_.size(); }
    bool full() const {
        return places_.size() >= entries_max || bytes_.size() >= kBatchTextBytesMax;
    }
    // There is something to be written down: entries, or a position alone.
    bool changed() const { return !position.empty(); }

    void clear() {
        bytes_.clear();
        places_.clear();
        position.clear();
        acknowledges = 0;
        whole = false;
        gap = false;
        missed = 0;
        missed_from.clear();
        missed_to.clear();
    }

    // So many make it full, kBatchEntriesMax at most: what its tenant may send at once.
    std::size_t entries_max = kBatchEntriesMax;
    std::string position;            // JSON, the source's own; empty: as it was
    std::uint64_t acknowledges = 0;  // what LinkSource::kept() is told when all of it is durable
    // Its events and its position are one commit, wherever the events are at home: where one that
    // comes again can not be told by its id.
    bool whole = false;
    // The peer has dropped entries before they were read (0: it does not say how many), and
    // between which places.
    bool gap = false;
    std::uint64_t missed = 0;
    std::string missed_from, missed_to;

private:
    struct Place {
        std::size_t begin = 0;
        std::size_t id_bytes = 0;
        std::size_t text_bytes = 0;
        std::size_t subject_bytes = 0;
        std::size_t trace_bytes = 0;
        std::size_t key_bytes = 0;
        std::uint64_t whole_bytes = 0;
        std::int64_t at_us = 0;
        bool again = false;
    };
    std::string bytes_;
    std::vector<Place> places_;
};

}  // namespace millrace::runtime
