# Script (ctest install): installs into the build folder, then builds and runs the outside program
# of tests/install against it, with nothing but find_package(fovea).
set(prefix "${BINARY_DIR}/install_test/prefix")
set(outside "${BINARY_DIR}/install_test/outside")
file(REMOVE_RECURSE "${BINARY_DIR}/install_test")

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
    if(NOT status EQUAL 0)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "${command}\n${out}")
    endif()
endfunction()

run("${CMAKE_COMMAND}" --install "${BINARY_DIR}" --prefix "${prefix}")
find_program(CCACHE ccache)
if(CCACHE)
    set(launcher "-DCMAKE_CXX_COMPILER_LAUNCHER=${CCACHE}")
endif()
run("${CMAKE_COMMAND}" -G Ninja -S "${SOURCE_DIR}/tests/install" -B "${outside}"
    "-DCMAKE_PREFIX_PATH=${prefix}" -DCMAKE_BUILD_TYPE=Release ${launcher})
run("${CMAKE_COMMAND}" --build "${outside}")
run("${outside}/outside" "${outside}/weights.safetensors")
