// `dlq edit`: the event that a dead letter is delivered with from now on, out of a file, of
// standard input, or of the editor of whoever sits there.
#include "tools/cli/dlq_filter.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace millrace::tools {

namespace {

struct EditOptions {
    std::string id, file;
};

core::Error file_failed(std::string_view what, const std::string& path) {
    return core::Error(core::ErrorCode::kInternal,
                       std::string(what) + " " + path + " failed: " + std::strerror(errno));
}

// A file that nobody else may read, gone with its owner.
class ScratchFile {
public:
    ScratchFile()
        : path_((std::filesystem::temp_directory_path() / "millrace-XXXXXX.json").string()) {
        const int fd = ::mkstemps(path_.data(), 5);
        made_ = fd >= 0;
        if (made_) ::close(fd);
    }
    ~ScratchFile() {
        if (made_) ::unlink(path_.c_str());
    }
    ScratchFile(const ScratchFile&) = delete;
    ScratchFile& operator=(const ScratchFile&) = delete;

    bool made() const { return made_; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
    bool made_ = false;
};

std::string editor() {
    for (const char* name : {"VISUAL", "EDITOR"}) {
        if (const char* value = std::getenv(name); value && *value) return value;
    }
    return "vi";
}

// With the options that its name may have behind it.
bool run_editor(const std::string& path) {
    const std::string command = "exec " + editor() + " \"$1\"";
    const char* const argv[] = {"sh", "-c", command.c_str(), "sh", path.c_str(), nullptr};
    pid_t child = 0;
    if (::posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(argv),
                      environ) != 0)
        return false;
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

core::Result<std::string> edited(const std::string& before) {
    const ScratchFile file;
    if (!file.made()) return core::fail(file_failed("create", file.path()));
    {
        std::ofstream out(file.path(), std::ios::binary);
        out << before;
        if (!out.flush()) return core::fail(file_failed("write", file.path()));
    }
    if (!run_editor(file.path())) {
        return core::fail(core::ErrorCode::kInternal,
                          "the editor (" + editor() + ") did not end well: nothing was changed");
    }
    std::ifstream in(file.path(), std::ios::binary);
    std::string after((std::istreambuf_iterator<char>(in)), {});
    if (in.bad()) return core::fail(file_failed("read", file.path()));
    return after;
}

// The event as somebody has left it in the editor. False: `code` says what becomes of the verb.
bool edit_by_hand(CliContext& context, const std::string& path, std::string& event, int& code) {
    code = kExitFailed;
    const auto letter = context.get(path);
    if (letter == nullptr) return false;
    core::JsonElement shown;
    if (!letter->root.find("event", shown) || !shown.is_object()) {
        context.note("its event is not kept any more: there is nothing to deliver");
        return false;
    }
    const std::string before = json_pretty(shown) + "\n";
    auto after = edited(before);
    if (!after) {
        code = context.failed(after.error());
        return false;
    }
    event = std::move(*after);
    if (event != before) return true;
    context.note("nothing was changed");
    code = kExitOk;
    return false;
}

int edit_letter(CliContext& context, const EditOptions& o) {
    const std::string path = "/v2/dlq/" + url_escaped(o.id);
    std::string event;
    if (o.file.empty()) {
        if (!context.asks())
            return context.usage("dlq edit needs a file, or - for stdin: nobody is there to edit");
        int code = kExitFailed;
        if (!edit_by_hand(context, path, event, code)) return code;
    } else {
        auto read = read_argument(o.file == "-" ? o.file : "@" + o.file);
        if (!read) return context.failed(read.error());
        event = std::move(*read);
    }
    const auto reply = context.call({.method = "PUT", .path = path + "/event", .body = event});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << "corrected; to deliver it: millrace dlq replay " << printable(o.id)
                      << '\n';
    return kExitOk;
}

}  // namespace

void add_dlq_edit(CLI::App& dlq, CliContext& context) {
    auto o = std::make_shared<EditOptions>();
    CLI::App* edit =
        dlq.add_subcommand("edit", "Correct the event that one is delivered with from now on");
    edit->add_option("id", o->id)->required();
    edit->add_option("file", o->file,
                     "the event as JSON, - for stdin; without it $VISUAL or $EDITOR is opened");
    edit->callback(
        [&context, o] { context.action = [&context, o] { return edit_letter(context, *o); }; });
}

}  // namespace millrace::tools
