# cmake --install: headers, libraries, recipes, programs, and what find_package(fovea) reads.
include(CMakePackageConfigHelpers)
set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/fovea")

foreach(name kernels core layers models optim data explain)
    install(TARGETS fovea_${name} EXPORT fovea ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
    install(DIRECTORY "${name}" DESTINATION include/fovea FILES_MATCHING PATTERN "*.h"
            PATTERN reference EXCLUDE PATTERN cpu EXCLUDE PATTERN cuda EXCLUDE)
endforeach()
if(FOVEA_CUDA)
    install(TARGETS fovea_cuda EXPORT fovea ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
else()
    install(TARGETS fovea_cuda_absent EXPORT fovea ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
install(EXPORT fovea NAMESPACE fovea:: DESTINATION "${config_dir}" FILE foveaTargets.cmake)

configure_package_config_file(cmake/foveaConfig.cmake.in "${PROJECT_BINARY_DIR}/foveaConfig.cmake"
    INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/foveaConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/foveaConfig.cmake"
              "${PROJECT_BINARY_DIR}/foveaConfigVersion.cmake" DESTINATION "${config_dir}")

install(DIRECTORY share/recipes DESTINATION "${CMAKE_INSTALL_DATADIR}/fovea" OPTIONAL)
