// Goal: files that can not be served with are refused with the name of their setting, before
// anything listens; names in certificates are read as documents write them.
// Method: certificates made here, and files in a folder of the test.
#include "io/tls/tls_material.h"

#include "io/tls/certificate_names.h"
#include "io/tls/pem.h"
#include "tests/io/tls_client.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace millrace::io {
namespace {

core::Error refusal(std::string chain, std::string key, ClientAuth auth = ClientAuth::kOff,
                    std::string client_ca = "") {
    TlsMaterial material;
    material.chain_pem = std::move(chain);
    material.key_pem = std::move(key);
    material.client_auth = auth;
    material.client_ca_pem = std::move(client_ca);
    auto checked = check_tls_material(std::move(material));
    return checked ? core::Error() : checked.error();
}

TEST(TlsMaterial, APairThatBelongsTogetherIsTakenAndTold) {
    const TlsMaterial material = server_material();
    EXPECT_EQ(material.subject, "CN=localhost");
    EXPECT_NE(material.not_after.find("GMT"), std::string::npos);
    EXPECT_FALSE(material.out_of_time);
}

TEST(TlsMaterial, WhatDoesNotFitNamesItsSetting) {
    const TestPair other = make_test_pair("other");
    const TestPair& pair = server_pair();
    EXPECT_EQ(refusal(pair.certificate, other.key).field, "tls.key");
    EXPECT_NE(refusal(pair.certificate, other.key).message.find("not the key"), std::string::npos);
    EXPECT_EQ(refusal("", pair.key).field, "tls.cert");
    EXPECT_EQ(refusal(pair.key, pair.key).field, "tls.cert");
    EXPECT_EQ(refusal(pair.certificate, "").field, "tls.key");
    EXPECT_EQ(refusal(pair.certificate, pair.certificate).field, "tls.key");
    EXPECT_EQ(refusal(pair.certificate, pair.key.substr(0, 60)).field, "tls.key");
    std::string cut = pair.certificate + pair.certificate;
    cut.erase(cut.size() - 200, 20);
    EXPECT_EQ(refusal(cut, pair.key).field, "tls.cert") << "the second of the chain is broken";
    for (const ClientAuth auth : {ClientAuth::kOptional, ClientAuth::kRequired})
        EXPECT_EQ(refusal(pair.certificate, pair.key, auth, "x").field, "tls.client_ca");
}

TEST(TlsMaterial, ACertificateThatIsOverIsTold) {
    const TestPair over = make_test_pair("over", "", nullptr, -60);
    TlsMaterial material;
    material.chain_pem = over.certificate;
    material.key_pem = over.key;
    EXPECT_TRUE(check_tls_material(std::move(material))->out_of_time);
}

TEST(TlsMaterial, FilesThatAreNotThereOrTooLargeAreNamed) {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("tls" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const std::string cert = folder / "cert.pem", key = folder / "key.pem";
    std::ofstream(cert) << server_pair().certificate;
    TlsSettings settings;
    settings.certificate = cert;
    settings.key = key;
    auto read = read_tls_material(settings);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().field, "tls.key");
    EXPECT_NE(read.error().message.find(key), std::string::npos);
    std::ofstream(key) << server_pair().key;
    EXPECT_TRUE(read_tls_material(settings));
    std::ofstream(key) << std::string(kTlsFileBytesMax + 1, 'x');
    EXPECT_EQ(read_tls_material(settings).error().field, "tls.key");
    std::filesystem::remove_all(folder);
}

TEST(CertificateNames, AreReadInTheirOrderAndForm) {
    const TestPair pair =
        make_test_pair("x", "DNS:Sensor-1.Example,URI:spiffe://a/B,email:a@b.example,IP:10.0.0.1");
    const auto certificates = parse_certificates(pair.certificate);
    EXPECT_EQ(names_of(certificates.front().get()),
              (std::vector<std::string>{"DNS:sensor-1.example", "URI:spiffe://a/B",
                                        "email:a@b.example", "IP:10.0.0.1"}));
    EXPECT_TRUE(
        names_of(parse_certificates(make_test_pair("x").certificate).front().get()).empty());
}

TEST(CertificateNames, OfDocumentsAreTheSameOrNone) {
    EXPECT_EQ(certificate_name("DNS:A.Example"), "DNS:a.example");
    EXPECT_EQ(certificate_name("URI:spiffe://a/B"), "URI:spiffe://a/B");
    EXPECT_EQ(certificate_name("IP:2001:DB8::1"), "IP:2001:db8::1");
    for (const char* bad : {"", "a.example", "DNS:", "IP:x", "dns:a", "DNS:a b", "CN:a", "URI:\n"})
        EXPECT_FALSE(certificate_name(bad)) << bad;
    EXPECT_FALSE(certificate_name("URI:" + std::string(kCertificateNameBytesMax, 'a')));
}

}  // namespace
}  // namespace millrace::io
