# The CUDA kernels, compiled into an object library. Nothing links them yet: this checks that the formulas shared with
# the CPU compile for a device. Needs nvcc, but neither a GPU nor a driver.

set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # compile only: the checks need no CUDA run-time library
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)

file(GLOB _cuda_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/cuda/*.cu")
if(NOT _cuda_sources)
  message(FATAL_ERROR "VERIGRAD_CUDA: no .cu file in cpp/src/kernels/cuda")
endif()
add_library(verigrad_cuda OBJECT ${_cuda_sources})
target_include_directories(verigrad_cuda PRIVATE include src)
target_compile_options(verigrad_cuda PRIVATE --expt-relaxed-constexpr --fmad=false -Xcompiler=-Wall)
if(VERIGRAD_WERROR)
  target_compile_options(verigrad_cuda PRIVATE -Werror=all-warnings -Xcompiler=-Werror)
endif()
