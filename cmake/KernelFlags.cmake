# Kernels get flags by folder. The fast ones: whatever makes loops vectorize without changing what
# NaN and infinity mean (so no -ffast-math). The reference: exactly the arithmetic that is written.
get_target_property(sources fovea_kernels SOURCES)

set(fast -fno-math-errno -fno-trapping-math -ffp-contract=fast $<$<CONFIG:Release>:-O3>)
if(FOVEA_NATIVE)
    list(APPEND fast -march=native)
endif()

foreach(source IN LISTS sources)
    if(source MATCHES "/kernels/cpu/")
        set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS ${fast})
    elseif(source MATCHES "/kernels/reference/")
        set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS -ffp-contract=off)
    endif()
endforeach()
