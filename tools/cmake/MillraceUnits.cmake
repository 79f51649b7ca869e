# Several sources of a target are compiled as one unit: most of what a unit costs is its headers, and the files
# of one library read the same ones. A source of own_units.txt stays alone, because a name in its anonymous
# namespace is also another's in that target. A new source that collides does not compile: rename the helper (or
# share it, where both are one thing), or list the source. MILLRACE_UNITS=OFF compiles each source alone, as
# tools/tidy's database does.

if(NOT MILLRACE_UNITS)
    return()
endif()
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/own_units.txt own_units)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/own_units.txt)
# The mutants' copies take the place of a whole object of an archive, so that the originals are objects too.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
foreach(mutants IN ITEMS tests/sim/mutate.py tests/runtime/cluster/mutants.py tests/runtime/workflow/mutants.py)
    set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${mutants})
    execute_process(COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/${mutants} --files
        OUTPUT_VARIABLE mutated COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "[^\n]+" mutated "${mutated}")
    list(APPEND own_units ${mutated})
endforeach()
foreach(source IN LISTS own_units)
    # The folder whose list names the source is its own or one above; the property holds for that folder only.
    set(folder ${source})
    while(folder MATCHES "/")
        cmake_path(GET folder PARENT_PATH folder)
        if(EXISTS ${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt)
            set_source_files_properties(${PROJECT_SOURCE_DIR}/${source} DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}
                PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        endif()
    endwhile()
endforeach()
