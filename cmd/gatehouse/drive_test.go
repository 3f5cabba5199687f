package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sized makes a file of n bytes that takes no room.
func sized(t *testing.T, n int64, start ...byte) string {
	t.Helper()
	path := tempFile(t, "image", start)
	if err := os.Truncate(path, n); err != nil {
		t.Fatal(err)
	}
	return path
}

const bank = 64 << 20

func TestDriveUsage(t *testing.T) {
	off := code{}
	off.off(insHVC)
	kernel := off.file(t)
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	disk, flash, short, long := sized(t, 4096), sized(t, bank), sized(t, bank-1), sized(t, bank+1)
	qcow := sized(t, 4096, 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3)
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"-drive", ""}, []string{`-drive ""`, `""`, "file"}},
		{[]string{"-drive", "file"}, []string{`key "file" wants a value`}},
		{[]string{"-drive", "file="}, []string{`key "file" wants a value`}},
		{[]string{"-drive", disk}, []string{"unknown key", "file"}},
		{[]string{"-drive", "format=raw"}, []string{"file= is missing"}},
		{[]string{"-drive", "file=" + disk + ",cache=none"}, []string{`unknown key "cache"`, "readonly or snapshot"}},
		{[]string{"-drive", "file=" + disk + ",format=qcow2"}, []string{`"qcow2"`, "format", "want raw"}},
		{[]string{"-drive", "file=" + disk + ",if=ide"}, []string{`"ide"`, "virtio, none or pflash"}},
		{[]string{"-drive", "file=" + disk + ",readonly"}, []string{`"readonly" wants a value`}},
		{[]string{"-drive", "file=" + disk + ",readonly=maybe"}, []string{`"maybe"`, "readonly", "on or off"}},
		{[]string{"-drive", "file=" + disk + ",snapshot=1"}, []string{`"1"`, "snapshot", "on or off"}},
		{[]string{"-drive", "file=" + disk + ",unit=-1"}, []string{"unit=-1"}},
		{[]string{"-drive", "file=" + disk + ",index=x"}, []string{"index=x"}},
		{[]string{"-drive", "file=" + disk + ",index=0,unit=0"}, []string{"unit", "index"}},
		{[]string{"-drive", "file=" + disk + ",id=a", "-drive", "file=" + qcow + ",id=a"}, []string{"id=a", qcow}},
		{[]string{"-drive", "file=" + disk + ",unit=1", "-drive", "file=" + disk + ",index=1"}, []string{"unit 1"}},
		{[]string{"-drive", "file=" + missing}, []string{"-drive file=" + missing, "no such file"}},
		{[]string{"-drive", "file=" + dir}, []string{"-drive file=" + dir, "directory"}},
		{[]string{"-drive", "file=/dev/null"}, []string{"-drive file=/dev/null", "regular file"}},
		{[]string{"-drive", "file=" + disk + "/x"}, []string{"not a directory"}},
		{[]string{"-drive", "file=" + qcow}, []string{qcow, "qcow2", "format=raw"}},
		{[]string{"-drive", "file=" + qcow + ",readonly=on,if=none"}, []string{qcow, "qcow2"}},
		{[]string{"-drive", "file=" + short + ",if=pflash"}, []string{"67108863 bytes", "64 MiB"}},
		{[]string{"-pflash", long}, []string{"-pflash " + long, "67108865 bytes", "64 MiB"}},
		{[]string{"-pflash", disk}, []string{"-pflash " + disk, "4 KiB", "64 MiB"}},
		{[]string{"-pflash", missing}, []string{"-pflash " + missing, "no such file"}},
		{[]string{"-pflash", ""}, []string{"-pflash"}},
		{[]string{"-pflash", flash, "-pflash", flash, "-pflash", flash}, []string{"unit 2", "2 banks"}},
		{[]string{"-pflash", flash, "-drive", "if=pflash,unit=0,file=" + flash}, []string{"unit 0"}},
		{[]string{"-drive", "if=pflash,unit=2,file=" + flash}, []string{"unit 2", "2 banks"}},
		{[]string{"-drive", "if=pflash,unit=65535,file=" + flash}, []string{"unit 65535"}},
		{[]string{"-drive", "if=pflash,unit=65536,file=" + flash}, []string{"unit=65536"}},
		{[]string{"-bios", kernel, "-pflash", flash}, []string{"-bios " + kernel, "-pflash " + flash}},
		{[]string{"-device", "virtio-blk-pci,drive=a"}, []string{`"virtio-blk-pci"`, "virtio-blk-device"}},
		{[]string{"-device", "virtio-blk-device"}, []string{"drive= is missing"}},
		{[]string{"-device", "virtio-blk-device,drive"}, []string{`"drive" wants a value`}},
		{[]string{"-device", "virtio-blk-device,drive="}, []string{`"drive" wants a value`}},
		{[]string{"-device", "virtio-blk-device,bus=x"}, []string{`"bus"`, "drive or serial"}},
		{[]string{"-device", "virtio-blk-device,drive=a"}, []string{"virtio-blk-device,drive=a", "id=a"}},
		{[]string{"-device", "virtio-blk-device,drive=a,serial=" + strings.Repeat("1", 21)}, []string{"serial", "20 bytes"}},
		{[]string{"-drive", "file=" + disk + ",id=a", "-device", "virtio-blk-device,drive=a"}, []string{"if=none"}},
		{[]string{"-drive", "if=pflash,file=" + flash + ",id=a", "-device", "virtio-blk-device,drive=a"}, []string{"if=none"}},
		{[]string{"-drive", "file=" + disk + ",id=a,if=none", "-device", "virtio-blk-device,drive=a", "-device", "virtio-blk-device,drive=a"}, []string{"another device"}},
		{[]string{"-device", "virtio-rng-device,rng=r"}, []string{`"rng"`}},
		{[]string{"-device", "virtio-rng-device", "-device", "virtio-rng-device"}, []string{"virtio-rng-device", "already"}},
		{[]string{"-device", "virtio-serial-device", "-device", "virtio-serial-device"}, []string{"already"}},
		{[]string{"-device", "virtconsole"}, []string{"virtconsole", "virtio-serial-device"}},
		{[]string{"-device", "virtio-serial-device", "-device", "virtconsole", "-device", "virtconsole"}, []string{"already"}},
		{[]string{"-device", "virtio-serial-device", "-device", "virtconsole,chardev=c"}, []string{"id=c"}},
		{[]string{"-device", "virtio-serial-device", "-device", "virtconsole,name=c"}, []string{`"name"`, "chardev"}},
		{[]string{"-chardev", "null"}, []string{"-chardev", "id= is missing"}},
		{[]string{"-chardev", "null,id=c"}, []string{"chardev=c"}},
		{[]string{"-chardev", "pty,id=c"}, []string{`"pty"`, "stdio, file or null"}},
		{[]string{"-chardev", "null,id"}, []string{`"id" wants a value`}},
		{[]string{"-chardev", "null,id=c,path=x"}, []string{`"path"`}},
		{[]string{"-chardev", "file,id=c"}, []string{"path= is missing"}},
		{[]string{"-chardev", "file,id=c,path="}, []string{`"path" wants a value`}},
		{[]string{"-chardev", "file,id=c,mux=on"}, []string{`"mux"`, "id or path"}},
		{[]string{"-chardev", "null,id=c", "-chardev", "stdio,id=c"}, []string{"id=c"}},
		{[]string{"-chardev", "stdio,id=c", "-chardev", "stdio,id=d"}, []string{"stdio"}},
		{[]string{"-chardev", "stdio,id=c", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=c", "-serial", "stdio"}, []string{"-chardev stdio,id=c", "-serial stdio"}},
		{[]string{"-chardev", "file,id=c,path=" + missing + "/x", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=c"}, []string{"-chardev " + missing + "/x", "no such file"}},
		{[]string{"-display", "gtk"}, []string{`-display "gtk"`, "none"}},
		{[]string{"-rtc", "clock=host"}, []string{`"clock"`, "base"}},
		{[]string{"-rtc", "2020-01-01"}, []string{`"2020-01-01"`, "base"}},
		{[]string{"-rtc", "base=foo"}, []string{"base=foo", "2006-06-17T16:01:21"}},
		{[]string{"-rtc", "base="}, []string{"base="}},
		{[]string{"-rtc", "base=2020-13-01"}, []string{"base=2020-13-01"}},
		{[]string{"-rtc", "base=2021-02-29"}, []string{"base=2021-02-29"}},
		{[]string{"-rtc", "base=1970-01-01"}, []string{"1970-01-01T00:00:01"}},
		{[]string{"-rtc", "base=1969-12-31"}, []string{"1970-01-01T00:00:01"}},
		{[]string{"-rtc", "base=2106-02-07T06:28:16"}, []string{"2106-02-07T06:28:15"}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			serial := filepath.Join(t.TempDir(), "serial")
			args := append([]string{"boot", "-timeout", "20s", "-serial", "file:" + serial}, tc.args...)
			if tc.args[0] != "-bios" {
				args = append(args, "-kernel", kernel)
			}
			gatehouse(args...).refused(t, tc.want...)
			if contents(serial) != "-" && !strings.Contains(tc.args[len(tc.args)-1], "chardev=c") {
				t.Error("-serial was created")
			}
		})
	}
	if path, err := exec.LookPath("mkfifo"); err == nil { // POSIX
		// A pipe must not keep the command waiting for its other end.
		fifo := filepath.Join(dir, "fifo")
		if err := exec.Command(path, fifo).Run(); err != nil {
			t.Fatal(err)
		}
		gatehouse("boot", "-kernel", kernel, "-drive", "file="+fifo).refused(t, fifo, "regular file")
	}
	if runtime.GOOS == "linux" {
		// A program that runs cannot be opened for writing, whoever asks.
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		gatehouse("boot", "-kernel", kernel, "-drive", "file="+self).refused(t, self, "readonly=on")
		if r := gatehouse("boot", "-kernel", kernel, "-drive", "file="+self+",snapshot=on"); r != (result{}) {
			t.Errorf("%+v", r)
		}
	}
}

// word32 prints the word at an address: eight hexadecimal digits and a newline.
func (p *code) word32(addr uint64) {
	p.mov(9, 0x09000000)
	p.mov(11, addr)
	p.word(0xb9400168) // LDR W8, [X11]
	p.mov(12, 8)
	p.word(0x13887108) // ROR W8, W8, #28
	p.word(0x12000d0a) // AND W10, W8, #15
	p.word(0x1100c14b) // ADD W11, W10, #'0'
	p.word(0x11015d4d) // ADD W13, W10, #'a'-10
	p.word(0x7100295f) // CMP W10, #10
	p.word(0x1a8d316b) // CSEL W11, W11, W13, LO
	p.word(0xb900012b) // STR W11, [X9]
	p.word(0x5100058c) // SUB W12, W12, #1
	p.word(0x35ffff0c) // CBNZ W12, the ROR
	p.put('\n')
}

// store writes a word, as a bus cycle of flash commands.
func (p *code) store(addr uint64, v uint32) {
	p.mov(9, addr)
	p.mov(10, uint64(v))
	p.word(0xb9000000 | 9<<5 | 10) // STR W10, [X9]
}

func words(t *testing.T, text string) (list []uint32) {
	t.Helper()
	for _, line := range strings.Fields(text) {
		v, err := strconv.ParseUint(line, 16, 32)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		list = append(list, uint32(v))
	}
	return list
}

const (
	slots      = 0x0a000000
	slotSize   = 0x200
	slotID     = 8
	slotConfig = 0x100
)

// Drives are in the slots from the last one on, in the order of the command line, then the console, then the entropy device.
// Capacities are in sectors, whatever the sizes of the files.
func TestDriveSlots(t *testing.T) {
	path := image(t, func(p *code) {
		for slot := uint64(31); slot > 24; slot-- {
			p.word32(slots + slotSize*slot + slotID)
			p.word32(slots + slotSize*slot + slotConfig)
		}
		p.off(insHVC)
	})
	odd, empty, one, comma := sized(t, 1000), sized(t, 0), sized(t, 1), filepath.Join(t.TempDir(), "a,b,,c")
	if err := os.WriteFile(comma, make([]byte, 4096), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want []uint32 // type and capacity
	}{
		{nil, make([]uint32, 14)},
		{[]string{"-drive", "file=" + odd}, []uint32{2, 2}},
		{[]string{"-drive", "file=" + odd + ",if=virtio,format=raw,readonly=on,index=7", "-drive", "snapshot=on,file=" + one}, []uint32{2, 2, 2, 1}},
		{[]string{"-drive", "file=" + empty + ",format=raw"}, []uint32{2, 0}},
		{[]string{"-drive", "file=" + strings.ReplaceAll(comma, ",", ",,") + ",snapshot=yes"}, []uint32{2, 8}},
		{[]string{"-device", "virtio-blk-device,drive=b,serial=1", "-drive", "file=" + odd, "-drive", "if=none,id=b,file=" + one}, []uint32{2, 1, 2, 2}},
		{[]string{"-drive", "if=none,id=b,file=" + one}, nil}, // no device
		{[]string{"-device", "virtio-rng-device", "-device", "virtio-serial-device", "-drive", "file=" + odd}, []uint32{2, 2, 3, 0, 4, 0}},
		{[]string{"-nographic", "-display", "none", "-device", "virtio-rng-device"}, []uint32{4, 0}},
		{[]string{"-drive", "file=" + odd + ",readonly=on", "-drive", "file=" + odd + ",snapshot=on"}, []uint32{2, 2, 2, 2}},
		{[]string{"-snapshot", "-drive", "file=" + odd, "-drive", "file=" + odd}, []uint32{2, 2, 2, 2}},
	} {
		r := gatehouse(append([]string{"boot", "-kernel", path, "-timeout", "20s"}, tc.args...)...)
		if r.status != statusOK || r.stderr != "" {
			t.Errorf("%v: %+v", tc.args, r)
			continue
		}
		got := words(t, r.stdout)
		want := append(tc.want, make([]uint32, len(got)-len(tc.want))...)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: %d, want %d", tc.args, got, want)
		}
	}
	// Two of the 32 slots are kept for the console and the entropy device.
	var args []string
	for range 31 {
		args = append(args, "-drive", "file="+odd+",readonly=on")
	}
	if r := gatehouse(append([]string{"boot", "-kernel", path}, args[2:]...)...); r.status != statusOK {
		t.Errorf("%+v", r)
	}
	gatehouse(append([]string{"boot", "-kernel", path}, args...)...).refused(t, "31 drives")
}

// What is programmed goes to the file at once, stays for the next run, and leaves the rest as it was. Not so with -snapshot, or
// where the bank is read-only.
func TestFlashPersists(t *testing.T) {
	const at = 0x04000000 + 256<<10
	program := image(t, func(p *code) {
		p.word32(at + 8)
		p.store(at, 0x20) // erase
		p.store(at, 0xd0)
		p.store(at+8, 0x40) // program
		p.store(at+8, 0x12345678)
		p.store(at, 0xff) // read array
		p.word32(at + 8)
		p.word32(at + 12)
		p.off(insHVC)
	})
	before := make([]byte, bank)
	for i := 0; i < len(before); i += 4093 {
		before[i] = byte(i/4093) | 1
	}
	old := binary.LittleEndian.Uint32(before[256<<10+8:])
	after := bytes.Clone(before)
	for i := range 256 << 10 {
		after[256<<10+i] = 0xff
	}
	binary.LittleEndian.PutUint32(after[256<<10+8:], 0x12345678)
	other := sized(t, bank)
	for _, tc := range []struct {
		args   string // F is the file, O another one
		out    []uint32
		change bool
	}{
		{"-drive if=pflash,unit=1,file=F,format=raw", []uint32{old, 0x12345678, 0xffffffff}, true},
		{"-drive if=pflash,index=1,file=F", []uint32{old, 0x12345678, 0xffffffff}, true},
		{"-snapshot -drive if=pflash,index=1,file=F", []uint32{old, 0x12345678, 0xffffffff}, false},
		{"-snapshot -drive if=pflash,index=1,file=F,snapshot=off", []uint32{old, 0x12345678, 0xffffffff}, true},
		{"-drive if=pflash,unit=1,file=F,snapshot=on", []uint32{old, 0x12345678, 0xffffffff}, false},
		{"-drive if=pflash,unit=1,file=F,readonly=on", []uint32{old, old, 0}, false},
	} {
		file := tempFile(t, "flash", before)
		args := append([]string{"boot", "-kernel", program, "-timeout", "20s"}, strings.Fields(strings.ReplaceAll(tc.args, "=F", "="+file))...)
		r := gatehouse(args...)
		if r.status != statusOK || r.stderr != "" || fmt.Sprint(words(t, r.stdout)) != fmt.Sprint(tc.out) {
			t.Errorf("%s: %+v, want %x", tc.args, r, tc.out)
		}
		want := before
		if tc.change {
			want = after
		}
		if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, want) {
			t.Errorf("%s: the file has %d bytes, not those that were expected: %v", tc.args, len(now), err)
		}
	}
	// Two banks, the first of which holds the program.
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	first, second := sized(t, bank, code...), tempFile(t, "flash", before)
	for i, want := range [][]uint32{{old, 0x12345678, 0xffffffff}, {0x12345678, 0x12345678, 0xffffffff}} {
		r := gatehouse("boot", "-pflash", first, "-pflash", second, "-timeout", "20s")
		if r.status != statusOK || fmt.Sprint(words(t, r.stdout)) != fmt.Sprint(want) {
			t.Errorf("run %d: %+v, want %x", i, r, want)
		}
	}
	if r := gatehouse("boot", "-M", "virt,secure=on", "-pflash", first, "-pflash", other, "-timeout", "300ms"); r.status == statusUsage {
		t.Errorf("%+v", r)
	}
}

// An image that is in use is refused, by this program and by QEMU, which lock images in the same way.
func TestDriveLocks(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the locks are Linux's
	}
	off := code{}
	off.off(insHVC)
	kernel := off.file(t)
	disk := sized(t, 1<<20)
	drive := func(more string) []string {
		return []string{"-drive", "if=none,id=d,format=raw,file=" + disk + more, "-device", "virtio-blk-device,drive=d"}
	}
	readOnly, snapshot := drive(",readonly=on"), drive(",snapshot=on")
	// hold keeps the image in use until the returned function is called.
	hold := func(args []string) (release func()) {
		in, w := io.Pipe()
		started := make(chan struct{})
		done := make(chan int)
		path := image(t, func(p *code) {
			p.put('!')
			p.mov(9, 0x09000000)
			p.word(0xb9401928) // LDR W8, [X9, #0x18]: FR
			p.word(0x3727ffe8) // TBNZ W8, #4: RXFE
			p.off(insHVC)
		})
		go func() {
			r, pw, err := os.Pipe()
			if err != nil {
				panic(err)
			}
			go func() {
				_, _ = io.Copy(pw, in)
				pw.Close()
			}()
			out := writerFunc(func([]byte) { close(started) })
			done <- run(append([]string{"boot", "-kernel", path, "-timeout", "60s"}, args...), r, out, io.Discard)
			r.Close()
		}()
		<-started
		return func() {
			_, _ = w.Write([]byte("x"))
			w.Close()
			if status := <-done; status != statusOK {
				t.Errorf("status %d", status)
			}
		}
	}
	boot := func(args []string) result { return gatehouse(append([]string{"boot", "-kernel", kernel}, args...)...) }

	release := hold(drive(""))
	for _, args := range [][]string{drive(""), readOnly, snapshot} {
		boot(args).refused(t, args[1], "locked")
	}
	release()
	release = hold(readOnly)
	boot(drive("")).refused(t, disk, "locked")
	for _, args := range [][]string{readOnly, snapshot} {
		if r := boot(args); r != (result{}) {
			t.Errorf("%v: %+v", args, r)
		}
	}
	release()
	boot(append(drive(""), "-drive", "format=raw,file="+disk)).refused(t, disk, "locked")

	needTool(t, "qemu-system-aarch64")
	qemu := func(ctx context.Context, args []string) *exec.Cmd {
		return exec.CommandContext(ctx, "qemu-system-aarch64", append([]string{"-M", "virt", "-display", "none", "-nic", "none", "-serial", "none", "-monitor", "stdio"}, args...)...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	release = hold(drive(""))
	for _, args := range [][]string{drive(""), readOnly} {
		if msg, err := qemu(ctx, args).CombinedOutput(); err == nil || !strings.Contains(string(msg), "lock") {
			t.Errorf("qemu took %v: %s", args, msg)
		}
	}
	release()
	cmd := qemu(ctx, append(drive(""), "-S"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The monitor answers when everything is open.
	_, _ = io.WriteString(in, "info block\n")
	for text, b := "", make([]byte, 1); !strings.Contains(text, disk+" (raw)"); text += string(b) {
		if _, err := io.ReadFull(out, b); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	for _, args := range [][]string{drive(""), readOnly} {
		boot(args).refused(t, disk, "locked")
	}
	_, _ = io.WriteString(in, "quit\n")
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if r := boot(drive("")); r != (result{}) {
		t.Errorf("%+v", r)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestRTC(t *testing.T) {
	path := image(t, func(p *code) {
		p.word32(0x09010000)
		p.off(insHVC)
	})
	show := func(args ...string) time.Time {
		r := gatehouse(append([]string{"boot", "-kernel", path}, args...)...)
		if r.status != statusOK {
			t.Fatalf("%v: %+v", args, r)
		}
		return time.Unix(int64(words(t, r.stdout)[0]), 0).UTC()
	}
	for base, want := range map[string]time.Time{
		"2006-06-17T16:01:21": time.Date(2006, 6, 17, 16, 1, 21, 0, time.UTC),
		"2006-06-17":          time.Date(2006, 6, 17, 0, 0, 0, 0, time.UTC),
		"1970-01-01T00:00:01": time.Unix(1, 0).UTC(),
		"2106-02-07T06:28:15": time.Unix(1<<32-1, 0).UTC(),
	} {
		if got := show("-rtc", "base="+base); got != want {
			t.Errorf("base=%s: %v", base, got)
		}
	}
	if got, want := show(), time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); got != want {
		t.Errorf("default: %v", got)
	}
	if got := show("-rtc", "base=utc"); time.Since(got).Abs() > time.Minute {
		t.Errorf("utc: %v", got)
	}
	_, zone := time.Now().Zone()
	if got := show("-rtc", "base=localtime"); time.Since(got.Add(-time.Duration(zone)*time.Second)).Abs() > time.Minute {
		t.Errorf("localtime: %v", got)
	}
}

func TestNoReboot(t *testing.T) {
	path := image(t, func(p *code) {
		p.put('a')
		p.mov(0, 0x84000009) // SYSTEM_RESET
		p.word(insHVC, insSelf)
	})
	for _, machine := range []string{"virt", "virt,secure-world=none"} {
		if r := gatehouse("boot", "-kernel", path, "-M", machine, "-no-reboot", "-timeout", "20s"); r != (result{stdout: "a"}) {
			t.Errorf("%s: %+v", machine, r)
		}
		if r := gatehouse("boot", "-kernel", path, "-M", machine, "-timeout", "300ms"); r.status != statusTimeout || len(r.stdout) < 2 {
			t.Errorf("%s: %+v", machine, r)
		}
	}
}

// The emergency write of a virtio console needs no driver (VIRTIO 5.3.4).
func TestVirtconsole(t *testing.T) {
	path := image(t, func(p *code) {
		p.put('u')
		p.mov(9, slots+31*slotSize+slotConfig+8)
		p.mov(10, 'v')
		p.word(0xb9000000 | 9<<5 | 10)
		p.off(insHVC)
	})
	file, serial := filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "serial")
	device := []string{"-device", "virtio-serial-device", "-device", "virtconsole,chardev=c"}
	for _, tc := range []struct {
		args         []string
		stdout, file string
	}{
		{append([]string{"-chardev", "null,id=c"}, device...), "u", "-"},
		{append([]string{"-chardev", "stdio,id=c"}, device...), "v", "-"},
		{append([]string{"-chardev", "stdio,id=c", "-serial", "file:" + serial}, device...), "v", "-"},
		{append([]string{"-chardev", "file,id=c,path=" + file}, device...), "u", "v"},
		{[]string{"-device", "virtio-serial-device", "-device", "virtconsole"}, "u", "-"},
		{[]string{"-device", "virtio-serial-device"}, "u", "-"},
	} {
		_ = os.Remove(file)
		r := gatehouse(append([]string{"boot", "-kernel", path, "-timeout", "20s"}, tc.args...)...)
		if r != (result{stdout: tc.stdout}) || contents(file) != tc.file {
			t.Errorf("%v: %+v, %q", tc.args, r, contents(file))
		}
	}
	if contents(serial) != "u" {
		t.Errorf("serial: %q", contents(serial))
	}
}

// The parser of QEMU's lists loses nothing: what was written with doubled commas comes back.
func FuzzProperties(f *testing.F) {
	for _, s := range []string{"", ",", ",,", ",,,", "a=b", "a=b,,c,d", "a,b=,=", "file=x,,y,if=none", "==", "a=,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var parts []string
		for _, p := range properties(s) {
			text := p.key
			if p.given {
				text += "=" + p.value
			}
			parts = append(parts, strings.ReplaceAll(text, ",", ",,"))
		}
		if got := strings.Join(parts, ","); got != s {
			t.Errorf("%q became %q", s, got)
		}
		var o driveOptions
		_ = o.addDrive(s)
		_ = o.addDevice(s)
		_ = o.addChardev(s)
	})
}
