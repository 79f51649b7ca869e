// What: says of most values that they fit a schema, from the tokens of a text: no tree of it is
//       made, and nothing is allocated. What it does not say so of is for the validator to judge,
//       which also has the words for what does not fit.
// Threads: pure. Lifetime: borrows for a call.
// Limits: those of the validator, told a little earlier.
// Failure: none: false is "ask the validator".
//
// Hot loop. Unit of work: a value of the text. Budget: 150 ns for an invoice of six members
// (bench/schema_validate_bench, of which the walk over its 25 tokens is about a third). What keeps
// it short: names are found by one product and compared by words, numbers are compared as whole
// ones, expressions are tables, and required members are bits. Invariant: `token` is at the first
// token of a value, and behind it when that fits.
#pragma once

#include "core/json_place.h"
#include "runtime/schema/quick_program.h"

namespace millrace::runtime::schema {

bool fits_quickly(const QuickProgram& program, const core::JsonPlace& value);

}  // namespace millrace::runtime::schema
