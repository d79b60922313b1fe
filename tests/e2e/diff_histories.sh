#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# veneer diff tells exactly what two walks of the tree tell, over random histories. DIFF_SEED and DIFF_ROUNDS choose others.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

seed=${DIFF_SEED:-$((RANDOM * 1000))}
here=$(cd "$(dirname "$0")" && pwd)
diag "DIFF_SEED=$seed"
check "diffs of random histories, seed $seed" python3 "$here/diff_histories.py" "$VENEER" "$scratch" "$seed" "${DIFF_ROUNDS:-8}"
finish
