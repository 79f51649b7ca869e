// What: which dead letters are meant, as options of a verb.
// Threads: one. Lifetime: value. Limits: none. Failure: find() has printed it.
#pragma once

#include "tools/cli/context.h"
#include "tools/cli/json.h"

#include <CLI/CLI.hpp>

#include <string>

namespace millrace::tools {

struct DlqFilter {
    std::string script_id, subscription_id, pattern, fingerprint, from, to;

    void add_options(CLI::App& verb);
    void add_selection(CLI::App& verb);  // the same but for the fingerprint
    bool empty() const;
    // Names become ids. False after an error has been printed.
    bool find(CliContext& context);
    Query query() const;
    JsonObject body() const;
};

// The verbs `dlq replay` and `dlq edit`.
void add_dlq_replay(CLI::App& dlq, CliContext& context);
void add_dlq_edit(CLI::App& dlq, CliContext& context);

}  // namespace millrace::tools
