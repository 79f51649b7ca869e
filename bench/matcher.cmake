# The matcher's benches; figures in matcher_results.md.
millrace_bench(matcher_scale_bench
    SRCS matcher_scale_bench.cc
    DEPS millrace_matcher)
millrace_bench(matcher_citylots_bench
    SRCS matcher_citylots_bench.cc
    DEPS millrace_matcher PkgConfig::simdjson)
millrace_bench(matcher_hypermatch_bench
    SRCS matcher_hypermatch_bench.cc
    DEPS millrace_matcher)
millrace_bench(matcher_change_bench
    SRCS matcher_change_bench.cc
    DEPS millrace_matcher)
millrace_bench(matcher_hyperscan_bench
    SRCS matcher_hyperscan_bench.cc
    DEPS millrace_matcher)
millrace_bench(matcher_odd_bench
    SRCS matcher_odd_bench.cc
    DEPS millrace_matcher)
