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

# Linked by plain name (-ldnnl): two ship no CMake config, and Debian's configs for the other two
# demand things that we do not use (OpenCL; the libjpeg interface).
foreach(name dnnl turbojpeg xxhash stb)
    find_library(FOVEA_LIB_${name} ${name} REQUIRED)
    mark_as_advanced(FOVEA_LIB_${name})
endforeach()
