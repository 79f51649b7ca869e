// What: says of most values that they fit a schema, from the tokens of a text: no tree of it is
//       made, and nothing is allocated. What it does not say so of is for the validator to judge,
//       which also has the words for what does not fit.
// Threads: pure. Lifetime: borrows for a call.
// Limits: those of the validator, told a little earlier.
// Failure: none: false is "ask the validator".
//
// Hot loop. Unit of work: a value of the text. Budget: 150 ns for an invoice of six members
// (bench/schema_validate_bench). What keeps it short: a name is held against the one that came
// there in the values before (quick_order.h), and only else found by one product; most schemas of
// a scalar come down to one question, asked of a word or two (QuickAsk); numbers are compared as
// whole ones, expressions are tables, and required members are bits. Invariant: `token` is at the
// first token of a value, and behind it when that fits.
#pragma once

#include "core/json_place.h"
#include "runtime/schema/quick_program.h"

namespace millrace::runtime::schema {

bool fits_quickly(const QuickProgram& program, const core::JsonPlace& value);

}  // namespace millrace::runtime::schema
