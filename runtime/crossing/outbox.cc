#include "runtime/crossing/outbox.h"

#include "store/rows/registry_store.h"
#include "store/rows/row_batch.h"

#include <algorithm>
#include <charconv>

namespace millrace::runtime::crossing {
namespace {

std::string digits_of(std::uint64_t number, std::size_t width) {
    std::string digits = std::to_string(number);
    return std::string(width - std::min(width, digits.size()), '0') + digits;
}

}  // namespace

std::string crossing_row_prefix(std::size_t destination) { return digits_of(destination, 4) + "/"; }

std::string crossing_row_id(std::size_t destination, std::uint64_t serial) {
    return crossing_row_prefix(destination) + digits_of(serial, 20);
}

std::uint64_t serial_of(std::string_view row_id) {
    const std::string_view digits =
        row_id.substr(std::min(row_id.find('/'), row_id.size() - 1) + 1);
    std::uint64_t serial = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), serial);
    return read.ec == std::errc() && read.ptr == digits.data() + digits.size() ? serial : 0;
}

std::size_t destination_of(std::string_view row_id) {
    std::size_t destination = 0;
    (void)std::from_chars(row_id.data(), row_id.data() + row_id.size(), destination);
    return destination;
}

// A serial need only be behind those that are still there.
core::Status Outbox::load(store::RegistryStore& rows) {
    std::uint64_t count = 0, bytes = 0;
    auto read = rows.each(kCrossingKind, [&](const store::RegistryDocumentView& row) {
        ++count;
        bytes += row.json.size();
        const std::size_t to = destination_of(row.id);
        if (to < waiting_.size()) waiting_[to].fetch_add(1, std::memory_order_relaxed);
        next_serial_ = std::max(next_serial_, serial_of(row.id) + 1);
    });
    if (!read) return read;
    rows_.store(count, std::memory_order_relaxed);
    bytes_.store(bytes, std::memory_order_relaxed);
    return {};
}

void Outbox::keep(store::RowBatch& rows, std::size_t destination, std::int64_t at_us,
                  std::string_view text) {
    const std::uint64_t serial = next_serial_++;
    rows.put_registry(kCrossingKind, crossing_row_id(destination, serial), serial, at_us, text);
    waiting_[destination].fetch_add(1, std::memory_order_relaxed);
    rows_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(text.size(), std::memory_order_relaxed);
}

}  // namespace millrace::runtime::crossing
