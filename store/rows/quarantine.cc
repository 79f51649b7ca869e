#include "store/rows/quarantine.h"

#include "store/commit/rocks_options.h"

namespace millrace::store {

std::string shown(std::string_view key) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const char c : key) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '\\') {
            out += c;
        } else {
            out += "\\x";
            out += kDigits[byte >> 4];
            out += kDigits[byte & 15];
        }
    }
    return out;
}

void Quarantine::observe(std::function<void(const Row&)> observer) {
    std::lock_guard lock(mutex_);
    observer_ = std::move(observer);
    for (const Row& row : rows_) observer_(row);
}

void Quarantine::set_aside(ColumnFamily family, std::string_view key, std::string_view reason) {
    std::string name(1, static_cast<char>(family));
    name += key;
    std::lock_guard lock(mutex_);
    if (known_.contains(name)) return;
    count_.fetch_add(1, std::memory_order_relaxed);  // a gauge
    if (rows_.size() == kRowsMax) return;
    known_.insert(std::move(name));
    rows_.push_back({family, shown(key), std::string(reason)});
    if (observer_) observer_(rows_.back());
}

std::vector<Quarantine::Row> Quarantine::rows() const {
    std::lock_guard lock(mutex_);
    return rows_;
}

std::string_view family_name(ColumnFamily family) {
    return kFamilyNames[static_cast<std::size_t>(family)];
}

}  // namespace millrace::store
