#include "runtime/identity/key_table.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace millrace::runtime::identity {
namespace {

bool before(const KeyTable::Entry& entry, const core::crypto::Digest& digest) {
    return entry.digest < digest;
}

// How long it takes says nothing about where two texts differ.
bool same_text(std::string_view a, const std::array<char, kKeyTextBytes>& b) {
    unsigned differs = 0;
    for (std::size_t i = 0; i < kKeyTextBytes; ++i)
        differs |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
    return differs == 0;
}

}  // namespace

core::crypto::Digest KeyTable::digest_of_name(std::string_view name) {
    // Texts of keys have no such beginning, and is_key_text() is asked before they are looked up.
    return core::crypto::sha256("certificate:" + std::string(name));
}

const KeyTable::Entry* KeyTable::find(const core::crypto::Digest& digest) const {
    const auto& bucket = buckets_[digest[0]];
    if (!bucket) return nullptr;
    const auto at = std::lower_bound(bucket->begin(), bucket->end(), digest, before);
    return at != bucket->end() && at->digest == digest ? &*at : nullptr;
}

std::shared_ptr<KeyTable> KeyTable::of(std::vector<Entry> entries) {
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.digest < b.digest; });
    auto out = std::make_shared<KeyTable>();
    Bucket next;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const core::crypto::Digest digest = entries[i].digest;
        const bool is_last = i + 1 == entries.size();
        if (!is_last && entries[i + 1].digest == digest) continue;
        next.push_back(std::move(entries[i]));
        if (!is_last && entries[i + 1].digest[0] == digest[0]) continue;
        out->buckets_[digest[0]] = std::make_shared<const Bucket>(std::exchange(next, {}));
    }
    return out;
}

void KeyTable::put(Entry entry) {
    auto& bucket = buckets_[entry.digest[0]];
    auto next = bucket ? std::make_shared<Bucket>(*bucket) : std::make_shared<Bucket>();
    const auto at = std::lower_bound(next->begin(), next->end(), entry.digest, before);
    if (at != next->end() && at->digest == entry.digest)
        *at = std::move(entry);
    else
        next->insert(at, std::move(entry));
    bucket = std::move(next);
}

void KeyTable::erase(const core::crypto::Digest& digest) {
    auto& bucket = buckets_[digest[0]];
    if (!find(digest)) return;
    auto next = std::make_shared<Bucket>(*bucket);
    next->erase(std::lower_bound(next->begin(), next->end(), digest, before));
    bucket = std::move(next);
}

void KeyRing::publish(std::shared_ptr<const KeyTable> table) {
    {
        const std::lock_guard lock(mutex_);
        table_.swap(table);  // the old one dies outside the lock
    }
    version_.fetch_add(1, std::memory_order_release);  // pairs with version()
}

std::shared_ptr<const KeyTable> KeyRing::table() const {
    const std::lock_guard lock(mutex_);
    return table_;
}

void KeyReader::follow_ring() {
    const std::uint64_t version = ring_.version();
    if (version == version_) return;
    version_ = version;
    table_ = ring_.table();
    std::fill(memory_.begin(), memory_.end(), Remembered{});
}

const KeyGrant* KeyReader::find_named(std::span<const std::string> names) {
    if (names.empty()) return nullptr;
    follow_ring();
    for (const std::string& name : names) {
        if (const KeyTable::Entry* entry = table_->find(KeyTable::digest_of_name(name)))
            return entry->grant.get();
    }
    return nullptr;
}

const KeyGrant* KeyReader::find(std::string_view text, std::int64_t now_us) {
    if (text.size() != kKeyTextBytes) return nullptr;
    follow_ring();
    Remembered& known = memory_[XXH3_64bits(text.data(), text.size()) % kRemembered];
    if (!known.entry || !same_text(text, known.text)) {
        if (!is_key_text(text)) return nullptr;
        const KeyTable::Entry* entry = table_->find(core::crypto::sha256(text));
        if (!entry) return nullptr;
        std::copy(text.begin(), text.end(), known.text.begin());
        known.entry = entry;
    }
    const KeyTable::Entry& entry = *known.entry;
    return entry.until_us == 0 || entry.until_us > now_us ? entry.grant.get() : nullptr;
}

}  // namespace millrace::runtime::identity
