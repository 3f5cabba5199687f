#!/usr/bin/env bash
# Fetches the stock arm64 kernel of this machine's Debian release: debian-kernel.sh DIRECTORY
# The directory then has vmlinuz, config, modules/ (the tree of kernel modules) and version, and last of all an empty file complete.
# apt keeps its own state for this in a temporary directory: nothing on the host changes, and no rights are needed.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/state/lists/partial" "$tmp/cache/archives/partial" "$tmp/tree"
apt=(-q -o "Dir::State=$tmp/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$tmp/cache" -o APT::Architecture=arm64
	-o APT::Architectures::=arm64 -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3)
# Other parties' sources need not have arm64: without them the update still has what is needed.
apt-get "${apt[@]}" update >"$tmp/log" 2>&1 || grep -q '^Get\|^Hit' "$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
package=$(apt-cache "${apt[@]}" depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
[ -n "$package" ] || { echo "the package linux-image-arm64 is not in apt's sources" >&2; cat "$tmp/log" >&2; exit 1; }
(cd "$tmp" && apt-get "${apt[@]}" download "$package") >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
dpkg-deb -x "$tmp"/linux-image-*.deb "$tmp/tree"
version=${package#linux-image-}
rm -rf "$out/modules" "$out/complete"
cp "$tmp/tree/boot/vmlinuz-$version" "$out/vmlinuz"
cp "$tmp/tree/boot/config-$version" "$out/config"
# Newer releases have /usr/lib/modules.
mv "$tmp/tree"/*/modules/"$version" "$out/modules" 2>/dev/null || mv "$tmp/tree"/usr/lib/modules/"$version" "$out/modules"
echo "$version" >"$out/version"
touch "$out/complete"
