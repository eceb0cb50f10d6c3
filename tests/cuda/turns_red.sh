#!/usr/bin/env bash
# turns_red.sh ON_DEVICE PROGRAM TESTS REGEX: succeeds if the tests fail and say what REGEX matches.
set -uo pipefail
if [[ -e /dev/nvidia0 || -e /dev/dxg ]]; then
    echo "a GPU need not show the fault: the emulator's test"
    exit 0
fi
output=$("$1" "$2" "$3" 2>&1)
status=$?
((status != 0)) || { echo "the tests passed in spite of the fault"; exit 1; }
grep -qE "$4" <<<"$output" || { echo "failed, but not with \"$4\":"; tail -40 <<<"$output"; exit 1; }
echo "red, as it must be (exit status $status)"
