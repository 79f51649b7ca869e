// What: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) for what scripts ask for. Signatures on
//       the
//       wire are io's, with OpenSSL.
// Threads: values. Lifetime: none; no allocation.
// Limits: about 250 MB/s; not for bulk. Not hardened against timing of the key schedule: it has
//       none.
// Failure: none.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::core {

class Sha256 {
public:
    static constexpr std::size_t kDigestBytes = 32;
    static constexpr std::size_t kBlockBytes = 64;
    using Digest = std::array<std::uint8_t, kDigestBytes>;

    void update(std::string_view text) {
        total_bytes_ += text.size();
        const char* p = text.data();
        std::size_t left = text.size();
        while (left > 0) {
            if (held_ == 0 && left >= kBlockBytes) {
                compress(reinterpret_cast<const std::uint8_t*>(p));
                p += kBlockBytes;
                left -= kBlockBytes;
                continue;
            }
            const std::size_t take = left < kBlockBytes - held_ ? left : kBlockBytes - held_;
            std::memcpy(block_ + held_, p, take);
            held_ += take;
            p += take;
            left -= take;
            if (held_ == kBlockBytes) {
                compress(block_);
                held_ = 0;
            }
        }
    }

    Digest finish() {
        const std::uint64_t bits = total_bytes_ * 8;
        block_[held_++] = 0x80;
        if (held_ > kBlockBytes - 8) {
            std::memset(block_ + held_, 0, kBlockBytes - held_);
            compress(block_);
            held_ = 0;
        }
        std::memset(block_ + held_, 0, kBlockBytes - 8 - held_);
        for (int i = 0; i < 8; ++i)
            block_[kBlockBytes - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
        compress(block_);
        Digest digest;
        for (std::size_t i = 0; i < 8; ++i) {
            for (std::size_t j = 0; j < 4; ++j)
                digest[i * 4 + j] = static_cast<std::uint8_t>(state_[i] >> (24 - 8 * j));
        }
        return digest;
    }

private:
    void compress(const std::uint8_t* block) {
        static constexpr std::uint32_t kRound[64] = {
            0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
            0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
            0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
            0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
            0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
            0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
            0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
            0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
            0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
            0xc67178f2};
        std::uint32_t w[64];
        for (int i = 0; i < 16; ++i) {
            w[i] = static_cast<std::uint32_t>(block[i * 4]) << 24 |
                   static_cast<std::uint32_t>(block[i * 4 + 1]) << 16 |
                   static_cast<std::uint32_t>(block[i * 4 + 2]) << 8 |
                   static_cast<std::uint32_t>(block[i * 4 + 3]);
        }
        for (int i = 16; i < 64; ++i) {
            const std::uint32_t s0 =
                std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
            const std::uint32_t s1 =
                std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        std::uint32_t v[8];
        std::memcpy(v, state_, sizeof v);
        for (int i = 0; i < 64; ++i) {
            const std::uint32_t s1 = std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25);
            const std::uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
            const std::uint32_t t1 = v[7] + s1 + choice + kRound[i] + w[i];
            const std::uint32_t s0 = std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22);
            const std::uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            for (int j = 7; j > 0; --j) v[j] = v[j - 1];
            v[4] += t1;
            v[0] = t1 + s0 + majority;
        }
        for (int i = 0; i < 8; ++i) state_[i] += v[i];
    }

    std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::uint8_t block_[kBlockBytes] = {};
    std::size_t held_ = 0;
    std::uint64_t total_bytes_ = 0;
};

inline Sha256::Digest sha256(std::string_view text) {
    Sha256 hash;
    hash.update(text);
    return hash.finish();
}

inline Sha256::Digest hmac_sha256(std::string_view key, std::string_view text) {
    char pad[Sha256::kBlockBytes] = {};
    if (key.size() > sizeof pad) {
        const auto digest = sha256(key);
        std::memcpy(pad, digest.data(), digest.size());
    } else if (!key.empty()) {
        std::memcpy(pad, key.data(), key.size());
    }
    const auto flip = [&](char with) {
        for (char& c : pad) c = static_cast<char>(c ^ with);
    };
    flip(0x36);
    Sha256 inner;
    inner.update({pad, sizeof pad});
    inner.update(text);
    const auto inner_digest = inner.finish();
    flip(0x36 ^ 0x5c);
    Sha256 outer;
    outer.update({pad, sizeof pad});
    outer.update({reinterpret_cast<const char*>(inner_digest.data()), inner_digest.size()});
    return outer.finish();
}

}  // namespace millrace::core
