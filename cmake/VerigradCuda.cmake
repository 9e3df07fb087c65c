# libverigrad_cuda: the CUDA backend, a shared object of its own beside libverigrad_core, which opens it when a CUDA device
# is first asked for. Needs nvcc 12 or 13, but neither a GPU nor a driver. CUDA's run-time library is linked statically;
# cuBLAS is opened with the first matrix product.

if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80)
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION) # CMake 3.25 does not know that nvcc has C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)

file(GLOB _cuda_sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/kernels/cuda/*.cu")
if(NOT _cuda_sources)
  message(FATAL_ERROR "VERIGRAD_CUDA: no .cu file in cpp/src/kernels/cuda")
endif()
add_library(verigrad_cuda SHARED ${_cuda_sources})
target_include_directories(verigrad_cuda PRIVATE include src)
target_link_libraries(verigrad_cuda PRIVATE verigrad_core ${CMAKE_DL_LIBS})
target_compile_definitions(verigrad_cuda PRIVATE VERIGRAD_BUILD="${PROJECT_VERSION}")
# Without contraction the formulas shared with the CPU have the same bits.
target_compile_options(verigrad_cuda PRIVATE --expt-relaxed-constexpr --fmad=false -Xcompiler=-Wall,-ffp-contract=off)
if(VERIGRAD_WERROR)
  target_compile_options(verigrad_cuda PRIVATE -Werror=all-warnings -Xcompiler=-Werror)
endif()
if(VERIGRAD_CUDA_RESOURCES)
  target_compile_options(verigrad_cuda PRIVATE -Xptxas=-v)
endif()
set_target_properties(verigrad_cuda PROPERTIES
  BUILD_WITH_INSTALL_RPATH ON
  INSTALL_RPATH "${_origin}"
  LIBRARY_OUTPUT_DIRECTORY "${VERIGRAD_PACKAGE_DIR}")
# With the emulation in the same build, that one is in the package.
if(VERIGRAD_CUDA_EMULATED)
  set_target_properties(verigrad_cuda PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/for_devices")
endif()
install(TARGETS verigrad_cuda LIBRARY DESTINATION verigrad NAMELINK_SKIP)
