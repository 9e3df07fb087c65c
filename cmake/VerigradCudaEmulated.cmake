# The CUDA backend compiled as host C++: the headers in cpp/emulation stand in for CUDA's, the threads of a block are
# fibres. It takes the place of libverigrad_cuda in the build's package, for tests alone; never installed.

file(GLOB _cuda_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/cuda/*.cu")
if(NOT _cuda_sources)
  message(FATAL_ERROR "VERIGRAD_CUDA_EMULATED: no .cu file in cpp/src/kernels/cuda")
endif()
# By way of C++ files: the language of a source is one for all targets, and VerigradCuda.cmake gives these to nvcc.
set(_wrapped "")
foreach(_source IN LISTS _cuda_sources)
  get_filename_component(_name "${_source}" NAME_WE)
  set(_wrapper "${CMAKE_CURRENT_BINARY_DIR}/emulated/${_name}.cpp")
  file(CONFIGURE OUTPUT "${_wrapper}" CONTENT "#include \"${_source}\"\n")
  list(APPEND _wrapped "${_wrapper}")
endforeach()
file(GLOB _emulation_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/emulation/*.cpp")
# Plain loops of n^3 steps, in which the tests would wait.
set_source_files_properties(emulation/cublas.cpp PROPERTIES COMPILE_OPTIONS -O3)
add_library(verigrad_cuda_emulated SHARED ${_wrapped} ${_emulation_sources})
target_include_directories(verigrad_cuda_emulated PUBLIC emulation include src)
target_link_libraries(verigrad_cuda_emulated PRIVATE verigrad_flags PUBLIC verigrad_core)
target_compile_definitions(verigrad_cuda_emulated PRIVATE VERIGRAD_BUILD="${PROJECT_VERSION}")
# Lower boundaries, here and where the checks learn of them.
target_compile_definitions(verigrad_cuda_emulated PUBLIC VERIGRAD_CUDA_EMULATED)
set_property(SOURCE src/testing/faults.cpp bindings/bind_testing.cpp
  APPEND PROPERTY COMPILE_DEFINITIONS VERIGRAD_CUDA_EMULATED)
target_link_options(verigrad_cuda_emulated PRIVATE -Wl,--no-undefined)
if(VERIGRAD_SANITIZE)
  target_link_options(verigrad_cuda_emulated PRIVATE -Wl,-z,undefs)
endif()
set_target_properties(verigrad_cuda_emulated PROPERTIES
  OUTPUT_NAME verigrad_cuda
  BUILD_WITH_INSTALL_RPATH ON
  INSTALL_RPATH "${_origin}"
  LIBRARY_OUTPUT_DIRECTORY "${VERIGRAD_PACKAGE_DIR}")
# threadIdx and its like are variables of a host thread, read at every turn: by descriptors instead of calls.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(verigrad_cuda_emulated PRIVATE -mtls-dialect=gnu2)
endif()

if(VERIGRAD_BUILD_TESTS)
  file(GLOB _emulation_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/emulation/*.cpp")
  add_executable(verigrad_emulation_tests ${_emulation_tests} "${PROJECT_SOURCE_DIR}/tests/cpp/main.cpp")
  target_include_directories(verigrad_emulation_tests PRIVATE src "${PROJECT_SOURCE_DIR}/tests/cpp")
  target_link_libraries(verigrad_emulation_tests PRIVATE verigrad_flags verigrad_cuda_emulated Threads::Threads)
  if(TARGET verigrad_package)
    add_dependencies(verigrad_emulation_tests verigrad_package) # which brings OpenBLAS
  endif()
endif()
