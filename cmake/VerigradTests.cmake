# ctest runs the C++ tests and pytest against this build tree.

set(_env "PYTHONPATH=${CMAKE_BINARY_DIR}/package")
set(_launcher "")
if(VERIGRAD_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  # Python itself is not instrumented, so the run-time library has to be loaded before it; libstdc++ as well, for the
  # sanitizer to find the functions that throw.
  set(_preload "")
  if(VERIGRAD_SANITIZE STREQUAL "address")
    set(_names libasan.so libubsan.so libstdc++.so)
    # Python keeps memory until it ends, so leaks of the interpreter would drown ours: those are tested by counting.
    # Memory that is not there is reported to the library, which raises, as without the sanitizer.
    list(APPEND _env
      "ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=0:allocator_may_return_null=1"
      "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
  else()
    set(_names libtsan.so libstdc++.so)
    list(APPEND _env
      "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1:allocator_may_return_null=1")
    # The sanitizer's memory layout does not fit every kernel's address randomisation.
    find_program(VERIGRAD_SETARCH setarch)
    if(VERIGRAD_SETARCH)
      set(_launcher "${VERIGRAD_SETARCH}" -R)
    endif()
  endif()
  foreach(_name IN LISTS _names)
    execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=${_name}
      OUTPUT_VARIABLE _path OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(EXISTS "${_path}")
      get_filename_component(_path "${_path}" REALPATH)
      list(APPEND _preload "${_path}")
    endif()
  endforeach()
  list(JOIN _preload ":" _preload)
  list(APPEND _env "LD_PRELOAD=${_preload}" "PYTHONMALLOC=malloc" "VERIGRAD_TEST_SANITIZER=${VERIGRAD_SANITIZE}")
endif()

# Guards against testing another build, such as one that is installed in the environment.
set(_where "import sys, verigrad._C as c; print(c.__file__); sys.exit(not c.__file__.startswith(sys.argv[1]))")
add_test(NAME package_is_of_this_build
  COMMAND ${_launcher} "${Python_EXECUTABLE}" -c "${_where}" "${VERIGRAD_PACKAGE_DIR}")
add_test(NAME cpp COMMAND ${_launcher} $<TARGET_FILE:verigrad_cpp_tests>)
add_test(NAME pytest COMMAND ${_launcher} "${Python_EXECUTABLE}" -m pytest -q -p no:cacheprovider
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
if(TARGET verigrad_emulation_tests)
  add_test(NAME emulation COMMAND ${_launcher} $<TARGET_FILE:verigrad_emulation_tests>)
  set_tests_properties(emulation PROPERTIES ENVIRONMENT "${_env}")
endif()
set_tests_properties(package_is_of_this_build cpp pytest PROPERTIES ENVIRONMENT "${_env}")
set_tests_properties(package_is_of_this_build PROPERTIES FIXTURES_SETUP package)
set_tests_properties(pytest PROPERTIES FIXTURES_REQUIRED package TIMEOUT 7200)
