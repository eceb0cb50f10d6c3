#!/usr/bin/env bash
# What nvcc made of the kernels, read from their PTX (FOLDER: all .ptx files below it).
#
#   ptx.sh no_float_atomics FOLDER         fails if PTX adds floats in memory atomically: the order of
#                                          such sums, and with it the result, changes from run to run
#   ptx.sh registers FOLDER TABLE          compiles the PTX for sm_80 and sm_90; fails if a kernel
#                                          spills, or uses over 8 registers more than TABLE says
#   ptx.sh write_registers FOLDER TABLE    writes TABLE: docs/benchmarks/cuda_registers.csv
set -euo pipefail
mode=$1 table=${3-}
mapfile -t files < <(find "$2" -name '*.ptx' | sort)
((${#files[@]})) || { echo "no PTX in $2"; exit 1; }
cuda=$(dirname "$(readlink -f "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

no_float_atomics() {
    local found
    found=$(grep -nE '^\s*(@%p[0-9]+ )?(atom|red)\.[a-z_.0-9]*(add|min|max)[a-z_.0-9]*\.(f16|f16x2|bf16|bf16x2|f32|f64)' \
        "${files[@]}" || true)
    [[ -z $found ]] || { echo "float atomics:"; echo "$found" | head -20; return 1; }
    echo "no float atomics in ${#files[@]} PTX files"
}

# One line a kernel and architecture: file:kernel,arch,registers,shared_bytes,stack_bytes,spill_bytes
resources() {
    local arch
    for arch in 80 90; do
        printf '%s\n' "${!files[@]}" | files="${files[*]}" work=$work arch=$arch ptxas=$cuda/ptxas \
            xargs -P "$(nproc)" -I{} bash -c '
                read -ra files <<<"$files"
                out="$work/$(basename "${files[{}]}" .ptx).$arch"
                "$ptxas" -arch="sm_$arch" -v "${files[{}]}" -o /dev/null >"$out" 2>&1 ||
                    { cat "$out" >&2; exit 255; }'
        awk 'FNR == 1 { n = split(FILENAME, p, "/"); sub(/\.[0-9]+$/, "", p[n]); print "File " p[n] }
             { print }' "$work"/*."$arch" | c++filt | awk -v arch="sm_$arch" '
            /^File / { file = $2 }
            /Compiling entry function/ {
                split($0, part, "\047"); name = part[2]
                sub(/^void /, "", name); gsub(/fovea::kernels::cuda::/, "", name)
                gsub(/\(anonymous namespace\)::/, "", name); gsub(/__nv_bfloat16/, "bf16", name)
                sub(/\([^()]*\)$/, "", name); gsub(/,/, ";", name); gsub(/ /, "", name)
            }
            /bytes stack frame/ { stack = $1; spill = $5 + $9 }
            /Used [0-9]+ registers/ {
                registers = $5; shared = 0
                for (i = 1; i < NF; i++) if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/) shared = $i
                print file ":" name "," arch "," registers "," shared "," stack "," spill
            }'
    done | sort -u
}

case $mode in
    no_float_atomics) no_float_atomics ;;
    write_registers)
        { echo "file:kernel,arch,registers,shared_bytes,stack_bytes,spill_bytes"; resources; } >"$table" ;;
    registers)
        resources >"$work/now.csv"
        awk -F, '
            NR == FNR { if (FNR > 1) known[$1 "," $2] = $3; next }
            { count++ }
            $6 > 0 || $5 > 0 { print $1 " on " $2 ": " $5 " bytes of stack, " $6 " of spills"; bad = 1 }
            !(($1 "," $2) in known) { print $1 " on " $2 " is not in the table"; bad = 1; next }
            $3 > known[$1 "," $2] + 8 {
                print $1 " on " $2 ": " $3 " registers, the table has " known[$1 "," $2]; bad = 1
            }
            END {
                if (bad) print "to renew the table: tests/cuda/ptx.sh write_registers FOLDER TABLE"
                else print count " kernels, no spills"
                exit bad
            }' "$table" "$work/now.csv" ;;
    *) echo "unknown: $mode"; exit 2 ;;
esac
