#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The server, or the command, is killed at random moments of snapshot, rollback, delete and fork under load.
# ROUNDS and SEED say how often and which; scripts/torture is the same for hours.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

: "${ROUNDS:=8}" "${SEED:=1}"
check "$ROUNDS kills leave the state before or after, and all that was acknowledged" \
	env VENEER="$VENEER" timeout 1500 python3 "$(dirname "$0")/../../scripts/torture" -n "$ROUNDS" -s "$SEED" "$scratch"
finish
