package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/images"
	"gatehouse/platform/event"
)

func TestHello(t *testing.T) {
	want := result{statusOK, "Hello from the normal world\n", ""}
	img, err := images.Get("hello")
	if err != nil {
		t.Fatal(err)
	}
	file := tempFile(t, "hello.elf", img.ELF)
	for _, args := range [][]string{
		{"-kernel", "image:hello"},
		{"-kernel", file},
		{"-kernel", file, "-m", "64", "-smp", "4", "-cpu", "cortex-a57"},
		{"-kernel", file, "-m", "1G", "-serial", "stdio", "-serial", "none"},
		{"-kernel", file, "-M", "virt,secure-world=none"},
		{"-kernel", file, "-M", "virt,secure-world=none,virtualization=on"},
		{"-kernel", file, "-M", "virt,virtualization=on,gic-version=3"},
		{"-kernel", file, "-M", "virt,tzasc=off,abi=smc"},
		{"-kernel", file, "-M", "virt", "-M", "virt,tzasc-action=raz", "-append", "quiet"},
		{"-device", "loader,file=" + file, "-kernel", image(t, func(p *code) { p.jump(img.ELF) })},
	} {
		if got := gatehouse(append([]string{"boot"}, args...)...); got != want {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

// image builds a raw program and gives its file. It is loaded at 0x4400_0000 by the loader tests and at RAM + 512 KiB as a kernel.
func image(t testing.TB, build func(p *code)) string {
	t.Helper()
	var p code
	build(&p)
	return p.file(t)
}

// jump goes on at the entry of an ELF file. It takes 512 KiB of its own before, since both would be at the same place.
func (p *code) jump(file []byte) {
	// The header of an arm64 Image moves the code: text_offset at 8, size at 16, magic at 56 (Linux, booting.rst).
	p.word(0x14000010, 0)
	p.quad(0x400_0000)
	p.quad(0x1000)
	for len(*p) < 14 {
		p.word(0)
	}
	p.word(0x644d5241, 0)
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		panic(err)
	}
	p.mov(1, f.Entry)
	p.word(0xd61f0000 | 1<<5) // BR X1
}

// Every prefix of an ELF file is refused or is a whole one; nothing starts half.
func TestTruncated(t *testing.T) {
	img, err := images.Get("hello")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(img.ELF))
	if err != nil {
		t.Fatal(err)
	}
	end := uint64(0) // of what is needed: headers of segments and their contents
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	for _, n := range []int{4, 5, 16, 20, 52, 63, 64, 65, 100, 119, 120, 175, 176, 500, 4096, int(end) - 1} {
		if n >= len(img.ELF) {
			t.Fatalf("the image has %d bytes only", len(img.ELF))
		}
		path := tempFile(t, "short.elf", img.ELF[:n])
		gatehouse("boot", "-kernel", path).refused(t, "-kernel "+path)
		gatehouse("boot", "-kernel", "image:hello", "-device", "loader,file="+path).refused(t, "-device loader,file="+path)
	}
}

// elfWith gives the hello image with one program header changed.
func elfWith(t *testing.T, change func(header []byte)) []byte {
	t.Helper()
	img, err := images.Get("hello")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(img.ELF)
	change(data[binary.LittleEndian.Uint64(data[32:]):]) // e_phoff
	return data
}

func TestOutsideRAM(t *testing.T) {
	const paddr, memsz = 24, 40 // Elf64_Phdr
	put := binary.LittleEndian.PutUint64
	for _, tc := range []struct {
		name string
		args []string
		data []byte
		want string
	}{
		{"below", nil, elfWith(t, func(h []byte) { put(h[paddr:], 0x3fff_f000) }), "outside RAM"},
		{"flash", nil, elfWith(t, func(h []byte) { put(h[paddr:], 0) }), "outside RAM"},
		{"above", nil, elfWith(t, func(h []byte) { put(h[paddr:], 0x4800_0000) }), "outside RAM"},
		{"device", nil, elfWith(t, func(h []byte) { put(h[paddr:], 0x0900_0000) }), "outside RAM"},
		{"wrapping", nil, elfWith(t, func(h []byte) { put(h[paddr:], ^uint64(0)-100) }), "wraps"},
		{"large", nil, elfWith(t, func(h []byte) { put(h[memsz:], 1<<40) }), "outside RAM"},
		{"largest", nil, elfWith(t, func(h []byte) { put(h[memsz:], ^uint64(0)) }), "wraps"},
		{"raw larger than RAM", []string{"-m", "1"}, make([]byte, 1<<20), "outside RAM"},
		{"raw as large as RAM", []string{"-m", "2"}, make([]byte, 2<<20), "outside RAM"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := tempFile(t, "image", tc.data)
			gatehouse(append([]string{"boot", "-kernel", path}, tc.args...)...).refused(t, "-kernel "+path, tc.want)
		})
	}
	initrd := tempFile(t, "initrd", make([]byte, 20<<20))
	raw := image(t, func(p *code) { p.off(insHVC) })
	gatehouse("boot", "-kernel", raw, "-m", "16", "-initrd", initrd).refused(t, "-initrd "+initrd, "larger than 16 MiB")
	gatehouse("boot", "-kernel", raw, "-m", "24", "-initrd", initrd).refused(t, "initrd", "does not fit")
	bios := tempFile(t, "bios", make([]byte, 64<<20+1))
	gatehouse("boot", "-bios", bios).refused(t, "-bios "+bios, "64 MiB")
}

// hung checks that a guest that gets nowhere is stopped by -timeout, and by nothing else.
func hung(t *testing.T, path, message string) result {
	t.Helper()
	start := time.Now()
	r := gatehouse("boot", "-kernel", path, "-timeout", "200ms")
	if r.status != statusTimeout || r.stderr != "gatehouse boot: -timeout 200ms: the machine was still running"+message+"\n" {
		t.Errorf("%+v", r)
	}
	if took := time.Since(start); took < 200*time.Millisecond || took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	return r
}

// TestEveryProcessorOff: a machine that nothing can start again ends, without a timeout.
func TestEveryProcessorOff(t *testing.T) {
	r := gatehouse("boot", "-kernel", image(t, func(p *code) { p.mov(0, 0x84000002); p.word(insHVC) }))
	if r.status != 1 || r.stdout != "" || r.stderr != "gatehouse boot: every processor is off: nothing can start one again\n" {
		t.Errorf("%+v", r)
	}
}

func TestHung(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func(p *code)
	}{
		{"loop", func(p *code) { p.word(insSelf) }},
		{"sleep", func(p *code) { p.word(insWFI, 0x17ffffff) }},
		{"wait for an event", func(p *code) { p.word(0xd503205f, 0x17ffffff) }},
		{"reset for ever", func(p *code) { p.mov(0, 0x84000009); p.word(insHVC) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			message := ""
			if tc.name == "reset for ever" {
				message = ", and the guest had reset it before"
			}
			if r := hung(t, image(t, tc.build), message); r.stdout != "" {
				t.Errorf("output %q", r.stdout)
			}
		})
	}
}

// A guest whose exception vector faults will never do anything else. It is stopped, with a word on what it did.
func TestLockedUp(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func(p *code)
	}{
		{"jump to nowhere", func(p *code) { p.mov(1, 0xdead_beef_0000); p.word(0xd61f0020) }},
		{"jump to an odd address", func(p *code) { p.mov(1, 0x4008_0002); p.word(0xd61f0020) }},
		{"jump to a device", func(p *code) { p.mov(1, 0x0900_0000); p.word(0xd61f0020) }},
		{"jump to the last address", func(p *code) { p.mov(1, ^uint64(3)); p.word(0xd61f0020) }},
		{"jump out of RAM", func(p *code) { p.mov(1, 0x4800_0000); p.word(0xd61f0020) }},
		{"read nowhere", func(p *code) { p.mov(1, 0xa00_0000_0000); p.word(0xf9400020) }},
		{"fall off", func(p *code) { p.word(0xd503201f) }},
		{"vectors nowhere", func(p *code) { p.mov(1, ^uint64(0x7ff)); p.word(0xd518c001, 0xd4000001) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := gatehouse("boot", "-kernel", image(t, tc.build), "-timeout", "60s")
			last := r.stderr[strings.LastIndexByte(strings.TrimSuffix(r.stderr, "\n"), '\n')+1:]
			if r.status != statusFailed || r.stdout != "" || !strings.HasPrefix(last, "gatehouse boot: cpu0 is locked up: ") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Random words are executed until the time is over or they end the machine; the program survives them.
func TestGarbage(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0))
			var p code
			// Vectors that go on with the next words: an exception does not end the experiment.
			p.mov(1, 0x4008_0000)
			p.word(0xd518c001) // MSR VBAR_EL1, X1
			p.mov(1, 3<<20)
			p.word(0xd5181041) // MSR CPACR_EL1, X1
			for i := range 30 {
				p.mov(i, r.Uint64()>>(r.IntN(4)*16))
			}
			for len(p) < 16384 {
				p.word(r.Uint32())
				if r.IntN(8) == 0 {
					p.word([]uint32{insSMC, insHVC, insHLT, 0xd4000001, 0xd69f03e0, 0xd508871f}[r.IntN(6)])
				}
			}
			got := gatehouse("boot", "-kernel", p.file(t), "-smp", "2", "-timeout", "300ms")
			if got.status == statusUsage || strings.Contains(got.stderr, "panic") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Calls with every kind of bad argument come back; nothing stops the machine before it powers itself off.
func TestWildCalls(t *testing.T) {
	var functions []uint64
	for _, base := range []uint64{0x8000_0000, 0xc000_0000, 0x8400_0000, 0xc400_0000} {
		for n := range uint64(0x100) {
			// The calls that do not return: CPU_OFF, SYSTEM_OFF, SYSTEM_RESET.
			if f := base | n; f&^0x40000000 != 0x84000002 && f&^0x40000000 != 0x84000008 && f&^0x40000000 != 0x84000009 {
				functions = append(functions, f)
			}
		}
	}
	for _, base := range []uint64{0x3200_0000, 0xb200_0000, 0xf200_0000, 0xbf00_ff00, 0x3f00_0000} {
		for n := range uint64(0x18) {
			functions = append(functions, base|n)
		}
	}
	functions = append(functions, 0, ^uint64(0), 0xffff_ffff, 0x8600_ff01, 0x1_8400_0000, 0x8401_0000)
	for _, value := range []uint64{0, 1, 8, 0x1000, 0x4008_0000, 0x4010_0000, 0x4010_0001, 0x47ff_f000, 0x47ff_ffff, 0x4800_0000,
		0x0b00_0000, 0x0e00_0000, 0x0900_0000, 0x7fff_ffff_ffff_f000, 0xffff_ffff_ffff_f000, ^uint64(0), 0x8001_0000, 0x8001} {
		t.Run(fmt.Sprintf("%#x", value), func(t *testing.T) {
			t.Parallel()
			for _, conduit := range []uint32{insSMC, insHVC} {
				var p code
				p.branch(2)
				p.word(0)
				p.adr(20, 0)
				adr := len(p) - 1
				p.mov(21, uint64(len(functions)))
				loop := len(p)
				p.word(0xf8408680) // LDR X0, [X20], #8
				for x := 1; x < 18; x++ {
					p.mov(x, value)
				}
				p.word(conduit)
				p.word(0xd10006b5) // SUB X21, X21, #1
				p.word(0xb5000015 | uint32(loop-len(p))&0x7ffff<<5)
				p.put('k')
				p.off(insHVC)
				p[adr] = 0x10000000 | uint32(len(p)-adr)<<5 | 20 // multiple of 4: immlo is 0
				for _, f := range functions {
					p.quad(f)
				}
				for _, machine := range []string{"virt", "virt,abi=ffa", "virt,abi=smc,tzasc-action=raz", "virt,tzasc=off"} {
					got := gatehouse("boot", "-kernel", p.file(t), "-M", machine, "-timeout", "60s")
					if got.status != statusOK || got.stdout != "k" {
						t.Errorf("%s, conduit %#x: %+v", machine, conduit, got)
					}
				}
			}
		})
	}
}

// Exit codes through semihosting ("Semihosting for AArch32 and AArch64", 6.6 and 6.7).
func TestExitStatus(t *testing.T) {
	const exit, exitExtended, applicationExit = 0x18, 0x20, 0x20026
	for _, tc := range []struct {
		op, reason, code uint64
		want             int
	}{
		{exit, applicationExit, 0, 0},
		{exit, applicationExit, 1, 1},
		{exit, applicationExit, 42, 42},
		{exit, applicationExit, 255, 255},
		{exit, applicationExit, 256, 1},
		{exit, applicationExit, 0x1234, 0x34},
		{exit, applicationExit, ^uint64(0), 255},
		{exitExtended, applicationExit, 7, 7},
		{exit, 0x20023, 0, 1}, // ADP_Stopped_InternalError
		{exitExtended, 0, 0, 1},
	} {
		path := image(t, func(p *code) {
			p.semihost(tc.op, tc.reason, tc.code)
			p.word(insSelf)
		})
		if r := gatehouse("boot", "-kernel", path, "-timeout", "20s"); r.status != tc.want || r.stdout != "" {
			t.Errorf("%#x(%#x, %#x): %+v, want %d", tc.op, tc.reason, tc.code, r, tc.want)
		}
	}
	for _, conduit := range []uint32{insHVC, insSMC} {
		path := image(t, func(p *code) { p.off(conduit) })
		if r := gatehouse("boot", "-kernel", path, "-timeout", "20s"); r != (result{}) {
			t.Errorf("SYSTEM_OFF: %+v", r)
		}
	}
}

// Semihosting writes to the console, and survives every address.
func TestSemihosting(t *testing.T) {
	const open, writeC, write0, write, clock, time_ = 1, 3, 4, 5, 0x10, 0x11
	path := image(t, func(p *code) {
		p.semihost(write0, binary.LittleEndian.Uint64([]byte("hello, \x00")))
		p.semihost(writeC, 'w')
		text := len(*p) + 1
		p.word(0x14000003)
		p.quad(binary.LittleEndian.Uint64([]byte("orld\n\x00..")))
		p.adr(2, text)
		// SYS_WRITE: handle 2, address and length in a block on the way.
		p.adr(1, len(*p)+16)
		p.mov(3, 2)
		p.mov(4, 5)
		p.word(0xf9000023, 0xf9000422, 0xf9000824) // STR X3, [X1]; STR X2, [X1, #8]; STR X4, [X1, #16]
		p.mov(0, write)
		p.word(insHLT)
		p.word(0xb5000000 | 9<<5) // CBNZ X0: bytes were left over
		p.off(insHVC)
		for range 20 {
			p.word(insSelf)
		}
	})
	if r := gatehouse("boot", "-kernel", path, "-timeout", "5s"); r.status != statusOK || r.stdout != "hello, world\n" {
		t.Errorf("%+v", r)
	}
	wild := image(t, func(p *code) {
		for op := range uint64(0x34) {
			for _, addr := range []uint64{0, 1, 0x0900_0000, 0x0b00_0000, 0x47ff_fffc, 0x4800_0000, ^uint64(0), ^uint64(7), 1 << 63, 0xe00_0000} {
				if (op == 0x18 || op == 0x20) && addr == 0 || addr == 1 {
					continue // flash is readable, so that these end the machine
				}
				p.mov(1, addr)
				p.mov(0, op)
				p.word(insHLT)
			}
		}
		p.put('k')
		p.off(insHVC)
	})
	if r := gatehouse("boot", "-kernel", wild, "-timeout", "20s"); r.status != statusOK || !strings.HasSuffix(r.stdout, "k") {
		t.Errorf("%+v", r)
	}
}

// The same command gives the same bytes, events included.
func TestDeterminism(t *testing.T) {
	for _, args := range [][]string{
		{"-kernel", "image:hello", "-d", "all"},
		{"-kernel", "image:lend-ffa", "-d", "all"},
		{"-kernel", "image:lend-smc", "-d", "smc,optee,protmem,tzc,dma"},
		{"-kernel", "image:fault", "-d", "int,unimp"},
		{"-kernel", "image:smp", "-smp", "4", "-d", "all"},
		{"-kernel", "image:timer", "-d", "all"},
	} {
		t.Run(args[1], func(t *testing.T) {
			t.Parallel()
			args := append([]string{"boot", "-timeout", "60s"}, args...)
			first := gatehouseInput("input that nobody reads", args...)
			if first.status == statusTimeout || first.status == statusUsage || first.stdout == "" {
				t.Fatalf("%+v", first)
			}
			if second := gatehouseInput("input that nobody reads", args...); first != second {
				t.Errorf("%d, %d bytes and %d bytes; then %d, %d bytes and %d bytes", first.status, len(first.stdout), len(first.stderr),
					second.status, len(second.stdout), len(second.stderr))
			}
		})
	}
	r := gatehouse("boot", "-kernel", "image:lend-ffa", "-d", "ffa,tzc")
	if !strings.Contains(r.stderr, "FFA_MEM_LEND") || !strings.Contains(r.stderr, "DENIED") || strings.Contains(r.stderr, "] int ") {
		t.Errorf("events: %.500s", r.stderr)
	}
	if r := gatehouse("boot", "-kernel", "image:hello", "-d", event.Category(event.All).String()); r.status != statusOK {
		t.Errorf("%+v", r)
	}
}

// Each -serial goes to its UART.
func TestSerial(t *testing.T) {
	path := image(t, func(p *code) {
		p.put('0')
		p.mov(9, 0x09040000)
		p.mov(10, '1')
		p.word(0xb9000000 | 9<<5 | 10)
		p.off(insHVC)
	})
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for _, tc := range []struct {
		args             []string
		stdout, one, two string
	}{
		{nil, "0", "-", "-"},
		{[]string{"-serial", "stdio"}, "0", "-", "-"},
		{[]string{"-serial", "none"}, "", "-", "-"},
		{[]string{"-serial", "none", "-serial", "stdio"}, "1", "-", "-"},
		{[]string{"-serial", "file:" + one}, "", "0", "-"},
		{[]string{"-serial", "stdio", "-serial", "file:" + two}, "0", "-", "1"},
		{[]string{"-serial", "file:" + one, "-serial", "file:" + two}, "", "0", "1"},
	} {
		for _, f := range []string{one, two} {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
		r := gatehouse(append([]string{"boot", "-kernel", path}, tc.args...)...)
		if r != (result{stdout: tc.stdout}) || contents(one) != tc.one || contents(two) != tc.two {
			t.Errorf("%v: %+v, %q, %q", tc.args, r, contents(one), contents(two))
		}
	}
}

// contents is "-" for a file that does not exist.
func contents(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "-"
	}
	return string(b)
}

// A guest reads what standard input holds, and goes on at its end.
func TestInput(t *testing.T) {
	echo := image(t, func(p *code) {
		p.mov(9, 0x09000000)
		p.word(0xb9401928) // LDR W8, [X9, #0x18]: FR
		p.word(0x3727ffe8) // TBNZ W8, #4: RXFE
		p.word(0xb9400128) // LDR W8, [X9]
		p.word(0x71007d1f) // CMP W8, #31
		p.word(0x54000089) // B.LS +4 words
		p.word(0xb9000128) // STR W8, [X9]
		p.word(0x17fffffa) // B to the second word
		p.word(0xd503201f)
		p.off(insHVC)
	})
	text := strings.Repeat("0123456789abcdef", 4)
	want := result{stdout: text}
	got := gatehouseInput(text+"\n", "boot", "-kernel", echo, "-timeout", "60s")
	if got != want {
		t.Errorf("%+v", got)
	}
	if r := gatehouseInput("abc", "boot", "-kernel", echo, "-timeout", "3s"); r.status != statusTimeout || r.stdout != "abc" {
		t.Errorf("at the end of the input: %+v", r)
	}
	// Through a pipe it comes in pieces.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		for _, c := range []byte(text + "\n") {
			_, _ = w.Write([]byte{c})
		}
	}()
	var stdout, stderr bytes.Buffer
	if status := run([]string{"boot", "-kernel", echo, "-timeout", "60s"}, r, &stdout, &stderr); status != statusOK || stdout.String() != text {
		t.Errorf("pipe: %d %q %q", status, &stdout, &stderr)
	}
}

// A guest without firmware starts in flash, in Non-secure EL1; with secure=on in Secure EL3.
func TestBIOS(t *testing.T) {
	path := image(t, func(p *code) {
		p.word(0xd5384248)             // MRS X8, CurrentEL
		p.word(0xd342fd08, 0x1100c108) // LSR X8, X8, #2; ADD W8, W8, #'0'
		p.mov(9, 0x09000000)
		p.word(0xb9000128) // STR W8, [X9]
		p.semihost(0x18, 0x20026, 3)
	})
	for machine, want := range map[string]string{"virt": "1", "virt,virtualization=on": "2", "virt,secure=on": "3", "virt,secure-world=none": "1"} {
		if r := gatehouse("boot", "-bios", path, "-M", machine, "-timeout", "20s"); r.status != 3 || r.stdout != want {
			t.Errorf("%s: %+v", machine, r)
		}
	}
}
