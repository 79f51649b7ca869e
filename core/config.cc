#include "core/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include "core/byte_size.h"
#include "core/duration.h"
#include "core/json_writer.h"
#include "core/nearest.h"

// 3.3.0 asserts that what follows "[[" can begin a key, and answers that it can not in its next
// lines: with assertions on, a bad file would end the process instead of being told.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

namespace millrace::core {
namespace {

using T = ConfigType;

// A number for people: whole numbers without a fraction or exponent.
std::string bound_text(const ConfigKey& key, double bound) {
    if (key.type == T::kDuration) return format_duration(static_cast<std::int64_t>(bound));
    std::string text;
    if (key.type == T::kInteger || key.type == T::kBytes)
        append_number(text, static_cast<std::int64_t>(bound));
    else
        append_number(text, bound);
    return text;
}

tl::unexpected<Error> refuse(const ConfigKey& key, std::string_view value,
                             std::string_view source) {
    std::string expected;
    switch (key.type) {
        case T::kInteger: expected = "a whole number from "; break;
        case T::kBytes: expected = "bytes or a size such as 64MiB or 10GB from "; break;
        case T::kReal: expected = "a number from "; break;
        case T::kDuration:
            expected = "a duration with its unit, such as 500ms, 30s or 1h, from ";
            break;
        case T::kBoolean: expected = "true or false"; break;
        case T::kText: expected = "text"; break;
        case T::kList: expected = "texts with commas between them"; break;
        case T::kChoice: expected = "one of " + std::string(key.choices); break;
    }
    if (key.max > 0) {
        expected += bound_text(key, key.min) + " to " + bound_text(key, key.max);
    }
    return fail(Error(ErrorCode::kValidation, "config: " + std::string(key.name) + " = \"" +
                                                  std::string(value.substr(0, 128)) + "\" from " +
                                                  std::string(source) + " is refused; expected " +
                                                  expected)
                    .in(std::string(key.name)));
}

bool parse_boolean(std::string_view value, bool& out) {
    const bool yes = value == "true" || value == "1" || value == "yes" || value == "on";
    const bool no = value == "false" || value == "0" || value == "no" || value == "off";
    if (yes || no) out = yes;
    return yes || no;
}

bool is_choice(std::string_view choices, std::string_view value) {
    while (!choices.empty()) {
        const std::size_t bar = std::min(choices.find('|'), choices.size());
        if (choices.substr(0, bar) == value) return true;
        choices.remove_prefix(std::min(bar + 1, choices.size()));
    }
    return false;
}

char environment_letter(char c) {
    return c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
}

template <typename Number>
bool parse_number(std::string_view value, Number& out) {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    return error == std::errc() && end == value.data() + value.size();
}

bool parse_whole(ConfigType type, std::string_view value, std::int64_t& out) {
    if (type == T::kDuration) return parse_told_duration_us(value, out);
    return type == T::kBytes ? parse_byte_size(value, out) : parse_number(value, out);
}

template <typename Value>
Value& member_of(Config& config, const ConfigKey& key) {
    return std::get<Value& (*)(Config&)>(key.member)(config);
}

bool parse_value(Config& config, const ConfigKey& key, std::string_view value) {
    switch (key.type) {
        case T::kInteger:
        case T::kBytes:
        case T::kDuration: {
            std::int64_t number = 0;
            if (!parse_whole(key.type, value, number) || static_cast<double>(number) < key.min ||
                static_cast<double>(number) > key.max)
                return false;
            member_of<std::int64_t>(config, key) = number;
            return true;
        }
        case T::kReal: {
            double number = 0;
            if (!parse_number(value, number) || !(number >= key.min && number <= key.max))
                return false;
            member_of<double>(config, key) = number;
            return true;
        }
        case T::kBoolean: return parse_boolean(value, member_of<bool>(config, key));
        case T::kChoice:
            if (!is_choice(key.choices, value)) return false;
            [[fallthrough]];
        case T::kText:
        case T::kList: member_of<std::string>(config, key) = std::string(value); return true;
    }
    return false;
}

const ConfigKey* find_key(std::string_view name) {
    for (const ConfigKey& key : config_keys()) {
        if (key.name == name) return &key;
    }
    return nullptr;
}

tl::unexpected<Error> unknown_name(std::string_view name, std::string_view nearest,
                                   std::string_view source) {
    std::string text = "config: key " + std::string(name.substr(0, 128)) + " from " +
                       std::string(source) + " is not known";
    if (!nearest.empty()) text += "; did you mean " + std::string(nearest) + "?";
    return fail(Error(ErrorCode::kValidation, std::move(text)).in(std::string(name)));
}

tl::unexpected<Error> unknown_key(std::string_view name, std::string_view source) {
    std::vector<std::string_view> names;
    for (const ConfigKey& key : config_keys()) names.push_back(key.name);
    return unknown_name(name, nearest_name(name, names), source);
}

bool is_section(std::string_view name) {
    if (name.empty()) return false;
    for (const ConfigKey& key : config_keys()) {
        if (key.section() == name) return true;
    }
    return false;
}

// ["a", "b"]: of a key that is a list.
bool append_list(const toml::array& array, const std::string& name, std::string& out) {
    const ConfigKey* key = find_key(name);
    if (key && key->type != T::kList) return false;
    for (const toml::node& item : array) {
        const auto* text = item.as_string();
        if (!text || text->get().find(',') != std::string::npos) return false;
        out.append(out.empty() ? "" : ",").append(text->get());
    }
    return true;
}

tl::unexpected<Error> no_scalar(const std::string& name, std::string_view source) {
    std::string text = "config: " + name;
    text.append(" from ").append(source).append(" is neither text, number nor boolean");
    return fail(Error(ErrorCode::kValidation, std::move(text)).in(name));
}

Status apply_toml_table(Config& config, const toml::table& table, const std::string& prefix,
                        std::string_view path) {
    for (const auto& [node_key, node] : table) {
        const std::string name = std::string(prefix).append(node_key.str());
        if (const toml::table* inner = node.as_table()) {
            if (!prefix.empty() && !is_section(name)) return unknown_key(name, path);
            if (auto status = apply_toml_table(config, *inner, name + ".", path); !status)
                return status;
            continue;
        }
        const std::string source =
            std::string(path) + ":" + std::to_string(node.source().begin.line);
        std::string text;
        if (const auto* value = node.as_string())
            text = value->get();
        else if (const auto* integer = node.as_integer())
            append_number(text, integer->get());
        else if (const auto* real = node.as_floating_point())
            append_number(text, real->get());
        else if (const auto* boolean = node.as_boolean())
            text = boolean->get() ? "true" : "false";
        else if (const auto* array = node.as_array(); !array || !append_list(*array, name, text))
            return no_scalar(name, source);
        if (auto status = set_config_value(config, name, text, source); !status) return status;
    }
    return {};
}

}  // namespace

std::string ConfigKey::environment_name() const {
    std::string out = "MILLRACE_";
    for (const char c : name) out += environment_letter(c);
    return out;
}

Status set_config_value(Config& config, std::string_view name, std::string_view value,
                        std::string_view source) {
    const ConfigKey* key = find_key(name);
    if (!key) return unknown_key(name, source);
    if (!parse_value(config, *key, value)) return refuse(*key, value, source);
    return {};
}

Status apply_config_toml(Config& config, std::string_view text, std::string_view path) {
    const toml::parse_result parsed = toml::parse(text, path);
    if (!parsed) {
        const auto& error = parsed.error();
        return fail(ErrorCode::kValidation, "config: " + std::string(path) + ":" +
                                                std::to_string(error.source().begin.line) + ":" +
                                                std::to_string(error.source().begin.column) + ": " +
                                                std::string(error.description()));
    }
    return apply_toml_table(config, parsed.table(), "", path);
}

Status apply_config_file(Config& config, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return fail(ErrorCode::kValidation,
                    "config: open " + path + " failed: " + std::strerror(errno));
    }
    std::ostringstream text;
    text << file.rdbuf();
    return apply_config_toml(config, text.str(), path);
}

namespace {

constexpr std::string_view kEnvironmentPrefix = "MILLRACE_";

// Names of the command line client, the scripts, the tests and core/fault.h: whoever sets one for
// those may start a server all the same.
bool is_foreign_name(std::string_view name) {
    constexpr std::array<std::string_view, 13> kNames = {
        "MILLRACE_SERVER",       "MILLRACE_URL",         "MILLRACE_API_KEY", "MILLRACE_OUTPUT",
        "MILLRACE_CRASH_AT",     "MILLRACE_THIRD_PARTY", "MILLRACE_PRESET",  "MILLRACE_CI_SANITIZE",
        "MILLRACE_BINARY",       "MILLRACE_BENCH_SMOKE", "MILLRACE_CA_FILE", "MILLRACE_CONTEXT",
        "MILLRACE_CONTEXTS_FILE"};
    return name.starts_with("MILLRACE_FUZZ_") ||
           std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// MILLRACE_HTTP_ANYTHING, and MILLRACE_HTTP itself: meant for us.
bool names_a_section(std::string_view name) {
    name.remove_prefix(kEnvironmentPrefix.size());
    for (const ConfigKey& key : config_keys()) {
        std::string section(key.section());
        if (section.empty()) continue;
        std::transform(section.begin(), section.end(), section.begin(),
                       [](char c) { return environment_letter(c); });
        if (name == section || name.starts_with(section + "_")) return true;
    }
    return false;
}

std::string nearest_environment_name(std::string_view name) {
    std::vector<std::string> names;
    for (const ConfigKey& key : config_keys()) names.push_back(key.environment_name());
    return std::string(nearest_name(name, names));
}

Status apply_unknown_name(std::string_view name, std::vector<std::string>* warnings) {
    if (!name.starts_with(kEnvironmentPrefix) || is_foreign_name(name)) return {};
    const std::string nearest = nearest_environment_name(name);
    if (names_a_section(name)) return unknown_name(name, nearest, "the environment");
    if (warnings == nullptr) return {};
    std::string text = std::string(name.substr(0, 128)) +
                       " in the environment is no setting of the server and is ignored";
    if (!nearest.empty()) text += "; did you mean " + nearest + "?";
    warnings->push_back(std::move(text));
    return {};
}

}  // namespace

Status apply_config_environment(Config& config, const char* const* environment,
                                std::vector<std::string>* warnings) {
    for (; environment && *environment; ++environment) {
        const std::string_view entry = *environment;
        const std::size_t equals = entry.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view name = entry.substr(0, equals);
        const ConfigKey* found = nullptr;
        for (const ConfigKey& key : config_keys()) {
            if (name == key.environment_name() || (!key.alias.empty() && name == key.alias))
                found = &key;
        }
        if (found == nullptr) {
            if (auto status = apply_unknown_name(name, warnings); !status) return status;
        } else if (!parse_value(config, *found, entry.substr(equals + 1))) {
            return refuse(*found, entry.substr(equals + 1), "environment " + std::string(name));
        }
    }
    return {};
}

namespace {

Status check_tls(const TlsConfig& tls) {
    const auto bad = [](const char* key, const char* text) {
        return fail(Error(ErrorCode::kValidation, std::string("config: ") + key + text).in(key));
    };
    if (!tls.cert.empty() && tls.key.empty())
        return bad("tls.key", " is empty, but tls.cert is set; name the file of its private key");
    if (tls.cert.empty() && !tls.key.empty())
        return bad("tls.cert", " is empty, but tls.key is set; name the file of the certificate");
    if (tls.client_auth == "off") return {};
    if (tls.cert.empty())
        return bad("tls.client_auth", " asks clients for certificates, which needs tls.cert");
    if (tls.client_ca.empty())
        return bad("tls.client_ca", " is empty, but tls.client_auth asks clients for certificates");
    return {};
}

// Of URLs what stands before their host: a setting may not take it, and is shown all the
// same. A password may hold what ends a host.
std::string without_passwords(std::string text) {
    constexpr std::string_view kMask = "***";
    for (std::size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at)) {
        at += 3;
        const std::size_t end = std::min(text.find_first_of(", ", at), text.size());
        const std::size_t mark = text.rfind('@', end);
        if (mark != std::string::npos && mark >= at) text.replace(at, mark - at, kMask);
    }
    return text;
}

}  // namespace

Status check_config(const Config& config) {
    if (config.data.dir.empty()) {
        return fail(Error(ErrorCode::kValidation, "config: data.dir is empty; name a folder")
                        .in("data.dir"));
    }
    return check_tls(config.tls);
}

std::string config_value_text(const Config& config, const ConfigKey& key) {
    Config copy = config;  // the accessors are those that also set
    std::string text;
    switch (key.type) {
        case T::kInteger:
        case T::kBytes: append_number(text, member_of<std::int64_t>(copy, key)); break;
        case T::kDuration: return format_duration(member_of<std::int64_t>(copy, key));
        case T::kReal: append_number(text, member_of<double>(copy, key)); break;
        case T::kBoolean: return member_of<bool>(copy, key) ? "true" : "false";
        case T::kText:
        case T::kList:
        case T::kChoice: return member_of<std::string>(copy, key);
    }
    return text;
}

std::string config_shown_text(const Config& config, const ConfigKey& key) {
    std::string text = config_value_text(config, key);
    if (key.secret && !text.empty()) return "(set)";
    return key.type == T::kText || key.type == T::kList ? without_passwords(std::move(text)) : text;
}

std::string dump_config_toml(const Config& config) {
    std::string out, section;
    for (const ConfigKey& key : config_keys()) {
        if (key.section() != section) {
            section = key.section();
            out += (out.empty() ? "[" : "\n[") + section + "]\n";
        }
        out += "# " + std::string(key.doc) + "\n# " + key.environment_name();
        if (!key.alias.empty()) out += ", " + std::string(key.alias);
        if (!key.choices.empty()) out += "; one of " + std::string(key.choices);
        if (key.max > 0)
            out += "; from " + bound_text(key, key.min) + " to " + bound_text(key, key.max);
        out +=
            "\n" + std::string(key.name.substr(section.empty() ? 0 : section.size() + 1)) + " = ";
        // What stands there would be taken for the secret when the file is read.
        const bool hidden = config_shown_text(config, key) != config_value_text(config, key);
        const std::string value = hidden ? std::string() : config_shown_text(config, key);
        if (key.type == T::kText || key.type == T::kList || key.type == T::kChoice ||
            key.type == T::kDuration)
            append_json_string(out, value);
        else
            out += value;
        out += hidden ? "  # set, and not shown\n" : "\n";
    }
    return out;
}

}  // namespace millrace::core
