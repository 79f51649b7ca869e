#include "tools/cli/context.h"

#include "tools/cli/json.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace millrace::tools {

HttpClient* CliContext::client() {
    if (client_ != nullptr) return client_.get();
    HttpClient::Options options;
    options.server = server;
    options.api_key = api_key;
    options.ca_file = ca_file;
    options.client_cert = client_cert;
    options.client_key = client_key;
    options.reply_timeout_ms = reply_timeout_ms;
    auto created = HttpClient::create(std::move(options));
    if (!created) {
        failed(created.error());
        return nullptr;
    }
    client_ = std::move(*created);
    return client_.get();
}

std::unique_ptr<HttpReply> CliContext::send(const HttpRequest& request) {
    HttpClient* http = client();
    if (http == nullptr) return nullptr;
    auto reply = http->send(request);
    if (!reply) {
        failed(reply.error());
        return nullptr;
    }
    return std::make_unique<HttpReply>(std::move(*reply));
}

std::unique_ptr<Document> CliContext::call(const HttpRequest& request) {
    const auto reply = send(request);
    return reply == nullptr ? nullptr : read(*reply);
}

std::unique_ptr<Document> CliContext::read(HttpReply& reply) {
    if (!reply.ok()) {
        failed(reply);
        return nullptr;
    }
    auto document = std::make_unique<Document>();
    document->text = std::move(reply.body);
    // A 204 has no body; an empty object keeps its readers simple.
    if (document->text.empty()) document->text = "{}";
    if (!document->parser.read(document->text, document->root)) {
        failed(core::Error(
            core::ErrorCode::kInternal,
            "the reply of " + client()->server() + " is not JSON; is this a Millrace server?"));
        return nullptr;
    }
    return document;
}

int CliContext::failed(const core::Error& error) {
    if (json()) {
        JsonObject inner;
        inner.text("message", error.message)
            .text("code", core::error_code_text(error.code))
            .number("statusCode", core::error_code_status(error.code))
            .raw("details", "{}");
        err() << JsonObject().flag("success", false).raw("error", inner.str()).str() << '\n';
    } else {
        err() << "error: " << printable_block(error.message, 7) << '\n';
    }
    return kExitFailed;
}

int CliContext::failed(const HttpReply& reply) {
    core::JsonDom parser;
    core::JsonElement root;
    const bool parsed = parser.read(reply.body, root);
    const std::string message = parsed ? text_at(root, "error.message") : std::string();
    if (message.empty()) {
        return failed(core::Error(core::ErrorCode::kInternal,
                                  "the server answered " + std::to_string(reply.status) +
                                      " without an error body: " + reply.body.substr(0, 200)));
    }
    if (json()) {
        err() << reply.body << '\n';
        return kExitFailed;
    }
    err() << "error: " << printable_block(message, 7) << " ("
          << printable(text_at(root, "error.code")) << ", " << reply.status << ")\n";
    const std::string details = text_at(root, "error.details");
    if (!details.empty() && details != "{}") err() << "details: " << printable(details) << '\n';
    return kExitFailed;
}

int CliContext::usage(std::string_view message) {
    err() << "usage: " << printable(message) << '\n';
    return kExitUsage;
}

void CliContext::note(std::string_view message) {
    if (!json()) err() << printable(message) << '\n';
}

void CliContext::print_json(const Document& document) { out() << document.text << '\n'; }

void CliContext::print_pretty(const Document& document) {
    if (json()) return print_json(document);
    out() << json_pretty(document.root) << '\n';
}

void CliContext::print_table(const Table& table, std::string_view when_empty) {
    if (table.row_count() == 0) return note(when_empty);
    table.print(out(), terminal());
}

void CliContext::print_next(const Document& document) {
    const std::string next = text_at(document.root, "next");
    if (!next.empty()) note("more: --cursor " + next);
}

void CliContext::print_missing(const Document& document) {
    bool found = false;
    std::string partitions;
    for (const core::JsonElement one : array_at(document.root, "missing", found))
        partitions.append(partitions.empty() ? "" : ", ").append(one.raw());
    if (!partitions.empty()) note("not in it, as they have not answered: partitions " + partitions);
}

std::int64_t wall_clock_us() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string time_argument(std::string_view text, std::int64_t now_us) {
    if (text.size() < 2) return std::string(text);
    std::int64_t amount = 0;
    for (const char c : text.substr(0, text.size() - 1)) {
        if (c < '0' || c > '9' || amount > 1'000'000'000) return std::string(text);
        amount = amount * 10 + (c - '0');
    }
    std::int64_t seconds = 0;
    switch (text.back()) {
        case 's': seconds = 1; break;
        case 'm': seconds = 60; break;
        case 'h': seconds = 3600; break;
        case 'd': seconds = 86'400; break;
        default: return std::string(text);
    }
    const std::int64_t at_us = now_us - amount * seconds * 1'000'000;
    const std::time_t whole = at_us / 1'000'000;
    std::tm parts{};
    gmtime_r(&whole, &parts);
    char out[40];
    const std::size_t used = std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(out + used, sizeof out - used, ".%06dZ", static_cast<int>(at_us % 1'000'000));
    return out;
}

}  // namespace millrace::tools
