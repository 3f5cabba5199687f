#!/usr/bin/env bash
# Measures Linux on this machine side by side with QEMU, where qemu-system-aarch64 is installed: boot to the first line of /init and to
# power-off, a program's workload, the rate of instructions, allocation from the protected heap over both ABIs, memory. Each number is
# the median of N runs (default 5), which the two programs take in turn. Nothing else should run meanwhile.
#
#   docs/scripts/speed.sh [-n N] [-p] [KERNEL]
#
# KERNEL is an arm64 Image with FF-A, OP-TEE and the TEE's DMA heaps built in (default ../shared/linux/Image.gz beside the repository).
# -p prints where the time goes in the loop of allocations and in a boot.
set -euo pipefail
n=5 profile=
while getopts n:p opt; do
	case $opt in
	n) n=$OPTARG ;;
	p) profile=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || { echo "speed.sh: want one kernel" >&2; exit 2; }
if [ $# = 1 ]; then
	GATEHOUSE_LINUX=$(realpath "$1")
	export GATEHOUSE_LINUX
fi
cd "$(dirname "$0")/../.."
bench() { GATEHOUSE_REQUIRE_TOOLS=1 go test ./platform/linuxtest -run '^$' -timeout 60m "$@"; }

bench -bench . -benchtime "${n}x"
if [ -n "$profile" ]; then
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	for loop in Alloc/ffa Start; do
		printf '\n== where the time of %s goes\n' "$loop"
		bench -bench "$loop" -benchtime "${n}x" -cpuprofile "$tmp/cpu" -o "$tmp/test" >/dev/null
		go tool pprof -top -nodecount 25 "$tmp/test" "$tmp/cpu" 2>/dev/null
	done
fi
