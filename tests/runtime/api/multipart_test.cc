// Goal: a form of multipart/form-data is cut at its parts as browsers and curl mean it, and what is
// none is refused by name. Method: bodies as they are sent; every truncation and thousands of
// mutations of one.
#include "runtime/api/multipart.h"

#include "core/random.h"

#include <gtest/gtest.h>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kFormType = "multipart/form-data; boundary=----WebKitFormBoundaryx7";
const std::string kFormBody =
    "------WebKitFormBoundaryx7\r\n"
    "Content-Disposition: form-data; name=\"who\"\r\n\r\nAnn \"A\"\r\n"
    "------WebKitFormBoundaryx7\r\n"
    "Content-Disposition: form-data; name=\"file%22s\"; filename=\"a;b.txt\"\r\n"
    "Content-Type: text/plain\r\n\r\nline\r\n--no mark\r\n\r\n"
    "------WebKitFormBoundaryx7\r\n"
    "content-disposition:form-data;name=empty\r\n\r\n\r\n"
    "------WebKitFormBoundaryx7--\r\n";

TEST(Multipart, CutsFieldsAndFiles) {
    const auto parts = read_form_parts(kFormType, kFormBody);
    ASSERT_TRUE(parts) << parts.error().message;
    ASSERT_EQ(parts->size(), 3u);
    EXPECT_EQ((*parts)[0].name, "who");
    EXPECT_EQ((*parts)[0].content, "Ann \"A\"");
    EXPECT_FALSE((*parts)[0].file_name);
    EXPECT_EQ((*parts)[1].name, "file\"s");
    EXPECT_EQ((*parts)[1].file_name, "a;b.txt");
    EXPECT_EQ((*parts)[1].content_type, "text/plain");
    EXPECT_EQ((*parts)[1].content, "line\r\n--no mark\r\n");
    EXPECT_EQ((*parts)[2].name, "empty");
    EXPECT_EQ((*parts)[2].content, "");
}

TEST(Multipart, TakesAQuotedBoundaryAndAPreamble) {
    const auto parts = read_form_parts(
        "Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"",
        "nobody's\r\n--a b \r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a b--");
    ASSERT_TRUE(parts) << parts.error().message;
    ASSERT_EQ(parts->size(), 1u);
    EXPECT_EQ(parts->front().content, "1");
}

TEST(Multipart, SaysWhatIsWrong) {
    const auto why = [](std::string_view type, std::string_view body) {
        const auto parts = read_form_parts(type, body);
        return parts ? std::string() : parts.error().message;
    };
    const auto says = [&](std::string_view body, std::string_view what) {
        EXPECT_NE(why("multipart/form-data; boundary=b", body).find(what), std::string::npos)
            << body << ": " << why("multipart/form-data; boundary=b", body);
    };
    EXPECT_NE(why("multipart/form-data", "--b--").find("no boundary"), std::string::npos);
    EXPECT_NE(why("multipart/form-data; boundary=" + std::string(71, 'b'), "").find("70"),
              std::string::npos);
    says("", "does not begin");
    says("a=1&b=2", "does not begin");
    says("--b\r\nContent-Disposition: form-data; name=\"x\"", "head does not end");
    says("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1", "does not end");
    says("--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--", "Content-Disposition");
    says("--b\r\nno header\r\n\r\n1\r\n--b--", "without \":\"");
    std::string many;
    for (std::size_t i = 0; i <= kFormPartsMax; ++i)
        many += "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n";
    says(many + "--b--", "1000 parts");
}

TEST(Multipart, SurvivesWhateverIsSent) {
    for (std::size_t bytes = 0; bytes < kFormBody.size(); ++bytes) {
        const auto parts = read_form_parts(kFormType, std::string_view(kFormBody).substr(0, bytes));
        // The last line's end is no part of it.
        EXPECT_EQ(parts.has_value(), bytes + 2 >= kFormBody.size()) << bytes;
    }
    core::Random random(7);
    for (int i = 0; i < 20'000; ++i) {
        std::string body = kFormBody;
        for (std::uint64_t n = 1 + random.below(4); n > 0; --n)
            body[random.below(body.size())] = static_cast<char>(random.below(256));
        const auto parts = read_form_parts(kFormType, body);
        if (!parts) continue;
        for (const FormPart& part : *parts) EXPECT_LE(part.content.size(), body.size());
    }
}

}  // namespace
}  // namespace millrace::runtime::api
