#include "tools/cli/completion.h"

#include <memory>
#include <vector>

namespace millrace::tools {

namespace {

constexpr OtherCommand kOthers[] = {
    {"serve", "Run the server"},
    {"config", "What a server would be configured with: check, show"},
    {"bench", "How fast this machine is with it; bench tune, bench compare"},
    {"torture", "Whether this machine's disk keeps what was acknowledged"},
    {"test", "Tests of handlers in a folder"},
    {"restore", "A data folder of a backup"},
    {"verify", "Reads everything of a data folder or a backup, and checks it"},
    {"inspect", "What is in a data folder or a backup"},
    {"help", "Pages about events, patterns, filters, errors, ..."},
};

// What may come next, by what stands before: "", "event", "event create".
struct State {
    std::string before;
    std::vector<std::pair<std::string, std::string>> next;  // and what it is
};

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App*) { return true; });
}

void add_options(const CLI::App& app, State& state) {
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames())
            state.next.emplace_back("--" + name, option->get_description());
    }
}

State state_of(const CLI::App& app, std::string before, const CLI::App& root) {
    State state{std::move(before), {}};
    for (const CLI::App* sub : commands_of(app))
        state.next.emplace_back(sub->get_name(), sub->get_description());
    if (commands_of(app).empty()) {
        add_options(app, state);
        add_options(root, state);
    }
    return state;
}

std::vector<State> states_of(const CLI::App& app) {
    std::vector<State> states = {state_of(app, "", app)};
    for (const OtherCommand& other : kOthers)
        states.front().next.emplace_back(other.name, other.what);
    for (const CLI::App* noun : commands_of(app)) {
        states.push_back(state_of(*noun, noun->get_name(), app));
        for (const CLI::App* verb : commands_of(*noun))
            states.push_back(state_of(*verb, noun->get_name() + " " + verb->get_name(), app));
    }
    return states;
}

std::string words_of(const State& state) {
    std::string words;
    for (const auto& [word, what] : state.next) words += (words.empty() ? "" : " ") + word;
    return words;
}

std::string globals_with_value(const CLI::App& app) {
    std::string names;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_items_expected_max() == 0) continue;
        for (const std::string& name : option->get_lnames())
            names += (names.empty() ? "--" : "|--") + name;
        for (const std::string& name : option->get_snames()) names += "|-" + name;
    }
    return names;
}

// The same for bash and zsh but for what the words so far are called and how words are offered.
std::string by_cases(const CLI::App& app, const std::string& offer_begin,
                     const std::string& offer_end) {
    std::string out = "    case \"$noun${verb:+ $verb}\" in\n";
    for (const State& state : states_of(app)) {
        out += "        \"" + state.before + "\") " + offer_begin + words_of(state) + offer_end +
               " ;;\n";
    }
    return out + "    esac\n";
}

std::string look_back(const CLI::App& app, const std::string& loop, const std::string& word) {
    return "    local noun= verb= word i\n    " + loop + "\n        word=" + word +
           "\n        case $word in\n            " + globals_with_value(app) +
           ") i=$((i + 1)) ;;\n            -*) ;;\n"
           "            *) if [[ -z $noun ]]; then noun=${word%%:*}; "
           "[[ $word == *:* ]] && verb=${word#*:}; elif [[ -z $verb ]]; then verb=$word; fi ;;\n"
           "        esac\n    done\n";
}

std::string bash_script(const CLI::App& app) {
    return "# millrace completion bash > /etc/bash_completion.d/millrace\n"
           "_millrace() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words=\n" +
           look_back(app, "for ((i = 1; i < COMP_CWORD; i++)); do", "${COMP_WORDS[i]}") +
           by_cases(app, "words='", "'") +
           "    [[ -n $verb && $cur != -* ]] && words=\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "    [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- \"$cur\"))\n"
           "    return 0\n}\ncomplete -o filenames -F _millrace millrace\n";
}

std::string zsh_script(const CLI::App& app) {
    return "#compdef millrace\n"
           "# millrace completion zsh > \"${fpath[1]}/_millrace\"\n"
           "_millrace() {\n" +
           look_back(app, "for ((i = 2; i < CURRENT; i++)); do", "${words[i]}") +
           by_cases(app, "compadd -- ", "") +
           "    [[ -n $verb && ${words[CURRENT]} != -* ]] && _files\n"
           "    return 0\n}\n"
           "if [[ ${funcstack[1]} == _millrace ]]; then _millrace \"$@\"; "
           "else compdef _millrace millrace; fi\n";
}

std::string fish_quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c == '\n' ? ' ' : c;
    }
    return out + "'";
}

std::string fish_script(const CLI::App& app) {
    std::string out =
        "# millrace completion fish > ~/.config/fish/completions/millrace.fish\n"
        "function __millrace_words\n"
        "    for word in (commandline -opc)[2..-1]\n"
        "        string match -q -- '-*' $word; or echo $word\n"
        "    end\n"
        "end\n"
        "function __millrace_at\n"
        "    set -l words (__millrace_words)\n"
        "    test \"$words\" = \"$argv\"\n"
        "end\n"
        "function __millrace_in\n"
        "    set -l words (__millrace_words)\n"
        "    test (count $words) -ge $argv[1]; or return 1\n"
        "    test \"$words[1..$argv[1]]\" = \"$argv[2..-1]\"\n"
        "end\n";
    for (const State& state : states_of(app)) {
        for (const auto& [word, what] : state.next) {
            const bool option = word.starts_with("--");
            const std::string depth = state.before.find(' ') == std::string::npos ? "1 " : "2 ";
            out += "complete -c millrace -n '" +
                   (option ? "__millrace_in " + depth : std::string("__millrace_at ")) +
                   state.before + "' " + (option ? "-l " + word.substr(2) : "-f -a " + word) +
                   " -d " + fish_quoted(what) + "\n";
        }
    }
    return out;
}

}  // namespace

std::span<const OtherCommand> other_commands() { return kOthers; }

std::string completion_script(const CLI::App& app, std::string_view shell) {
    if (shell == "bash") return bash_script(app);
    return shell == "zsh" ? zsh_script(app) : fish_script(app);
}

void add_completion_command(CLI::App& app, CliContext& context) {
    auto shell = std::make_shared<std::string>();
    CLI::App* verb = app.add_subcommand("completion", "A script that completes these commands");
    verb->add_option("shell", *shell)->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    verb->callback([&app, &context, shell] {
        context.action = [&app, &context, shell] {
            context.out() << completion_script(app, *shell);
            return kExitOk;
        };
    });
}

}  // namespace millrace::tools
