#include "tools/cli/http.h"

#include "core/percent_encode.h"

#include <curl/curl.h>

#include <mutex>
#include <utility>

namespace millrace::tools {

namespace {

struct Transfer {
    CURL* curl = nullptr;
    HttpReply reply;
    const std::function<bool(std::string_view)>* on_bytes = nullptr;
    bool stopped = false;
};

std::size_t take_bytes(char* bytes, std::size_t size, std::size_t count, void* user) {
    auto* transfer = static_cast<Transfer*>(user);
    const std::string_view piece(bytes, size * count);
    long status = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->on_bytes == nullptr || status < 200 || status >= 300) {
        transfer->reply.body.append(piece);
        return piece.size();
    }
    if ((*transfer->on_bytes)(piece)) return piece.size();
    transfer->stopped = true;
    return 0;
}

core::Error transport_error(CURLcode code, const std::string& server, const char* detail) {
    std::string text =
        "cannot reach " + server + ": " + (*detail != '\0' ? detail : curl_easy_strerror(code));
    if (code == CURLE_COULDNT_CONNECT) {
        text += "; is the server running? start it with: millrace serve (or give --server)";
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        text += "; the server is up but slow, or this is not a Millrace server";
    }
    return core::Error(core::ErrorCode::kUnavailable, std::move(text));
}

struct HeaderList {
    curl_slist* list = nullptr;
    HeaderList() = default;
    HeaderList(const HeaderList&) = delete;
    HeaderList& operator=(const HeaderList&) = delete;
    ~HeaderList() { curl_slist_free_all(list); }
    void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

}  // namespace

core::Result<std::unique_ptr<HttpClient>> HttpClient::create(Options options) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    if (options.server.find("://") == std::string::npos) {
        options.server = "http://" + options.server;
    }
    while (!options.server.empty() && options.server.back() == '/') options.server.pop_back();
    std::unique_ptr<HttpClient> client(new HttpClient(std::move(options)));
    if (client->curl_ == nullptr) {
        return core::fail(core::ErrorCode::kInternal, "cannot start libcurl");
    }
    return client;
}

HttpClient::HttpClient(Options options) : options_(std::move(options)), curl_(curl_easy_init()) {}

HttpClient::~HttpClient() { curl_easy_cleanup(curl_); }

core::Result<HttpReply> HttpClient::send(const HttpRequest& request) {
    return perform(request, nullptr);
}

core::Result<HttpReply> HttpClient::stream(const HttpRequest& request,
                                           const std::function<bool(std::string_view)>& on_bytes) {
    return perform(request, &on_bytes);
}

core::Result<HttpReply> HttpClient::perform(const HttpRequest& request,
                                            const std::function<bool(std::string_view)>* on_bytes) {
    CURL* curl = curl_;
    curl_easy_reset(curl);
    Transfer transfer;
    transfer.curl = curl;
    transfer.on_bytes = on_bytes;
    char detail[CURL_ERROR_SIZE] = "";
    HeaderList headers;
    headers.add("Expect:");  // a 100-continue would cost a round trip per batch
    if (!request.body.empty()) headers.add("Content-Type: " + request.content_type);
    if (!options_.api_key.empty()) headers.add("Authorization: Bearer " + options_.api_key);
    for (const std::string& line : request.headers) headers.add(line);

    const std::string url = options_.server + request.path;
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    for (const auto& [option, path] : {std::pair(CURLOPT_CAINFO, &options_.ca_file),
                                       std::pair(CURLOPT_SSLCERT, &options_.client_cert),
                                       std::pair(CURLOPT_SSLKEY, &options_.client_key)}) {
        if (!path->empty()) curl_easy_setopt(curl, option, path->c_str());
    }
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, options_.connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     on_bytes != nullptr ? 0L : options_.reply_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    if (!request.body.empty() || request.method == "POST") {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());

    const CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK && !transfer.stopped) {
        return core::fail(transport_error(code, options_.server, detail));
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.reply.status);
    return std::move(transfer.reply);
}

std::string url_escaped(std::string_view text) { return core::percent_encoded(text); }

Query& Query::add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    text_ += text_.empty() ? '?' : '&';
    text_ += name;
    text_ += '=';
    text_ += url_escaped(value);
    return *this;
}

Query& Query::add(std::string_view name, std::int64_t value) {
    return add(name, std::to_string(value));
}

}  // namespace millrace::tools
