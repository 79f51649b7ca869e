#include "io/tls/certificate_names.h"

#include "io/tls/openssl_ptr.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

namespace millrace::io {

namespace {

using Names = std::unique_ptr<GENERAL_NAMES, openssl::Freed<GENERAL_NAMES_free>>;

std::string_view text_of(const ASN1_STRING* string) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

std::string address_text(std::string_view bytes) {
    char text[INET6_ADDRSTRLEN] = {};
    const int family = bytes.size() == 4 ? AF_INET : bytes.size() == 16 ? AF_INET6 : AF_UNSPEC;
    if (family == AF_UNSPEC || !::inet_ntop(family, bytes.data(), text, sizeof text)) return "";
    return text;
}

std::string name_text(const GENERAL_NAME& name) {
    switch (name.type) {
        case GEN_DNS: return "DNS:" + lower(text_of(name.d.dNSName));
        case GEN_URI: return "URI:" + std::string(text_of(name.d.uniformResourceIdentifier));
        case GEN_EMAIL: return "email:" + std::string(text_of(name.d.rfc822Name));
        case GEN_IPADD: return "IP:" + address_text(text_of(name.d.iPAddress));
        default: return "";
    }
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_name(std::string_view text) {
    return !text.empty() && text.back() != ':' && text.size() <= kCertificateNameBytesMax &&
           is_printable(text);
}

std::optional<std::string> canonical_address(const std::string& text) {
    std::array<char, 16> bytes{};
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1)
        return "IP:" + address_text({bytes.data(), 4});
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1)
        return "IP:" + address_text({bytes.data(), 16});
    return std::nullopt;
}

}  // namespace

std::optional<std::string> certificate_name(std::string_view text) {
    if (!is_name(text)) return std::nullopt;
    if (text.starts_with("DNS:")) return "DNS:" + lower(text.substr(4));
    if (text.starts_with("IP:")) return canonical_address(std::string(text.substr(3)));
    if (text.starts_with("URI:") || text.starts_with("email:")) return std::string(text);
    return std::nullopt;
}

std::vector<std::string> names_of(const x509_st* certificate) {
    std::vector<std::string> out;
    const Names names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
    for (int i = 0; i < count && out.size() < kCertificateNamesMax; ++i) {
        std::string text = name_text(*sk_GENERAL_NAME_value(names.get(), i));
        if (is_name(text)) out.push_back(std::move(text));
    }
    return out;
}

}  // namespace millrace::io
