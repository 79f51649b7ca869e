# Compiler settings and the four functions every folder uses: millrace_library, millrace_test,
# millrace_bench, millrace_fuzz. Sources are listed by hand; nothing is globbed.

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_BINARY_DIR)
    message(FATAL_ERROR "In-source builds are refused: use cmake --preset release")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
# What nothing calls is left out of the binary: text is most of what an idle server has in memory.
add_compile_options(-ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)
# The sanitizers' presets: assertions of the standard library and our own debug checks on, lines only.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -D_GLIBCXX_ASSERTIONS")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1")

# Hyperscan needs SSSE3 on x86 anyway; x86-64-v2 is that floor. Hot code picks its instruction set
# at run time (simdjson, Hyperscan and xxhash do so themselves).
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    add_compile_options(-march=x86-64-v2)
endif()

if(MILLRACE_ASAN)
    # A null pointer that is read ends the program by itself, and AddressSanitizer sees what leaves an object; to ask
    # before each read is a fifth of the compiler's time, and a seventh again for alignment, which the preset `fuzz`
    # asks of whatever reads foreign bytes.
    add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,alignment,object-size
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
if(MILLRACE_TSAN)
    # -Wno-tsan: it does not follow fences. Ours (store/commit/log_writer.cc) order one atomic against another and
    # publish no plain memory, so nothing is hidden by that.
    add_compile_options(-fsanitize=thread -Wno-tsan)
    add_link_options(-fsanitize=thread)
endif()
if(MILLRACE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
if(MILLRACE_FAULTS)
    add_compile_definitions(MILLRACE_FAULTS=1)
endif()

# Some hundred programs are linked, most of them of the same archives.
find_program(MILLRACE_LLD ld.lld)
if(MILLRACE_LLD AND NOT CMAKE_CROSSCOMPILING)
    add_link_options(-fuse-ld=lld)
endif()

find_program(MILLRACE_CCACHE ccache)
if(MILLRACE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${MILLRACE_CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${MILLRACE_CCACHE})
endif()

function(millrace_warnings target)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror>)
    # g++ 12 warns of overlapping copies in "literal" + std::string that do not exist (GCC bug 105651).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
        if(MILLRACE_ASAN OR MILLRACE_TSAN)
            # The instrumentation hides initialisations from this warning; Release keeps it.
            target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
        endif()
    endif()
endfunction()

# millrace_library(NAME SRCS a.cc ... DEPS target ... [COLD]): COLD is for what no event passes through; in Release
# it is compiled for size.
function(millrace_library name)
    cmake_parse_arguments(ARG "COLD" "" "SRCS;DEPS" ${ARGN})
    if(ARG_SRCS)
        add_library(${name} STATIC ${ARG_SRCS})
        target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
        target_link_libraries(${name} PUBLIC ${ARG_DEPS})
        millrace_warnings(${name})
        if(ARG_COLD)
            target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-Os>)
        endif()
    else()
        add_library(${name} INTERFACE)
        target_include_directories(${name} INTERFACE ${PROJECT_SOURCE_DIR})
        target_link_libraries(${name} INTERFACE ${ARG_DEPS})
    endif()
endfunction()

# Everything that CI also runs under the sanitizers: tests without one of the labels in
# MILLRACE_NOT_UNIT, and the fuzz corpora. They carry the label "unit".
add_custom_target(unit_tests)
# ...of these, those of the four folders below runtime, for which a slow machine still has time (label "engine")...
add_custom_target(engine_tests)
# ...and those whose subjects several threads share: .ci/run has time for them under TSan (label
# "threaded"); tools/test --sanitize tsan runs all.
add_custom_target(threaded_tests)
set(MILLRACE_THREADED core_test io_reactor_test matcher_change_test matcher_upkeep_test store_test
    runtime_test runtime_outside_test runtime_orchestrator_test runtime_scheduler_test)
set(MILLRACE_NOT_UNIT e2e crash slow bench_smoke tidy)

# millrace_test(NAME SRCS a_test.cc ... DEPS target ... [LABELS label ...] [TIMEOUT seconds])
function(millrace_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
    add_executable(${name} ${ARG_SRCS})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gtest_main)
    target_compile_definitions(${name} PRIVATE MILLRACE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    millrace_warnings(${name})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    set(is_unit TRUE)
    foreach(label IN LISTS ARG_LABELS)
        if(label IN_LIST MILLRACE_NOT_UNIT)
            set(is_unit FALSE)
        endif()
    endforeach()
    if(is_unit)
        list(APPEND ARG_LABELS unit)
        add_dependencies(unit_tests ${name})
        if(CMAKE_CURRENT_SOURCE_DIR MATCHES "/tests/(core|io|matcher|store)(/|$)")
            list(APPEND ARG_LABELS engine)
            add_dependencies(engine_tests ${name})
        endif()
        if(name IN_LIST MILLRACE_THREADED)
            list(APPEND ARG_LABELS threaded)
            add_dependencies(threaded_tests ${name})
        endif()
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# millrace_bench(NAME SRCS a_bench.cc DEPS target ...): ctest runs it with the smallest time so that it
# can not rot (label bench_smoke).
function(millrace_bench name)
    cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
    add_executable(${name} ${ARG_SRCS})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark)
    millrace_warnings(${name})
    add_test(NAME ${name}_smoke COMMAND ${name} --benchmark_min_time=0.001)
    set_tests_properties(${name}_smoke PROPERTIES LABELS bench_smoke TIMEOUT 120 ENVIRONMENT MILLRACE_BENCH_SMOKE=1)
endfunction()

# millrace_fuzz(NAME SRCS a_fuzz.cc DEPS ... CORPUS dir): with MILLRACE_FUZZ a libFuzzer binary, else a
# program that replays the corpus and seeded mutations of it, which ctest runs.
function(millrace_fuzz name)
    cmake_parse_arguments(ARG "" "CORPUS" "SRCS;DEPS" ${ARGN})
    if(MILLRACE_FUZZ)
        add_executable(${name} ${ARG_SRCS})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(${name} ${ARG_SRCS} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
        cmake_path(ABSOLUTE_PATH ARG_CORPUS BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
        add_dependencies(unit_tests ${name})
        add_test(NAME ${name}_corpus COMMAND ${name} ${ARG_CORPUS})
        set_tests_properties(${name}_corpus PROPERTIES LABELS "fuzz;unit" TIMEOUT 120)
    endif()
    target_link_libraries(${name} PRIVATE ${ARG_DEPS})
    millrace_warnings(${name})
endfunction()
