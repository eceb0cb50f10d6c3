#!/usr/bin/env bash
# What nvcc made of the kernels, read from their PTX (FOLDER: all .ptx files below it).
#
#   ptx.sh no_float_atomics FOLDER         fails if the PTX has an atomic operation other than the
#                                          integer counters of kernels/cuda/turns.cuh: the order of sums
#                                          of floats, and with it the result, changes from run to run
#   ptx.sh finds_atomics FOLDER            the test of that test: fails unless it finds one in each kernel
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

# "FILE:LINE: KERNEL: OPERATION" of each atomic operation, wherever in its line it is. All but counting are
# refused, whatever their type: a loop of cas or exch, or a max of bits, is one on floats too.
atomics() {
    awk '
        /\.func/ { kernel = "a function" }
        /\.entry/ { kernel = $0; sub(/.*\.entry +/, "", kernel); sub(/[^A-Za-z0-9_$].*/, "", kernel) }
        {
            rest = $0
            sub(/\/\/.*/, "", rest)
            while (match(rest, /(^|[^A-Za-z0-9_$%."\/])(atom|red|cp\.reduce|multimem)\.[a-z0-9_.:]+/)) {
                operation = substr(rest, RSTART, RLENGTH)
                rest = substr(rest, RSTART + RLENGTH)
                sub(/^[^a-z]/, "", operation)
                if (operation !~ /^atom(\.global)?\.inc\.u32$/)
                    print FILENAME ":" FNR ": " kernel ": " operation
            }
        }' "${files[@]}"
}

no_float_atomics() {
    local found
    found=$(atomics)
    [[ -z $found ]] || { echo "atomic operations:"; echo "$found" | head -20; return 1; }
    echo "no atomics but counters in ${#files[@]} PTX files"
}

finds_atomics() {
    local found kernel missed=0
    found=$(atomics)
    mapfile -t kernels < <(sed -nE 's/.*\.entry +([A-Za-z0-9_$]+).*/\1/p' "${files[@]}")
    ((${#kernels[@]})) || { echo "no kernels"; return 1; }
    for kernel in "${kernels[@]}"; do
        [[ $found == *": $kernel: "* ]] || { echo "missed: $(c++filt "$kernel")"; missed=1; }
    done
    ((missed == 0)) && echo "found in each of ${#kernels[@]} kernels"
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
    no_float_atomics | finds_atomics) "$mode" ;;
    write_registers)
        { echo "file:kernel,arch,registers,shared_bytes,stack_bytes,spill_bytes"; resources; } >"$table" ;;
    registers)
        resources >"$work/now.csv"
        awk -F, -v renew="$0 write_registers $2 $table" '
            NR == FNR { if (FNR > 1) known[$1 "," $2] = $3; next }
            { count++ }
            $6 > 0 || $5 > 0 { print $1 " on " $2 ": " $5 " bytes of stack, " $6 " of spills"; bad = 1 }
            !(($1 "," $2) in known) { print $1 " on " $2 " is not in the table"; bad = 1; next }
            $3 > known[$1 "," $2] + 8 {
                print $1 " on " $2 ": " $3 " registers, the table has " known[$1 "," $2]; bad = 1
            }
            END {
                if (bad) print "to renew the table: " renew
                else print count " kernels, no spills"
                exit bad
            }' "$table" "$work/now.csv" ;;
    *) echo "unknown: $mode"; exit 2 ;;
esac
