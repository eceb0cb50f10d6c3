# fovea_library(NAME FOLDER dir [GENERATED file...] [PUBLIC lib...] [PRIVATE lib...])
#
# A static library fovea_NAME (alias fovea::NAME) of all .cpp files below the folder. Without
# sources it only passes its PUBLIC libraries on, so the tree can grow bottom up.
function(fovea_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER" "GENERATED;PUBLIC;PRIVATE")
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${arg_FOLDER}/*.cpp")
    list(APPEND sources ${arg_GENERATED})
    list(FILTER sources EXCLUDE REGEX "/kernels/(cuda/|[a-z_]*_absent\\.cpp)")  # cmake/Cuda.cmake

    if(sources)
        add_library(fovea_${name} STATIC ${sources})
        target_link_libraries(fovea_${name} PUBLIC ${arg_PUBLIC}
                              PRIVATE ${arg_PRIVATE} "$<BUILD_INTERFACE:fovea_flags>")
        set(scope PUBLIC)
    else()
        add_library(fovea_${name} INTERFACE)
        target_link_libraries(fovea_${name} INTERFACE ${arg_PUBLIC})
        set(scope INTERFACE)
    endif()
    add_library(fovea::${name} ALIAS fovea_${name})
    set_target_properties(fovea_${name} PROPERTIES EXPORT_NAME ${name})
    # One include root, the repository's: #include "core/tensor.h" here and in outside programs.
    target_include_directories(fovea_${name} ${scope}
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<INSTALL_INTERFACE:include/fovea>")
    target_compile_features(fovea_${name} ${scope} cxx_std_20)
endfunction()
