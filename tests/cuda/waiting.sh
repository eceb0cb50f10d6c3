#!/usr/bin/env bash
# waiting.sh TEST_CUDA ON_DEVICE: the same bits whether the blocks of a product run one after another or
# side by side, 4 or 16 on each of two threads, so that they really wait for each other's sums.
set -euo pipefail
program=$1 on_device=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for resident in 1 4 16; do
    FOVEA_DIGESTS="$folder/$resident" CUDAEMU_RESIDENT=$resident CUDAEMU_THREADS=2 CUDAEMU_SEED=$resident \
        CUDAEMU_SHUFFLE_BLOCKS=1 CUDAEMU_CHECK=0 FOVEA_GEMM=tiled "$on_device" "$program" \
        'schedules: linear*,schedules: matmul*,schedules: conv2d*' >"$folder/log" 2>&1 ||
        { cat "$folder/log"; exit 1; }
    [[ -s $folder/$resident ]] || { echo "$resident blocks side by side: no results"; exit 1; }
    if ! cmp -s "$folder/1" "$folder/$resident"; then
        echo "$resident blocks side by side give other bits than one:"
        diff "$folder/1" "$folder/$resident" | grep '^>' | head -20
        exit 1
    fi
done
echo "$(wc -l <"$folder/1") results, the same bits with 1, 4 and 16 blocks side by side"
