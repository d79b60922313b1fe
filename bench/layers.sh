# SPDX-License-Identifier: Apache-2.0
#
# Sourced by compare: the layers that the workloads stand on. A set is a directory with one directory per layer,
# 0 being the topmost: $base/sets/NAME/N.

# scale quick|full: the sizes.
scale() {
	few=8 several=40 deep=120 dirs=100 per=100 many=10000 half=5000 wide=1000 mib=1024 small=256
	syncs=500 inserts=100 srcdirs=30 inodedirs=1000
	if [ "$1" = quick ]; then
		few=2 several=3 deep=5 dirs=4 per=10 many=40 half=20 wide=20 mib=8 small=2
		syncs=5 inserts=3 srcdirs=2 inodedirs=5
	fi
	files=$((dirs * per)) inodes=$((inodedirs * 100)) srcfiles=$((srcdirs * 100)) middle=$((mib * 524288))
	src=$base/src.tar sql=$base/inserts.sql
}

# spread NAME LAYERS: one tree, its files dealt out to the layers, every directory in each of them.
spread() {
	local i
	mkdir -p "$base/sets/$1"
	for ((i = 0; i < $2; i++)); do
		"$work" tree "$base/sets/$1/$i" "$dirs" "$per" 3000 "$2" "$i" >/dev/null || return 1
	done
}

# A repository whose files are committed and not checked out.
make_git() {
	local repo=$base/sets/git/0/repo
	mkdir -p "$repo"
	"$work" tree "$base/src" "$srcdirs" 100 4000 >/dev/null || return 1
	tar cf "$src" -C "$base/src" .
	mv "$base/src"/* "$repo" && rmdir "$base/src"
	git -C "$repo" init -q -b main && git -C "$repo" add . &&
		git -C "$repo" -c user.name=bench -c user.email=bench@localhost commit -q -m files &&
		rm -rf "$repo"/d*
}

make_sql() {
	local i
	echo 'create table t(a integer primary key, b text);'
	for ((i = 0; i < inserts; i++)); do
		printf 'begin;\n'
		printf 'insert into t(b) values(hex(randomblob(50)));\n%.0s' 1 2 3 4 5 6 7 8 9 10
		printf 'commit;\n'
	done
}

make_layers() {
	mkdir -p "$base/sets"/{wide,big,inodes}
	spread l1 1 && spread few "$few" && spread several "$several" && spread deep "$deep" &&
		"$work" tree "$base/sets/wide/0" 1 "$wide" 3000 >/dev/null &&
		"$work" tree "$base/sets/inodes/0" "$inodedirs" 100 1 >/dev/null &&
		mkdir -p "$base/sets/big/0/d000" && "$work" file "$base/sets/big/0/d000/f000" "$mib" >/dev/null &&
		make_git && make_sql >"$sql"
}
