// What: the questions of one event to one Index, inside it.
// Threads: one owner. Lifetime: one match(). Limits, failure: none.
#pragma once

#include "matcher/index/index.h"

namespace millrace::matcher {

struct Index::Asking {
    const core::Envelope& envelope;
    core::TenantId tenant;
    const core::FieldTable& fields;
    Version version;
    IndexScratch& scratch;
    EvalScratch& eval;
    MatchList& out;
    GroupId group = 0;
    bool repeated = false;  // the pivot's field has several values
};

}  // namespace millrace::matcher
