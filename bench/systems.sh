# SPDX-License-Identifier: Apache-2.0
#
# Sourced by compare: mounting one set of layers in the four ways. Each mount has an upper of its own, which stays
# until the end of the run.

# lower_list SET: its layers as lowerdir= wants them, relative to the set, because kernel overlayfs takes one page.
lower_list() {
	local n i list=0
	n=$(find "$base/sets/$1" -mindepth 1 -maxdepth 1 | wc -l)
	for ((i = 1; i < n; i++)); do list+=:$i; done
	echo "$list"
}

# A plain directory with what the layers show together.
native_copy() {
	local i n
	n=$(find "$base/sets/$1" -mindepth 1 -maxdepth 1 | wc -l)
	for ((i = n - 1; i >= 0; i--)); do cp -a "$base/sets/$1/$i/." "$2" || return 1; done
}

# keep_view SET OPTIONS: with basecache= among them, a view of the set is there before it is mounted.
keep_view() {
	local cache layers=() i
	[[ ,$2, =~ ,basecache=([^,]+), ]] || return 0
	cache=${BASH_REMATCH[1]}
	IFS=: read -ra i <<<"$(lower_list "$1")"
	for i in "${i[@]}"; do layers+=(-l "$i"); done
	"$veneer" index "${layers[@]}" -c "$cache" >/dev/null
}

# sys_mount SYSTEM SET: mounts a new upper over the set; afterwards $at is the tree and $mount_ms what it took.
# veneer:OPTIONS is veneer with further mount options.
sys_mount() {
	local system=$1 set=$2 lowers dir options
	runs=$((runs + 1))
	dir=$base/runs/$runs at=$base/runs/$runs/mnt server=
	mkdir -p "$dir"/{upper,work,mnt}
	lowers=$(lower_list "$set")
	cd "$base/sets/$set" || return 1
	case $system in
	native) mount_ms=- && native_copy "$set" "$at" ;;
	kernel)
		mount_ms=$("$work" exec mount -t overlay overlay \
			-o "lowerdir=$lowers,upperdir=$dir/upper,workdir=$dir/work" "$at")
		;;
	fuse-overlayfs)
		mount_ms=$("$work" exec fuse-overlayfs \
			-o "lowerdir=$lowers,upperdir=$dir/upper,workdir=$dir/work" "$at" 2>"$dir/log")
		;;
	veneer | veneer:*)
		options=${system#veneer} options=${options/:/,}
		rmdir "$dir/upper"
		keep_view "$set" "$options" || return 1
		mount_ms=$("$work" exec "$veneer" mount \
			-o "lowerdir=$lowers,upperdir=$dir/upper$options" "$at" 2>"$dir/log")
		;;
	esac
	[ -n "$mount_ms" ] || { cat "$dir/log" >&2; return 1; }
	[ "$system" = native ] || mounted+=("$at")
	cd "$base" || return 1
}

# sys_unmount: the tree of the last sys_mount; big data goes at once, names only at the end of the run.
sys_unmount() {
	cd "$base" || return 1
	if [ "${#mounted[@]}" -gt 0 ] && [ "${mounted[-1]}" = "$at" ]; then
		umount "$at" || { sleep 1 && umount "$at"; } || umount -l "$at"
		unset 'mounted[-1]'
	fi
	find "${at%/mnt}" -xdev -type f -size +20M -delete 2>/dev/null
}

# The server of the mount at $at: the process that was given it as an argument.
sys_server() {
	local p
	for p in /proc/[0-9]*; do
		if tr '\0' '\n' 2>/dev/null <"$p/cmdline" | grep -qxF "$at" && [ "$(cut -d' ' -f4 "$p/stat")" = 1 ]; then
			echo "${p#/proc/}"
			return
		fi
	done
}

# Resident memory in MB, '-' where the server is the kernel.
sys_memory() {
	local pid
	pid=$(sys_server)
	[ -n "$pid" ] || { echo - && return; }
	awk '/^VmRSS/ {printf "%.1f\n", $2 / 1024}' "/proc/$pid/status"
}

# Messages since the last question, as "NAME COUNT" lines.
sys_messages() {
	"$veneer" stat --json --reset "$at" 2>/dev/null |
		sed -n '/"messages": *{/,/}/ s/^ *"\([A-Z_0-9]*\)": *\([0-9]*\),*$/\1 \2/p'
}
