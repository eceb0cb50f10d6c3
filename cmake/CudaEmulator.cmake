# The CUDA emulator (tests/cudaemu/README.md): runs CUDA programs on a machine without a GPU.
#
#   CUDAEMU_FOUND    whether this machine can build it: x86-64, CUDA 13 (not its driver), lz4, zstd
#   CUDAEMU_RUN      the command that runs a program in it: COMMAND ${CUDAEMU_RUN} --check PROGRAM
#   target cudaemu   stand-ins for NVIDIA's libraries, in build/.../cudaemu/lib; a test that uses
#                    CUDAEMU_RUN depends on it
#   ctest cudaemu_*  the emulator's own tests
find_package(CUDAToolkit 13 QUIET)
find_library(FOVEA_LIB_lz4 lz4)
find_library(FOVEA_LIB_zstd zstd)
mark_as_advanced(FOVEA_LIB_lz4 FOVEA_LIB_zstd)
if(CUDAToolkit_NVCC_EXECUTABLE AND CUDAToolkit_VERSION_MAJOR EQUAL 13 AND FOVEA_LIB_lz4
   AND FOVEA_LIB_zstd AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    set(CUDAEMU_FOUND TRUE)
else()
    set(CUDAEMU_FOUND FALSE)
    message(STATUS "No CUDA emulator: it takes x86-64, nvcc 13, liblz4-dev and libzstd-dev")
    return()
endif()

set(cudaemu_source "${PROJECT_SOURCE_DIR}/tests/cudaemu")
set(cudaemu_binary "${PROJECT_BINARY_DIR}/cudaemu")
set(CUDAEMU_RUN "${cudaemu_binary}/cudaemu-run")
configure_file("${cudaemu_source}/cudaemu-run" "${CUDAEMU_RUN}" COPYONLY)
file(MAKE_DIRECTORY "${cudaemu_binary}/cases")

# ---- the libraries -------------------------------------------------------------------------------

add_custom_target(cudaemu)

# cudaemu_library(NAME FUNCTIONS file SOURCES file... LIBRARIES lib...)
#
# Target cudaemu_NAME: lib/libNAME.so.13 in the place of NVIDIA's. FUNCTIONS lists what theirs has,
# a name a line; those that no source defines abort with their name.
function(cudaemu_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FUNCTIONS" "SOURCES;LIBRARIES")
    set(missing "${cudaemu_binary}/missing_${name}.cpp")
    set(script "${cudaemu_source}/missing_functions.cmake")
    add_custom_command(OUTPUT "${missing}"
        COMMAND "${CMAKE_COMMAND}" -D "FUNCTIONS=${arg_FUNCTIONS}" -D "SOURCES=${arg_SOURCES}"
                -D "OUT=${missing}" -P "${script}"
        DEPENDS "${arg_FUNCTIONS}" ${arg_SOURCES} "${script}"
        COMMENT "what lib${name} lacks"
        VERBATIM)

    set(target cudaemu_${name})
    add_library(${target} SHARED ${arg_SOURCES} "${missing}")
    add_dependencies(cudaemu ${target})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} SOVERSION 13
        LIBRARY_OUTPUT_DIRECTORY "${cudaemu_binary}/lib")
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_include_directories(${target} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES} Threads::Threads fovea_flags)

    # Programs ask for the symbols under the version names of NVIDIA's libraries.
    set(exports "${cudaemu_binary}/${name}.map")
    file(CONFIGURE OUTPUT "${exports}" @ONLY
         CONTENT "lib@name@.so.13 { global: cuda*; __cuda*; cublas*; local: *; };\n")
    target_link_options(${target} PRIVATE "-Wl,--version-script=${exports}")

    # A warp is a loop of 32, so AVX2 pays; and no fused product that the program did not write.
    target_compile_options(${target} PRIVATE
        -march=x86-64-v3 -ffp-contract=off -fno-math-errno -fno-semantic-interposition)
    if(NOT FOVEA_SANITIZE)
        target_compile_options(${target} PRIVATE -O2 -ftree-vectorize)
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
endfunction()

file(GLOB sources CONFIGURE_DEPENDS
    "${cudaemu_source}/ptx/*.cpp" "${cudaemu_source}/decode/*.cpp" "${cudaemu_source}/isa/*.cpp"
    "${cudaemu_source}/machine/*.cpp" "${cudaemu_source}/runtime/*.cpp")
cudaemu_library(cudart FUNCTIONS "${cudaemu_source}/runtime/cudart.txt" SOURCES ${sources}
                LIBRARIES ${FOVEA_LIB_lz4} ${FOVEA_LIB_zstd})
foreach(name cublas cublasLt)
    string(TOLOWER "${name}" file)
    cudaemu_library(${name} FUNCTIONS "${cudaemu_source}/blas/${name}.txt"
                    SOURCES "${cudaemu_source}/blas/${file}.cpp" "${cudaemu_source}/blas/gemm.cpp"
                    LIBRARIES cudaemu_cudart)
endforeach()

# Code that changes the rounding mode while it runs.
set_property(SOURCE "${cudaemu_source}/isa/float.cpp" "${cudaemu_source}/isa/cvt.cpp"
    APPEND PROPERTY COMPILE_OPTIONS -frounding-math)

# ---- the tests -----------------------------------------------------------------------------------

# cudaemu_program(NAME [ARCH number] [OPTIONS flag...] [LIBRARIES lib...])
#
# Target test_cudaemu_NAME: cases/NAME.cu, by nvcc alone, linked with NVIDIA's own libraries.
function(cudaemu_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "ARCH" "OPTIONS;LIBRARIES")
    if(NOT arg_ARCH)
        set(arg_ARCH 80)
    endif()
    set(launcher "")
    if(CCACHE)
        set(launcher "${CCACHE}")
    endif()
    set(source "${cudaemu_source}/cases/${name}.cu")
    set(object "${cudaemu_binary}/cases/${name}.o")
    file(GLOB headers CONFIGURE_DEPENDS "${cudaemu_source}/cases/*.h")
    add_custom_command(OUTPUT "${object}"
        COMMAND ${launcher} "${CUDAToolkit_NVCC_EXECUTABLE}" -c "${source}" -o "${object}"
                "-I${PROJECT_SOURCE_DIR}" -std=c++20 -O2 -lineinfo -cudart shared
                -gencode arch=compute_${arg_ARCH},code=compute_${arg_ARCH}
                -Werror all-warnings -Xcompiler=-Wall,-Wextra ${arg_OPTIONS}
        DEPENDS "${source}" ${headers}
        COMMENT "cudaemu/cases/${name}.cu"
        VERBATIM)

    set(target test_cudaemu_${name})
    add_executable(${target} "${object}")
    set_target_properties(${target} PROPERTIES
        LINKER_LANGUAGE CXX RUNTIME_OUTPUT_DIRECTORY "${cudaemu_binary}/cases")
    target_link_libraries(${target} PRIVATE CUDA::cudart ${arg_LIBRARIES})
    add_dependencies(${target} cudaemu)
endfunction()

# cudaemu_test(TEST PROGRAM [option of cudaemu-run...])
function(cudaemu_test test program)
    add_test(NAME ${test} COMMAND "${CUDAEMU_RUN}" ${ARGN} "$<TARGET_FILE:test_cudaemu_${program}>")
    set_tests_properties(${test} PROPERTIES TIMEOUT 300)
endfunction()

# Plainly, with the race checks, these again with warps in random order, with lazy streams.
set(cudaemu_programs language groups atomics runtime integers floats compare mma wmma async cub)
foreach(name IN LISTS cudaemu_programs)
    cudaemu_program(${name})
endforeach()
cudaemu_program(sm90 ARCH 90)
cudaemu_program(cublas LIBRARIES CUDA::cublas)
cudaemu_program(cublaslt LIBRARIES CUDA::cublasLt)
foreach(name IN LISTS cudaemu_programs ITEMS sm90 cublas cublaslt)
    cudaemu_test(cudaemu_${name} ${name})
    cudaemu_test(cudaemu_${name}_check ${name} --check)
    cudaemu_test(cudaemu_${name}_seed ${name} --check --seed 7)
    cudaemu_test(cudaemu_${name}_lazy ${name} --lazy --seed 5)
endforeach()

cudaemu_program(devices)
cudaemu_test(cudaemu_devices devices --devices 2 --check)
cudaemu_test(cudaemu_devices_lazy devices --devices 2 --lazy --seed 5)

# nvcc compresses kernels with zstd as a rule, with LZ4 where speed is wanted.
cudaemu_program(bugs OPTIONS -compress-mode=speed)
cudaemu_test(cudaemu_bugs bugs --check)
cudaemu_program(statistics OPTIONS -compress-mode=none)
cudaemu_test(cudaemu_statistics statistics)
