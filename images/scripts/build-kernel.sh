#!/usr/bin/env bash
# Builds a small kernel for guests from a Debian release's kernel source: build-kernel.sh [-c] [-r RELEASE] [-p PACKAGE] DIRECTORY
#   -c          stops when the configuration is made and checked
#   -r RELEASE  takes the source from this release of Debian, such as sid (default: apt's sources)
#   -p PACKAGE  takes this package, such as linux-source-6.12 (default: the newest linux-source-*)
# The directory then has config, version, and without -c Image.gz and last of all an empty file complete; its folder work keeps the
# source and what was built. Protected memory needs Linux 6.18 or newer: where the machine's own release has an older one, -r sid.
# apt keeps its own state for this in the directory: nothing on the host changes. CROSS_COMPILE (aarch64-linux-gnu-) and JOBS (number
# of processors) may be set.
set -euo pipefail
usage() { echo "usage: $0 [-c] [-r RELEASE] [-p PACKAGE] DIRECTORY" >&2; exit 2; }
only_config= release= package=
while getopts cr:p: option; do
	case $option in
	c) only_config=yes ;;
	r) release=$OPTARG ;;
	p) package=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || usage
fragment=$(cd "$(dirname "$0")" && pwd)/kernel.config
export ARCH=arm64 CROSS_COMPILE=${CROSS_COMPILE-aarch64-linux-gnu-} KCONFIG_NOTIMESTAMP=1
missing=()
for pair in make:make flex:flex bison:bison bc:bc xz:xz-utils dpkg-deb:dpkg gcc:gcc perl:perl "${CROSS_COMPILE}gcc":gcc-aarch64-linux-gnu; do
	command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ ${#missing[@]} = 0 ] || { echo "missing packages: ${missing[*]}" >&2; exit 1; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$out/work
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/sources"
rm -f "$out/complete"

apt=(-q -o "Dir::State=$work/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$work/cache" -o APT::Sandbox::User= -o Acquire::Languages=none
	-o Acquire::Retries=3)
if [ -n "$release" ]; then
	# The archive that the machine itself takes its packages from.
	archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v security | sort -u | head -n 1)
	[ -n "$archive" ] || { echo "apt has no sources: want those of Debian" >&2; exit 1; }
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $release main" >"$work/sources/release.list"
	apt+=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/sources")
fi
apt-get "${apt[@]}" update >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
if [ -z "$package" ]; then
	package=$(apt-cache "${apt[@]}" search --names-only '^linux-source-[0-9.]+$' | cut -d ' ' -f 1 | sort -V | tail -n 1)
	[ -n "$package" ] || { echo "there is no package linux-source-*" >&2; exit 1; }
fi
source=$work/$package
if [ ! -e "$source/complete" ]; then
	rm -rf "$source" "$work/deb"
	mkdir -p "$source" "$work/deb"
	(cd "$work/deb" && apt-get "${apt[@]}" download "$package") >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
	dpkg-deb --fsys-tarfile "$work"/deb/*.deb | tar -xO "./usr/src/$package.tar.xz" | tar -xJ -C "$source" --strip-components=1
	rm -rf "$work/deb"
	touch "$source/complete"
fi

build=$work/build-$package
mkdir -p "$build"
run() { nice make -s -C "$source" O="$build" "$@"; }
run tinyconfig >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
# Of an option that stands twice the last one counts.
cat "$fragment" >>"$build/.config"
run olddefconfig >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
failed=
while read -r line; do
	case $line in
	CONFIG_*=*) name=${line%%=*} ;;
	'# CONFIG_'*' is not set') name=${line#\# } name=${name%% *} ;;
	*) continue ;;
	esac
	grep -qxF -- "$line" "$build/.config" && continue
	[ "$line" = "# $name is not set" ] && ! grep -q "^$name=" "$build/.config" && continue
	if grep -rqsE --include='Kconfig*' "^(menu)?config ${name#CONFIG_}\$" "$source"; then
		echo "$name: not as it should be: $(grep -E "^$name=|^# $name " "$build/.config" || echo "missing")" >&2
		failed=yes
	else
		echo "$name: unknown to $package"
	fi
done <"$fragment"
[ -z "$failed" ] || exit 1
cp "$build/.config" "$out/config"
run kernelversion >"$out/version"
echo "configured $package, Linux $(cat "$out/version")"
[ -z "$only_config" ] || exit 0
run -j "${JOBS:-$(nproc)}" Image.gz
cp "$build/arch/arm64/boot/Image.gz" "$out/Image.gz"
touch "$out/complete"
echo "built $out/Image.gz"
