# SPDX-License-Identifier: Apache-2.0
#
# Tests with a real guest: QEMU in software emulation, Debian's cloud kernel, an initramfs of
# busybox and the kernel's own modules. A case is a script like this:
#
#	. "$(dirname "$0")/lib.sh"
#	vm_need
#	vm_serve "$scratch/socket" tree -o "lowerdir=$scratch/lower,upperdir=$scratch/upper"
#	vm_case <<'END'
#	mount_share tree /mnt
#	touch /mnt/f && ls /mnt
#	END
#	vm_run 60
#	is "$vm_status" 0 'the guest makes a file'
#	is "$vm_out" f 'and sees it'
#	finish
#
# The functions that the guest's part may call are in init.sh. A guest boots in 3 to 5 seconds and
# runs programs about 20 times slower than the host: keep each case short. Kernel and initramfs are made once and
# kept below the build directory (VENEER_VM_CACHE). With VENEER_VM_VERBOSE the console is shown. Times to wait are
# for a machine that is not busy; see `eventually`.

. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vm_cache=${VENEER_VM_CACHE:-$(dirname "$VENEER")/tests/vm/cache}
vm_init=${VENEER_INIT:-$(dirname "$VENEER")/veneer-init}
vm_modules='virtio_pci virtio_blk virtiofs'
vm_console=$scratch/console
vm_memory=${VENEER_VM_MEMORY:-512M}
vm_devices=() vm_shares=0 vm_append= vm_reboots=
vm_out= vm_status= vm_report=

# --- what a case needs

vm_need() {
	need_root
	[ "$(uname -m)" = x86_64 ] || skip_all 'needs an x86-64 host, whose programs the guest can run'
	need qemu-system-x86_64
	vm_busybox || skip_all 'needs a static busybox (Debian: busybox-static)'
	mkdir -p "$vm_cache" || bail "cannot make $vm_cache"
	exec {vm_lock}>"$vm_cache/lock"
	flock -w 300 "$vm_lock" || bail "$vm_cache stays locked"
	vm_kernel || skip_all "needs Debian's package linux-image-cloud-amd64: $(tail -n 1 "$vm_cache/kernel.log")"
	vm_initramfs || bail "cannot make the initramfs: $(cat "$scratch/initramfs.log")"
	exec {vm_lock}>&-
}

vm_need_init() { [ -x "$vm_init" ] || skip_all 'needs veneer-init, which needs a static C library'; }

vm_need_serve() {
	"$VENEER" serve --help >/dev/null 2>&1 || skip_all 'needs veneer serve, which this build does not have'
}

vm_busybox() {
	busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1
}

# The kernel's package, unpacked to $vm_cache/kernel; sets vm_version.
vm_kernel() {
	if [ ! -e "$vm_cache/kernel/done" ]; then
		vm_kernel_fetch >"$vm_cache/kernel.log" 2>&1 || return 1
	fi
	vm_version=$(cat "$vm_cache/kernel/done")
}

vm_kernel_fetch() {
	local package
	command -v apt-get && command -v dpkg || { echo 'there is no apt-get here'; return 1; }
	rm -rf "$vm_cache/kernel" "$vm_cache"/*.deb
	# An outdated list of packages may name a file that is gone.
	vm_kernel_download || { timeout 300 apt-get update -qq && vm_kernel_download; } || return 1
	dpkg -x "$vm_cache"/"$package"_*.deb "$vm_cache/kernel" &&
		rm -f "$vm_cache"/*.deb && echo "${package#linux-image-}" >"$vm_cache/kernel/done"
}

# Sets package.
vm_kernel_download() {
	package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$package" ] || { echo 'apt knows no linux-image-cloud-amd64'; return 1; }
	(cd "$vm_cache" && timeout 300 apt-get download "$package")
}

# $vm_cache/base.cpio: busybox, drivers, init.sh. Made again when one of its parts is newer.
vm_initramfs() {
	local image=$vm_cache/base.cpio
	[ "$image" -nt "$vm_cache/kernel/done" ] && [ "$image" -nt "$vm_dir/init.sh" ] && [ "$image" -nt "$vm_dir/lib.sh" ] ||
		vm_initramfs_make "$image" >"$scratch/initramfs.log" 2>&1
}

vm_initramfs_make() {
	local tree=$scratch/initramfs applet
	mkdir -p "$tree"/{bin,dev,proc,sys,mnt,tmp,modules} &&
		cp "$busybox" "$tree/bin/busybox" && cp "$vm_dir/init.sh" "$tree/init" && chmod 755 "$tree/init" || return 1
	for applet in $("$busybox" --list | grep -vx busybox); do ln -s busybox "$tree/bin/$applet"; done
	vm_modules_copy "$tree/modules" && vm_pack "$tree" "$1.new" && mv "$1.new" "$1"
}

# The drivers and what they depend on, and the order to load them in.
vm_modules_copy() {
	local lib=$vm_cache/kernel/lib/modules/$vm_version name line module
	[ -e "$lib/modules.dep" ] || "$busybox" depmod -b "$vm_cache/kernel" "$vm_version" || return 1
	for name in $vm_modules; do
		line=$(grep -E "(^|/)$name\.ko[^/:]*:" "$lib/modules.dep") || { echo "no module $name"; return 1; }
		# The one named comes first; what it needs has to be loaded in the opposite order.
		for module in $line; do echo "${module%:}"; done | tac
	done | awk '!seen[$0]++' >"$scratch/modules"
	[ -s "$scratch/modules" ] || return 1
	while read -r module; do
		name=$(basename "$module")
		case $name in
		*.xz) xz -dc "$lib/$module" >"$1/${name%.xz}" ;;
		*.zst) zstd -dqc "$lib/$module" >"$1/${name%.zst}" ;;
		*) cp "$lib/$module" "$1/$name" ;;
		esac || return 1
		echo "${name%%.ko*}.ko"
	done <"$scratch/modules" >"$1/order"
}

# vm_pack DIRECTORY ARCHIVE: as the kernel unpacks it; archives may stand one behind the other.
vm_pack() { (cd "$1" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$2"; }

# --- the guest's part and its devices

# vm_case: takes the guest's part of the test from standard input.
vm_case() {
	rm -rf "$scratch/case" && mkdir "$scratch/case"
	cat >"$scratch/case/case"
	vm_pack "$scratch/case" "$scratch/case.cpio"
	cat "$vm_cache/base.cpio" "$scratch/case.cpio" >"$scratch/initrd"
}

# vm_share SOCKET TAG: what is served at SOCKET is a virtio-fs device of the guest.
vm_share() {
	local id=fs$((vm_shares++))
	vm_devices+=(-chardev "socket,id=$id,path=$1" -device "vhost-user-fs-pci,chardev=$id,tag=$2,queue-size=1024")
}

# vm_disk IMAGE: /dev/vda, /dev/vdb ...
vm_disk() { vm_devices+=(-drive "if=virtio,format=raw,file=$1"); }

# vm_virtiofsd SOCKET TAG DIRECTORY [OPTION...]: Debian's server, to try the tests themselves without veneer.
vm_virtiofsd() {
	local p server= socket=$1 tag=$2 dir=$3
	shift 3
	for p in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do [ ! -x $p ] || server=$p; done
	[ -n "$server" ] || skip_all 'needs virtiofsd (Debian: qemu-system-common or virtiofsd)'
	"$server" --socket-path="$socket" -o "source=$dir,xattr" "$@" >"$scratch/virtiofsd.log" 2>&1 </dev/null &
	vm_server=$!
	pids+=("$vm_server")
	eventually 30 [ -S "$socket" ] || bail "virtiofsd does not start: $(cat "$scratch/virtiofsd.log")"
	vm_share "$socket" "$tag"
}

# vm_serve SOCKET TAG OPTION...: veneer's; its process is $vm_server.
vm_serve() {
	local socket=$1 tag=$2
	shift 2
	"$VENEER" serve --socket="$socket" --tag="$tag" "$@" >"$scratch/serve.log" 2>&1 </dev/null &
	vm_server=$!
	pids+=("$vm_server")
	eventually 30 [ -S "$socket" ] || bail "veneer serve $* does not start: $(cat "$scratch/serve.log")"
	vm_share "$socket" "$tag"
}

# vm_root DIRECTORY: a small root made of busybox, with the directories that a guest's root has.
vm_root() {
	mkdir -p "$1"/{bin,dev,proc,sys,tmp,etc,run} && cp "$busybox" "$1/bin/busybox" || bail "cannot make $1"
	for applet in sh cat ls echo mount sleep id pwd; do ln -s busybox "$1/bin/$applet"; done
}

# vm_serve_end: a clean end of the server, which must happen.
vm_serve_end() {
	kill -TERM "$vm_server" 2>/dev/null
	eventually 30 not kill -0 "$vm_server" && return 0
	not_ok 'the server ends' "$(tail -n 20 "$scratch/serve.log")"
	kill -9 "$vm_server"
}

# --- the guest

# vm_start: boots it in the background. vm_append has more words for the kernel's command line; with
# vm_reboots set a reset starts it again instead of ending it.
vm_start() {
	local reset=()
	# Held open by us for both ways: neither side waits for the other to open it.
	[ -p "$scratch/keys" ] || { mkfifo "$scratch/keys" && exec {vm_keys}<>"$scratch/keys"; }
	: >"$vm_console"
	[ -n "$vm_reboots" ] || reset=(-no-reboot)
	# no_timer_check: on a busy host the emulated timer may miss the ticks that the kernel counts at boot.
	qemu-system-x86_64 -accel "${VENEER_VM_ACCEL:-tcg}" -cpu "${VENEER_VM_CPU:-qemu64}" -M q35 -smp 1 -m "$vm_memory" \
		-object "memory-backend-memfd,id=memory,size=$vm_memory,share=on" -numa node,memdev=memory \
		-nodefaults -no-user-config -display none -serial stdio "${reset[@]}" \
		-kernel "$vm_cache/kernel/boot/vmlinuz-$vm_version" -initrd "$scratch/initrd" \
		-append "console=ttyS0 quiet loglevel=3 panic=-1 no_timer_check $vm_append" "${vm_devices[@]}" \
		<&"$vm_keys" >"$vm_console" 2>"$scratch/qemu.log" &
	vm_pid=$!
	pids+=("$vm_pid")
	disown "$vm_pid" # or the shell would speak of its end
}

# vm_say LINE: to the guest's function `host`.
vm_say() { echo "$1" >&"$vm_keys"; }

# vm_saw ERE SECONDS: waits until a line of the console matches.
vm_saw() { eventually "$2" vm_grep "$1"; }
vm_grep() { tr -d '\r' <"$vm_console" | grep -qE -- "$1" || not kill -0 "$vm_pid"; }

# vm_wait SECONDS: until the guest is off. Sets vm_out, vm_report (VENEER-EXIT's line) and vm_status: a number,
# "timeout", or "none" when the guest ended without a report.
vm_wait() {
	local ended=yes
	eventually "$1" not kill -0 "$vm_pid" || ended=
	[ -n "$ended" ] || kill -9 "$vm_pid"
	tr -d '\r' <"$vm_console" >"$scratch/console.txt"
	vm_out=$(sed -n '/VM-BEGIN$/,/^VENEER-EXIT/{/VM-BEGIN$/d;/^VENEER-EXIT/d;p}' "$scratch/console.txt" | sed '${/^$/d}')
	vm_report=$(grep '^VENEER-EXIT' "$scratch/console.txt" | tail -n 1)
	vm_status=$(sed -n 's/^VENEER-EXIT status=\([0-9]*\).*/\1/p' <<<"$vm_report")
	[ -n "$ended" ] || vm_status=timeout
	: "${vm_status:=none}"
	[ -z "${VENEER_VM_VERBOSE:-}" ] && [[ $vm_status =~ ^[0-9]+$ ]] || vm_diag
}

# What the guest and QEMU said last.
vm_diag() {
	diag "guest: $vm_status; end of its console:"
	tail -n 40 "$scratch/console.txt" | tr -cd '\n\t -~' | sed 's/^/#   /'
	sed 's/^/# qemu: /' "$scratch/qemu.log" | tail -n 5
}

vm_run() {
	vm_start
	vm_wait "$1"
}

# vm_ok NAME: the guest's part ended with 0; else what it said is shown.
vm_ok() {
	if [ "$vm_status" = 0 ]; then ok "$1"; else
		not_ok "$1" "the guest's status is $vm_status"
		vm_diag
	fi
}
