#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The example program for embedders builds and does what it says.

set -u
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/lower"
echo 'from the lower' >"$dir/lower/file"
n=0
check() { # NAME EXPECTED COMMAND...
	local name=$1 expected=$2 got
	shift 2
	n=$((n + 1))
	got=$("$@" 2>&1)
	if [ "$got" = "$expected" ]; then echo "ok $n - $name"; else
		echo "# got: $got"
		echo "not ok $n - $name"
	fi
}
example=${top_builddir:-.}/doc/examples/embed
check 'a file of the lower is printed' 'from the lower' "$example" "$dir/lower" file
check 'a virtual file is printed' 'hello from the monitor' "$example" "$dir/lower" greeting
check 'a missing file is an error' 'none: No such file or directory' "$example" "$dir/lower" none
check 'a missing lower is named' "yes" sh -c "'$example' '$dir/nowhere' x 2>&1 | grep -q '$dir/nowhere' && echo yes"
echo "1..$n"
