# SPDX-License-Identifier: Apache-2.0
# Shared by quickstart and test: packages, building. Sourced by bash with `set -eu`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

# What the build needs, as Debian names it.
build_packages=(
	gcc libc6-dev make autoconf automake libtool pkg-config
	libsqlite3-dev libxxhash-dev libbsd-dev libjansson-dev
	liburing-dev libseccomp-dev libcap-ng-dev libarchive-dev
	fuse3
)

# What the tests need besides.
test_packages=(
	check g++ binutils sqlite3 attr acl git util-linux uidmap procps python3
)

# What single tests need; they are skipped where one cannot be had.
optional_packages=(
	fuse-overlayfs xfsprogs e2fsprogs debootstrap strace qemu-system-x86 busybox-static clang
)

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

has_package() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Prints those of the packages named that are not installed.
missing_packages() {
	local p
	for p; do has_package "$p" || printf '%s ' "$p"; done
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
		install -y -q --no-install-recommends "$@" </dev/null
}

apt_updated=
apt_update_once() {
	[ -z "$apt_updated" ] || return 0
	apt_updated=yes
	# An outdated list may still do: whether it does, the installation shows.
	apt-get -o Acquire::Retries=3 update -qq </dev/null || say 'apt-get update failed; going on with the lists at hand'
}

# need_packages PACKAGE...: installs what is missing, or says what to do and ends.
need_packages() {
	local missing
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		need_tools
		return
	fi
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	[ "$(id -u)" -eq 0 ] || die "these packages are missing: $missing- run this script with sudo, or first: sudo apt-get install $missing"
	say "Installing $missing"
	apt_update_once
	# shellcheck disable=SC2086
	apt_install $missing || die "apt-get could not install $missing- see its messages above"
}

# Without apt: the same by what the build really looks for.
need_tools() {
	local t missing=
	for t in cc make autoconf automake libtoolize pkg-config; do
		command -v "$t" >/dev/null || missing="$missing $t"
	done
	if command -v pkg-config >/dev/null; then
		for t in sqlite3 libxxhash libbsd jansson liburing libseccomp libcap-ng; do
			pkg-config --exists "$t" || missing="$missing $t"
		done
	fi
	[ -z "$missing" ] || die "there is no apt-get here; install these with your package manager and start again:$missing"
}

# want_packages PACKAGE...: tries to install what is missing, one by one; failures are only said.
want_packages() {
	local p
	{ command -v apt-get && command -v dpkg-query; } >/dev/null && [ "$(id -u)" -eq 0 ] || return 0
	for p in $(missing_packages "$@"); do
		apt_update_once
		apt_install "$p" >/dev/null 2>&1 || say "Not available here: $p (tests that need it are skipped)"
	done
}

# Makes configure when it is missing or older than what it is made from.
prepare() {
	case $root in
	*[[:space:]]*) die "automake cannot build below '$root'; move the source to a path without spaces" ;;
	esac
	if [ ! -e "$root/configure" ] || [ ! -e "$root/Makefile.in" ] || [ ! -e "$root/tap-driver.sh" ] ||
		[ -n "$(find "$root" -path "$root/build*" -prune -o \
			\( -name '*.mk' -o -name Makefile.am -o -name configure.ac \) -newer "$root/configure" -print -quit)" ]; then
		"$root/autogen.sh"
	fi
	[ ! -e "$root/config.status" ] || die "$root has been configured in place; run 'make distclean' there first"
}

# configure_in DIR OPTION...: configures DIR unless it was, with the same options.
configure_in() {
	local dir=$1 line
	shift
	line="$root/configure $*"
	mkdir -p "$dir"
	if [ -e "$dir/Makefile" ] && [ "$(cat "$dir/.configured" 2>/dev/null)" = "$line" ]; then
		return 0
	fi
	rm -f "$dir/.configured"
	(cd "$dir" && "$root/configure" "$@") && printf '%s' "$line" >"$dir/.configured"
}
