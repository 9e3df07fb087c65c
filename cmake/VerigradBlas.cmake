# GEMM provider, as the target verigrad_blas.
#
# openblas32 takes OpenBLAS from the build requirement scipy-openblas32, whose symbols carry the prefix scipy_ so that
# they meet no other OpenBLAS in the process. Its shared library is shipped beside ours (VERIGRAD_BLAS_SHIPPED).
# system links any CBLAS (no prefix) and ships nothing. Our threads call it, so it should be one that computes on the
# calling thread only; otherwise results may depend on its number of threads. No header is needed: the few functions that
# we call are declared in kernels/cpu/cblas.h.

set(VERIGRAD_BLAS_SHIPPED "")
set(VERIGRAD_BLAS_LICENSES "")
if(VERIGRAD_BLAS STREQUAL "openblas32")
  execute_process(
    COMMAND "${Python_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/find_openblas.py"
    OUTPUT_VARIABLE _openblas OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_VARIABLE _openblas_error RESULT_VARIABLE _failed)
  if(_failed)
    message(FATAL_ERROR
      "The build requirement scipy-openblas32 was not found for ${Python_EXECUTABLE}: pip install the version that "
      "pyproject.toml names, or choose another CBLAS with -DVERIGRAD_BLAS=system.\n${_openblas_error}")
  endif()
  list(GET _openblas 0 _library)
  list(GET _openblas 1 _import_library)
  list(SUBLIST _openblas 2 -1 VERIGRAD_BLAS_LICENSES)
  add_library(verigrad_blas SHARED IMPORTED)
  set_target_properties(verigrad_blas PROPERTIES
    IMPORTED_LOCATION "${_library}"
    INTERFACE_COMPILE_DEFINITIONS "VG_CBLAS_PREFIX=scipy_")
  if(_import_library)
    set_target_properties(verigrad_blas PROPERTIES IMPORTED_IMPLIB "${_import_library}")
  endif()
  set(VERIGRAD_BLAS_SHIPPED "${_library}")
elseif(VERIGRAD_BLAS STREQUAL "system")
  add_library(verigrad_blas INTERFACE)
  if(VERIGRAD_CBLAS_LIBRARY)
    set(_libraries "${VERIGRAD_CBLAS_LIBRARY}")
  else()
    find_package(BLAS REQUIRED)
    set(_libraries ${BLAS_LIBRARIES})
    find_library(VERIGRAD_CBLAS_SEPARATE NAMES cblas) # reference BLAS keeps the C interface apart
    if(VERIGRAD_CBLAS_SEPARATE)
      list(PREPEND _libraries "${VERIGRAD_CBLAS_SEPARATE}")
    endif()
  endif()
  target_link_libraries(verigrad_blas INTERFACE ${_libraries})
else()
  message(FATAL_ERROR "VERIGRAD_BLAS: expected openblas32 or system, got '${VERIGRAD_BLAS}'")
endif()
