# The libraries we stand on. `./fovea` installs them; cmake/packages.txt says why each is here.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(fmt CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
# Its header alone, not its library: apps/common/recipe_toml.cpp mends the parser that it compiles, and
# the fuzz targets can look into it.
find_path(FOVEA_TOML_INCLUDE toml++/toml.h REQUIRED)
mark_as_advanced(FOVEA_TOML_INCLUDE)

# Linked by plain name (-ldnnl): most ship no CMake config, and Debian's configs for the others demand
# things that we do not use (OpenCL; the libjpeg interface; ONNX's back ends).
foreach(name dnnl turbojpeg xxhash stb onnx onnx_proto protobuf)
    find_library(FOVEA_LIB_${name} ${name} REQUIRED)
    mark_as_advanced(FOVEA_LIB_${name})
endforeach()

# The classes of ONNX's schema (onnx/onnx_pb.h), with the settings that Debian's library was built with.
find_path(FOVEA_ONNX_INCLUDE onnx/onnx_pb.h REQUIRED)
mark_as_advanced(FOVEA_ONNX_INCLUDE)
add_library(fovea_onnx_schema INTERFACE)
target_include_directories(fovea_onnx_schema SYSTEM INTERFACE "${FOVEA_ONNX_INCLUDE}")
target_compile_definitions(fovea_onnx_schema INTERFACE ONNX_NAMESPACE=onnx ONNX_ML=1)
target_link_libraries(fovea_onnx_schema INTERFACE onnx_proto protobuf)
