# Compiler flags for all native code, as the interface target verigrad_flags.

add_library(verigrad_flags INTERFACE)

if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  # No -ffast-math and no -march: results follow IEEE 754 and do not depend on the build machine. Contraction is off so
  # that an instruction set with fused multiply-add gets it only where the code asks for it. Neither errno nor
  # floating-point traps are observed by anyone.
  target_compile_options(verigrad_flags INTERFACE -ffp-contract=off -fno-math-errno -fno-trapping-math)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(verigrad_flags INTERFACE -fno-semantic-interposition)
    # Vector types wider than the baseline never cross a library boundary, so the ABI note does not concern us.
    target_compile_options(verigrad_flags INTERFACE -Wno-psabi)
  endif()
  if(VERIGRAD_WERROR)
    target_compile_options(verigrad_flags INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror)
  else()
    target_compile_options(verigrad_flags INTERFACE -Wall)
  endif()
elseif(MSVC)
  target_compile_options(verigrad_flags INTERFACE /W3 /fp:precise /permissive- /utf-8)
  if(VERIGRAD_WERROR)
    target_compile_options(verigrad_flags INTERFACE /WX)
  endif()
endif()

if(VERIGRAD_SANITIZE STREQUAL "address")
  set(_sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(VERIGRAD_SANITIZE STREQUAL "thread")
  set(_sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(VERIGRAD_SANITIZE STREQUAL "")
  set(_sanitize "")
else()
  message(FATAL_ERROR "VERIGRAD_SANITIZE: expected empty, address or thread, got '${VERIGRAD_SANITIZE}'")
endif()
if(_sanitize)
  target_compile_options(verigrad_flags INTERFACE ${_sanitize})
  target_link_options(verigrad_flags INTERFACE ${_sanitize})
endif()

find_program(VERIGRAD_CCACHE ccache)
mark_as_advanced(VERIGRAD_CCACHE)
if(VERIGRAD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${VERIGRAD_CCACHE}")
endif()
