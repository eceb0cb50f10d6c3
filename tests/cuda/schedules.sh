#!/usr/bin/env bash
# schedules.sh TEST_CUDA ON_DEVICE: the same bits under five orders of warps and blocks.
set -euo pipefail
program=$1 on_device=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for seed in 1 2 3 4 5; do
    FOVEA_DIGESTS="$folder/$seed" CUDAEMU_SEED=$seed CUDAEMU_SHUFFLE_BLOCKS=1 CUDAEMU_CHECK=0 FOVEA_GEMM=tiled \
        "$on_device" "$program" '[schedules]' >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
    [[ -s $folder/$seed ]] || { echo "seed $seed: no results"; exit 1; }
    if ! cmp -s "$folder/1" "$folder/$seed"; then
        echo "seed $seed gives other bits than seed 1:"
        diff "$folder/1" "$folder/$seed" | grep '^>' | head -20
        exit 1
    fi
done
echo "$(wc -l <"$folder/1") results, the same bits under 5 orders"
