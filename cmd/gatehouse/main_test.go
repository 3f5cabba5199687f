package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// result is what a command line did.
type result struct {
	status         int
	stdout, stderr string
}

// gatehouse runs a command line in this process, without input.
func gatehouse(args ...string) result { return gatehouseInput("", args...) }

func gatehouseInput(input string, args ...string) result {
	var stdout, stderr bytes.Buffer
	status := run(args, strings.NewReader(input), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// refused checks that a command line was refused with one line that holds all of want.
func (r result) refused(t *testing.T, want ...string) {
	t.Helper()
	if r.status != statusUsage {
		t.Errorf("status %d, want %d", r.status, statusUsage)
	}
	if r.stdout != "" {
		t.Errorf("standard output: %q", r.stdout)
	}
	if !strings.HasPrefix(r.stderr, "gatehouse") || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, "\n") {
		t.Errorf("want one line, got %q", r.stderr)
	}
	for _, w := range want {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("no %q in %q", w, r.stderr)
		}
	}
}

func TestUsage(t *testing.T) {
	off := code{}
	off.off(insHVC)
	raw := off.file(t)
	dir := t.TempDir()
	empty := tempFile(t, "empty", nil)
	text := tempFile(t, "text", []byte("this is no device tree blob, whatever the flag says"))
	missing := filepath.Join(dir, "missing")
	boot := func(args ...string) []string { return append([]string{"boot"}, args...) }
	bootRaw := func(args ...string) []string { return append([]string{"boot", "-kernel", raw}, args...) }
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"bot"}, []string{`"bot"`, "boot", "demo"}},
		{[]string{"-kernel", "x"}, []string{`"-kernel"`}},
		{[]string{"help", "nothing"}, []string{`"nothing"`}},
		{[]string{"video"}, []string{`"video"`}},
		{boot(), []string{"-kernel", "-bios"}},
		{boot("-kernel"), []string{"-kernel", "argument"}},
		{boot("-kernel", missing), []string{"-kernel " + missing, "no such file"}},
		{boot("-kernel", dir), []string{"-kernel " + dir, "directory"}},
		{boot("-kernel", empty), []string{"-kernel " + empty, "empty"}},
		{boot("-kernel", "image:nope"), []string{"-kernel image:nope", "hello"}},
		{boot("-kernel", "a\nb"), []string{"-kernel a?b"}},
		{bootRaw("-smp", "0"), []string{`-smp "0"`, "1 to 8"}},
		{bootRaw("-smp", "9"), []string{`-smp "9"`, "1 to 8"}},
		{bootRaw("-smp", "-1"), []string{`-smp "-1"`}},
		{bootRaw("-smp", "two"), []string{`-smp "two"`}},
		{bootRaw("-m", "0"), []string{`-m "0"`, "1M to 255G"}},
		{bootRaw("-m", "256G"), []string{`-m "256G"`}},
		{bootRaw("-m", "1025K"), []string{`-m "1025K"`, "4K"}},
		{bootRaw("-m", "99999999999999999999"), []string{"-m"}},
		{bootRaw("-m", "18014398509481985K"), []string{"-m"}},
		{bootRaw("-m", "128X"), []string{`-m "128X"`}},
		{bootRaw("-m", "M"), []string{`-m "M"`}},
		{bootRaw("-m", ""), []string{`-m ""`}},
		{bootRaw("-cpu", "host"), []string{`-cpu "host"`, "max"}},
		{bootRaw("-M", "pc"), []string{`-M "pc"`, "virt"}},
		{bootRaw("-M", ""), []string{`-M ""`, "virt"}},
		{bootRaw("-M", "virt,highmem=off"), []string{"highmem", "secure-world"}},
		{bootRaw("-M", "virt,abi"), []string{"abi"}},
		{bootRaw("-M", "virt,abi="), []string{"abi"}},
		{bootRaw("-M", "virt,abi=xen"), []string{`"xen"`, "ffa or smc or both"}},
		{bootRaw("-M", "virt,gic-version=2"), []string{`"2"`, "want 3"}},
		{bootRaw("-M", "virt,tzasc=maybe"), []string{`"maybe"`, "on or off"}},
		{bootRaw("-M", "virt,tzasc-action=explode"), []string{`"explode"`, "abort or raz"}},
		{bootRaw("-M", "virt,virtualization=1"), []string{`"1"`, "on or off"}},
		{bootRaw("-M", "virt,secure-world=optee"), []string{`"optee"`, "go or none"}},
		{bootRaw("-M", "virt,secure-world=none,tzasc=on"), []string{"tzasc"}},
		{bootRaw("-M", "virt,secure-world=none,abi=ffa"), []string{"abi=ffa"}},
		{bootRaw("-M", "virt,secure=on,secure-world=go"), []string{"secure=on"}},
		{bootRaw("-M", "virt,secure=on"), []string{"secure=on", "-bios"}},
		{bootRaw("-M", "virt,dumpdtb="), []string{"dumpdtb"}},
		{bootRaw("-M", "virt,dumpdtb="+filepath.Join(missing, "x")), []string{"-M dumpdtb", "no such"}},
		{bootRaw("-initrd", raw, "-kernel", "image:hello"), []string{"-initrd " + raw, "arm64 Image"}},
		{bootRaw("-initrd", missing), []string{"-initrd " + missing}},
		{bootRaw("-initrd", empty), []string{"-initrd " + empty, "empty"}},
		{bootRaw("-dtb", missing), []string{"-dtb " + missing}},
		{bootRaw("-dtb", text), []string{"-dtb " + text, "device tree"}},
		{bootRaw("-dtb", empty), []string{"-dtb " + empty}},
		{boot("-bios", missing), []string{"-bios " + missing}},
		{boot("-bios", empty), []string{"-bios " + empty, "empty"}},
		{bootRaw("-device", "virtio-net"), []string{`"virtio-net"`, "loader"}},
		{bootRaw("-device", "loader"), []string{"file="}},
		{bootRaw("-device", "loader,file="), []string{"file="}},
		{bootRaw("-device", "loader,file="+raw), []string{"addr="}},
		{bootRaw("-device", "loader,file="+missing+",addr=0x48000000"), []string{missing}},
		{bootRaw("-device", "loader,file="+raw+",addr=here"), []string{"addr=here"}},
		{bootRaw("-device", "loader,file="+raw+",addr=0"), []string{"outside RAM"}},
		{bootRaw("-device", "loader,file="+raw+",addr=0xfffffffffffffffc"), []string{"-device", "wraps"}},
		{bootRaw("-device", "loader,file="+raw+",addr=0x40080004"), []string{"-device", "overlaps"}},
		{bootRaw("-device", "loader,file="+raw+",cpu-num=0"), []string{"cpu-num"}},
		{bootRaw("-serial", "pty"), []string{`-serial "pty"`, "stdio"}},
		{bootRaw("-serial", "file:"), []string{"-serial"}},
		{bootRaw("-serial", "file:"+filepath.Join(missing, "x")), []string{"-serial " + missing}},
		{bootRaw("-serial", "none", "-serial", "none", "-serial", "none"), []string{"-serial", "two UARTs"}},
		{bootRaw("-serial", "stdio", "-serial", "stdio"), []string{"-serial", "stdio"}},
		{bootRaw("-timeout", "0"), []string{`-timeout "0"`}},
		{bootRaw("-timeout", "-5s"), []string{"-timeout"}},
		{bootRaw("-timeout", "soon"), []string{`-timeout "soon"`, "500ms"}},
		{bootRaw("-d", "cpu"), []string{`-d "cpu"`, "smc"}},
		{bootRaw("-d", ""), []string{"-d"}},
		{bootRaw("-gdb", "here"), []string{"-gdb here", "tcp:HOST:PORT"}},
		{bootRaw("-gdb", "tcp:localhost:99999"), []string{"-gdb tcp:localhost:99999"}},
		{bootRaw("-gdb", "tcp::0,telnet"), []string{"-gdb", "telnet"}},
		{bootRaw("-gdb", "unix:"), []string{"-gdb unix:", "empty"}},
		{bootRaw("-gdb", "unix:"+filepath.Join(missing, "x")), []string{"-gdb unix:" + missing}},
		{bootRaw("-monitor", "vc"), []string{"-monitor vc"}},
		{bootRaw("-monitor", "stdio", "-serial", "stdio"), []string{"-monitor stdio"}},
		{bootRaw("-trace", "x"), []string{"-trace"}},
		{bootRaw("-vnc"), []string{"-vnc"}},
		{bootRaw("more"), []string{`"more"`}},
		{[]string{"demo", "-x"}, []string{"-x"}},
		{[]string{"demo", "more"}, []string{`"more"`}},
		{[]string{"dtb", "-o", filepath.Join(missing, "x")}, []string{"-o " + missing}},
		{[]string{"dtb", "-M", "virt,dumpdtb=x"}, []string{"dumpdtb", "-o"}},
		{[]string{"dtb", "-kernel", "x"}, []string{"-kernel"}},
		{[]string{"dtb", "more"}, []string{`"more"`}},
		{[]string{"images", "hello"}, []string{"-o"}},
		{[]string{"images", "-o", "x"}, []string{"-o x"}},
		{[]string{"images", "nope", "-o", "x"}, []string{`"nope"`, "hello"}},
		{[]string{"images", "hello", "fault", "-o", "x"}, []string{`"fault"`}},
		{[]string{"images", "hello", "-o", filepath.Join(missing, "x")}, []string{"-o " + missing}},
	} {
		t.Run(strings.ReplaceAll(strings.Join(tc.args, " "), "/", "_"), func(t *testing.T) {
			gatehouse(tc.args...).refused(t, tc.want...)
		})
	}
	if r := gatehouse(); r.status != statusUsage || r.stdout != "" || !strings.Contains(r.stderr, "gatehouse boot") {
		t.Errorf("no arguments: %+v", r)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("refused commands left %v, %v", left, err)
	}
}

// Help goes to standard output, with every flag in it.
func TestHelp(t *testing.T) {
	r := gatehouse("help")
	if r.status != statusOK || r.stderr != "" {
		t.Errorf("help: %+v", r)
	}
	for _, cmd := range commands() {
		if !strings.Contains(r.stdout, "gatehouse "+cmd.name) {
			t.Errorf("help does not name %s", cmd.name)
		}
		for _, args := range [][]string{{"help", cmd.name}, {cmd.name, "-h"}, {cmd.name, "-help"}} {
			if h := gatehouse(args...); h.status != statusOK || h.stderr != "" || !strings.HasPrefix(h.stdout, "usage: gatehouse "+cmd.name) {
				t.Errorf("%v: %+v", args, h)
			}
		}
	}
	boot := gatehouse("help", "boot").stdout
	for _, want := range []string{"-kernel FILE", "-smp N", "-M virt", "-device loader", "-timeout", "tzasc-action=abort|raz", "image:NAME", "124"} {
		if !strings.Contains(boot, want) {
			t.Errorf("help boot: no %q", want)
		}
	}
	for _, k := range machineKeys {
		if !strings.Contains(boot, "\n  "+k.name+"=") {
			t.Errorf("help boot: no key %s", k.name)
		}
	}
	if v := gatehouse("version"); v.status != statusOK || !strings.HasPrefix(v.stdout, "gatehouse ") {
		t.Errorf("version: %+v", v)
	}
}

// The sizes that QEMU's -m takes.
func TestParseRAM(t *testing.T) {
	for _, tc := range []struct {
		text string
		want uint64
	}{
		{"128", 128 << 20}, {"1", 1 << 20}, {"128M", 128 << 20}, {"1G", 1 << 30}, {"2g", 2 << 30}, {"4096K", 4 << 20}, {"1028k", 1028 << 10},
		{"255G", 255 << 30},
	} {
		if got, err := parseRAM(tc.text); err != nil || got != tc.want {
			t.Errorf("%s: %d, %v", tc.text, got, err)
		}
	}
	// The errors are part of TestUsage.
	for n, want := range map[uint64]string{1: "1 bytes", 1024: "1 KiB", 3 << 20: "3 MiB", 1<<30 + 1024: "1048577 KiB", 2 << 30: "2 GiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// No command line makes the program panic, and all that is refused is refused in one line.
func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{
		"boot -kernel image:hello -m 64 -smp 2", "boot -M virt,abi=ffa,tzasc=off -kernel image:hello", "images hello -o", "dtb -M virt,secure=on",
		"boot -kernel image:hello -device loader,addr=0x48000000,file=x", "boot -m 1K -smp 99 -serial none -serial stdio", "help boot",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		for i, a := range args {
			// Nothing is written, and nothing runs for long.
			if i == 0 && a == "demo" || strings.ContainsAny(a, "/.~") || strings.Contains(a, "file:") || strings.Contains(a, "dumpdtb") ||
				strings.HasPrefix(strings.TrimLeft(a, "-"), "o") || strings.HasPrefix(a, "image:") && a != "image:hello" {
				t.Skip()
			}
		}
		if len(args) > 0 && args[0] == "boot" {
			args = append(append([]string{"boot", "-m", "8"}, args[1:]...), "-timeout", "2s")
		}
		r := gatehouse(args...)
		if r.status == statusUsage && len(args) > 0 {
			if strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("%q: %q", args, r.stderr)
			}
		} else if r.status != statusOK && r.status != statusUsage && r.status != statusTimeout {
			t.Errorf("%q: %+v", args, r)
		}
	})
}
