#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command runs and says which version it is.
. "$(dirname "$0")/lib.sh"

check 'veneer --version names the program' grep -q '^veneer [0-9]' <("$VENEER" --version)
check 'an unknown option is a usage error' exit_is 2 "$VENEER" --no-such-option
finish
