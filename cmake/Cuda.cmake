# The CUDA kernels, and which programs link them.
#
#   fovea_cuda         kernels/cuda: needs nvcc, but no GPU
#   fovea_cuda_absent  the same functions, which say "built without CUDA"
#
# Whatever links fovea_kernels gets one of the two at the end: fovea_cuda if its target property
# FOVEA_WITH_CUDA is on. The CUDA tests have it, so that one build of
# everything else serves them too; with FOVEA_CUDA all programs link fovea_cuda.
if(FOVEA_TESTS AND NOT FOVEA_SANITIZE AND NOT FOVEA_FUZZ)
    set(wants_tests ON)
else()
    set(wants_tests OFF)
endif()
find_program(FOVEA_NVCC nvcc HINTS ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
mark_as_advanced(FOVEA_NVCC)
if(FOVEA_CUDA OR (wants_tests AND FOVEA_NVCC))
    set(FOVEA_HAS_CUDA ON)
else()
    set(FOVEA_HAS_CUDA OFF)
endif()

if(FOVEA_HAS_CUDA)
    # Machine code for the two big ones, PTX for whatever comes later. Without a GPU only the tests
    # run, in the emulator, which reads PTX.
    if(FOVEA_CUDA)
        set(FOVEA_CUDA_ARCHITECTURES "80-real;90-real;90-virtual" CACHE STRING
            "What the CUDA kernels are compiled for")
    else()
        set(FOVEA_CUDA_ARCHITECTURES "80-virtual" CACHE STRING
            "What the CUDA kernels are compiled for")
    endif()
    set(CMAKE_CUDA_COMPILER "${FOVEA_NVCC}")
    set(CMAKE_CUDA_ARCHITECTURES "${FOVEA_CUDA_ARCHITECTURES}")
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
    if(CCACHE)
        set(CMAKE_CUDA_COMPILER_LAUNCHER "${CCACHE}")
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake 3.25.1 does not know that nvcc can
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()

# Called once fovea_kernels exists.
function(fovea_cuda_libraries)
    file(GLOB absent CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/*_absent.cpp")
    add_library(fovea_cuda_absent STATIC ${absent})
    set(libraries cuda_absent)

    if(FOVEA_HAS_CUDA)
        file(GLOB sources CONFIGURE_DEPENDS
             "${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu" "${PROJECT_SOURCE_DIR}/kernels/cuda/*.cpp")
        add_library(fovea_cuda STATIC ${sources})
        # -O3 in every build type; line numbers cost nothing and name what a check or profile finds.
        target_compile_options(fovea_cuda PRIVATE
            "$<$<COMPILE_LANGUAGE:CUDA>:-O3;-lineinfo;-Werror=all-warnings;-Xcompiler=-Wall,-Wextra>")
        list(JOIN FOVEA_CUDA_ARCHITECTURES "\\;" architectures)
        set_property(SOURCE "${PROJECT_SOURCE_DIR}/kernels/cuda/runtime.cpp" PROPERTY
            COMPILE_DEFINITIONS "FOVEA_CUDA_ARCHITECTURES=\"${architectures}\"")
        target_link_libraries(fovea_cuda PUBLIC CUDA::cudart CUDA::cublasLt
                              PRIVATE "$<BUILD_INTERFACE:CUDA::nvtx3>" ${CMAKE_DL_LIBS})
        list(APPEND libraries cuda)

        # cuDNN: an engine for convolutions. Without the option its files are compiled all the same
        # where its headers are, so that they do not rot.
        find_path(FOVEA_CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
        find_library(FOVEA_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
        mark_as_advanced(FOVEA_CUDNN_INCLUDE FOVEA_CUDNN_LIBRARY)
        if(FOVEA_CUDNN)
            if(NOT FOVEA_CUDNN_INCLUDE OR NOT FOVEA_CUDNN_LIBRARY)
                message(FATAL_ERROR "FOVEA_CUDNN needs cuDNN 9: its cudnn.h or library is not found")
            endif()
            target_compile_definitions(fovea_cuda PRIVATE FOVEA_CUDNN)
            target_include_directories(fovea_cuda SYSTEM PRIVATE "${FOVEA_CUDNN_INCLUDE}")
            target_link_libraries(fovea_cuda PUBLIC "${FOVEA_CUDNN_LIBRARY}")
        elseif(FOVEA_CUDNN_INCLUDE AND FOVEA_TESTS)
            file(GLOB cudnn CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/cuda/cudnn*.cpp")
            add_library(fovea_cudnn_compiles OBJECT ${cudnn})
            target_compile_definitions(fovea_cudnn_compiles PRIVATE FOVEA_CUDNN)
            target_include_directories(fovea_cudnn_compiles PRIVATE "${PROJECT_SOURCE_DIR}")
            target_include_directories(fovea_cudnn_compiles SYSTEM PRIVATE
                "${FOVEA_CUDNN_INCLUDE}" ${CUDAToolkit_INCLUDE_DIRS})
            target_link_libraries(fovea_cudnn_compiles PRIVATE fovea_flags)
        endif()
    endif()

    foreach(name IN LISTS libraries)
        add_library(fovea::${name} ALIAS fovea_${name})
        set_target_properties(fovea_${name} PROPERTIES EXPORT_NAME ${name})
        target_link_libraries(fovea_${name} PRIVATE "$<BUILD_INTERFACE:fovea_flags>")
        target_include_directories(fovea_${name} PUBLIC
            "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<INSTALL_INTERFACE:include/fovea>")
    endforeach()

    if(FOVEA_CUDA)
        set(chosen fovea_cuda)
        set(installed fovea::cuda)
    else()
        set(chosen "$<IF:$<BOOL:$<TARGET_PROPERTY:FOVEA_WITH_CUDA>>,fovea_cuda,fovea_cuda_absent>")
        set(installed fovea::cuda_absent)
    endif()
    target_link_libraries(fovea_kernels
        INTERFACE "$<BUILD_INTERFACE:${chosen}>" "$<INSTALL_INTERFACE:${installed}>")
endfunction()
