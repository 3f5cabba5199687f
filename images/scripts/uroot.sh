#!/usr/bin/env bash
# Builds an initial RAM disk with u-root's builder: uroot.sh DIRECTORY
# The directory then has initramfs.cpio, with u-root's init and shell and the commands below, and last of all an empty file complete.
# It needs the go command and its module proxy, nothing else. The shell is the one without a line editor, which scripts can type to.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
version=v0.16.0
mkdir -p "$1"
out=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
packages=()
for name in cat cp date dd df dmesg echo false find free gosh grep head hexdump init insmod kill ls lsmod md5sum mkdir mount mv poweroff ps pwd \
	rm rmmod seq shasum shutdown sleep sort tail tee time touch tr true uname uniq uptime wc; do
	packages+=("github.com/u-root/u-root/cmds/core/$name")
done
{
	go mod init initramfs
	# The builder and what it builds are packages of one module, which stands in a go.mod of its own.
	go get "github.com/u-root/u-root@$version" "${packages[@]/%/@$version}"
	go build -o u-root github.com/u-root/u-root
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 ./u-root -build=bb -go-build-tags=goshsmall -defaultsh=gosh -initcmd=init -o initramfs.cpio "${packages[@]}"
} >log 2>&1 || { cat log >&2; exit 1; }
mv initramfs.cpio "$out/"
touch "$out/complete"
