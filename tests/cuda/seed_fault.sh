#!/usr/bin/env bash
# seed_fault.sh SOURCE COPY EXPRESSION: COPY is SOURCE as edited by sed; fails if nothing changed.
set -euo pipefail
mkdir -p "$(dirname "$2")"
sed "$3" "$1" >"$2"
! cmp -s "$1" "$2" || { rm "$2"; echo "$1: the fault \"$3\" changes nothing" >&2; exit 1; }
