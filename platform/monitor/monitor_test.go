package monitor

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/devices/tzc400"
	"gatehouse/images"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/internal/qemutest"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
)

const protected = 0x47000000

// newMonitor makes a machine that has not started, with memory that the firewall keeps from it, and its monitor.
func newMonitor(t testing.TB, change func(*platform.Config)) (*platform.Machine, *Monitor) {
	t.Helper()
	sw := secureworld.DefaultConfig()
	sw.SecureRAM = memory.Range{Base: protected, Size: 1 << 20}
	cfg := platform.Config{CPUs: 2, TZASC: true, Firmware: secureworld.New(sw)}
	img, err := images.Get("hello")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Kernel, err = loader.Parse("hello", img.ELF, cfg.Range()); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, New(m, Config{})
}

func (mon *Monitor) answer(line string) string {
	var b strings.Builder
	mon.Execute(line, &b)
	return b.String()
}

// put writes words to memory as the processor's loader would.
func put(t testing.TB, m *platform.Machine, pa uint64, w ...uint32) {
	t.Helper()
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	if n, err := m.WritePhysical(0, pa, b); n != len(b) {
		t.Fatal(err)
	}
}

const scratch = 0x41000000

// Formats are QEMU's (system/hmp-commands.hx, x and xp; monitor/hmp-cmds-target.c): TestQEMU has it print the same memory.
func TestMemory(t *testing.T) {
	m, mon := newMonitor(t, nil)
	put(t, m, scratch, 0x44434241, 0xfffffffe, 0x0a27005c, 0x80000000, 5)
	for _, tc := range []struct{ line, want string }{
		{"xp/2xw 0x41000000", "0000000041000000: 0x44434241 0xfffffffe\n"},
		{"xp /2x 0x41000000", "0000000041000000: 0x44434241 0xfffffffe\n"},
		{"xp 0x41000000", "0000000041000000: 0x44434241\n"},
		{"x/5x 0x41000000", "0000000041000000: 0x44434241 0xfffffffe 0x0a27005c 0x80000000\n0000000041000010: 0x00000005\n"},
		{"x/2xg 0x41000000", "0000000041000000: 0xfffffffe44434241 0x800000000a27005c\n"},
		{"x/3xh 0x41000000", "0000000041000000: 0x4241 0x4443 0xfffe\n"},
		{"x/9xb 0x41000000", "0000000041000000: 0x41 0x42 0x43 0x44 0xfe 0xff 0xff 0xff\n0000000041000008: 0x5c\n"},
		{"x/2dw 0x41000004", "0000000041000004:         -2  170328156\n"},
		{"x/1uw 0x41000004", "0000000041000004: 4294967294\n"},
		{"x/1db 0x41000004", "0000000041000004:  -2\n"},
		{"x/2ob 0x41000000", "0000000041000000: 0101 0102\n"}, {"x/1ow 0x41000010", "0000000041000010:          05\n"},
		{"x/5c 0x41000008", "0000000041000008: '\\\\' '\\x00' '\\'' '\\n' '\\x00'\n"},
		{"x/1i 0x41000000", "0000000041000000:  44434241  .inst 0x44434241\n"},
		{"p 1+2*3", "0x7\n"}, {"print /d 1 - 2", "-1\n"}, {"p/u 0-1", "18446744073709551615\n"}, {"p/o 8", "010\n"}, {"p/c 65", "'A'\n"},
		{"p (1 + 2) * 3", "0x9\n"}, {"p ~0 & 0xff", "0xff\n"}, {"p 7 % 4 | 8 ^ 1", "0xa\n"}, {"p 100/7", "0xe\n"}, {"p 'a'", "0x61\n"}, {"p - -5", "0x5\n"},
		{"p $pc", "0x40080000\n"}, {"p $PSTATE", "0x400003c5\n"}, {"p $x30 + $sp", "0x0\n"}, {"p $sctlr_el1 & 1", "0x0\n"}, {"p $CurrentEL", "0x4\n"},
		{"x/1x $pc + 0x40000000", "0000000080080000: cannot be read: no translation, no RAM, or denied by the firewall\n"},
		{"xp/2x 0x47000000", "0000000047000000: denied\n"},
		{"xp/2x 0x46fffffc", "0000000046fffffc: 0x00000000 denied\n"},
		{"xp/1x 0x0e000000", "000000000e000000: denied\n"},
		{"x/1x 0x47000000", "0000000047000000: cannot be read: no translation, no RAM, or denied by the firewall\n"},
		{"xp/1x 0x30000000", "0000000030000000: cannot be read: nothing answers\n"},
		{"xp/1xw 0x09000018", "0000000009000018: 0x00000090\n"}, // PL011 FR: both FIFOs empty
		{"xp/1x 0xfffffffffffffffe", "fffffffffffffffe: cannot be read: nothing answers\n"},
		// What is wrong.
		{"x/0x 0", "x: a count is 1 to 65536\n"}, {"x/99999999999999999999x 0", "x: a count is 1 to 65536\n"}, {"x/s 0", "x: 's' is no format: want a count, one of x d u o c i, and one of b h w g\n"},
		{"x", "x: an operand is missing\n"}, {"x 5 5", "x: what does '5' mean here?\n"}, {"x 0x", "x: '0x' is no number\n"}, {"x $nothing", "x: no register 'nothing'\n"},
		{"x $x31", "x: no register 'x31'\n"}, {"p (1", "p: ')' is missing\n"}, {"p 1/0", "p: division by zero\n"}, {"p 5 % (3-3)", "p: division by zero\n"}, {"p 'a", "p: a character stands between two '\n"},
		{"p " + strings.Repeat("(", 100), "p: the expression nests too deep\n"}, {"p " + strings.Repeat("-", 3000) + "1", "p: the expression nests too deep\n"},
		{"p é", "p: '\ufffd' is no number\n"}, {"p/i 1", "p: a number is no instruction: use x/i\n"},
		{"stop/x", "stop: takes no format\n"}, {"stop now", "stop: takes no argument\n"}, {"reboot\x1b", "unknown command: 'reboot?'\n"}, {strings.Repeat("x", 5000), "the line is too long\n"},
		{"", ""}, {"   ", ""},
		{"info nothing", "info: no topic 'nothing': info alone lists them\n"}, {"info status now", "info: status: takes no argument\n"},
		{"info registers 2", "info: want the number of a processor, 0 to 1\n"}, {"cpu", "cpu: want the number of a processor, 0 to 1\n"}, {"cpu -1", "cpu: want the number of a processor, 0 to 1\n"},
		{"help nothing", "help: no command 'nothing'\n"}, {"quit", "quit: the machine is ended elsewhere\n"},
	} {
		if got := mon.answer(tc.line); got != tc.want {
			t.Errorf("%.60q:\n%q, want\n%q", tc.line, got, tc.want)
		}
	}
	// The looks at what is denied left no trace in the controller.
	port := m.Port(bus.Attr{Secure: true, NSAID: bus.NSAIDAP})
	if v, _ := port.Load(platform.TZCBase+tzc400.IntStatus, 4); v != 0 {
		t.Errorf("INT_STATUS is %#x", v)
	}
	if m.Now() != 0 || m.Retired() != 0 {
		t.Error("time went by")
	}
}

// Branches and addresses of data are shown as where they go.
func TestDisassembly(t *testing.T) {
	m, mon := newMonitor(t, nil)
	put(t, m, scratch, 0x14000004, 0x17ffffff, 0x10000080, 0xb0000000, 0xb4000041, 0x58000040, 0xd503201f, 0x91001484)
	want := []string{"b 0x41000010", "b 0x41000000", "adr x0, 0x41000018", "adrp x0, 0x41001000", "cbz x1, 0x41000018", "ldr x0, 0x4100001c", "nop", "add x4, x4, #0x5"}
	lines := strings.Split(strings.TrimSpace(mon.answer("x/8i 0x41000000")), "\n")
	for i, w := range want {
		if i >= len(lines) || !strings.HasSuffix(lines[i], "  "+w) {
			t.Errorf("%d: want %q in %q", i, w, lines)
		}
	}
}

// QEMU's monitor shows the same memory in the same form.
func TestQEMU(t *testing.T) {
	qemutest.Require(t, "qemu-system-aarch64")
	if testing.Short() {
		t.Skip("starts QEMU")
	}
	m, mon := newMonitor(t, nil)
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(i*i*37 + i*11 + 65)
	}
	if n, err := m.WritePhysical(0, scratch, data); n != len(data) {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var script []string
	for _, letter := range "xduoc" {
		for _, size := range "bhwg" {
			if letter != 'c' && letter != 'd' || letter == 'c' && size == 'b' || letter == 'd' && size == 'g' {
				script = append(script, fmt.Sprintf("xp/13%c%c 0x%x", letter, size, scratch), fmt.Sprintf("x/7%c%c 0x%x", letter, size, scratch+3))
			}
		}
	}
	script = append(script, "p/x 1+2*3", "p/d 5-7", "p/x 12&10|1", "p/u ~0", "p/o 511", "p/c 48", "p/d (3+4)*2", "p/x 17%5", "p/d -3")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-display", "none", "-serial", "none", "-nic", "none", "-monitor", "stdio", "-S",
		"-device", fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", file, scratch))
	cmd.Stdin = strings.NewReader(strings.Join(append(script, "quit"), "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The line editor of QEMU echoes with escape sequences; the answer stands behind the command's last echo.
	answers := strings.Split(strings.ReplaceAll(string(out), "\r", ""), "(qemu) ")
	if len(answers) < len(script)+1 {
		t.Fatalf("%d answers\n%s", len(answers), out)
	}
	for i, line := range script {
		_, answer, _ := strings.Cut(answers[i+1], "\n")
		if got := mon.answer(line); got != answer {
			t.Errorf("%s:\n%s, QEMU\n%s", line, got, answer)
		}
	}
}

// What is shown of registers is what they are.
func TestRegisters(t *testing.T) {
	m, mon := newMonitor(t, nil)
	c := m.CPU(0)
	for i := range 31 {
		c.X[i] = uint64(i) * 0x0101010101010101
	}
	c.SetSP(0x41000f00)
	c.SetPSTATE(0xa0400105)
	const vbarEL1 = 0xc600
	if !c.WriteSysDebug(vbarEL1, 0x41002000) {
		t.Fatal("VBAR_EL1")
	}
	text := mon.answer("info registers")
	for _, want := range []string{"CPU#0 (running)", " PC=0000000040080000", "X00=0000000000000000", "X30=1e1e1e1e1e1e1e1e", "SP=0000000041000f00",
		"PSTATE=a0400105 N-C- -A-- PAN EL1h non-secure", "VBAR_EL1=0000000041002000", "SCTLR_EL1=0000000030d00800", "SCR_EL3="} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "_EL2=") {
		t.Error("EL2 does not exist")
	}
	if n := len(regexp.MustCompile(`\bX\d\d=`).FindAllString(text, -1)); n != 31 {
		t.Errorf("%d general registers", n)
	}
	if got := mon.answer("info registers 1"); !strings.HasPrefix(got, "CPU#1 (off)") {
		t.Errorf("%.60q", got)
	}
	if got := mon.answer("info registers -a"); got != text+"\n"+mon.answer("info registers 1") {
		t.Error("-a is not both")
	}
	if got := mon.answer("info cpus"); got != "* CPU #0: pc=0x0000000040080000 EL1 non-secure (running)\n  CPU #1: pc=0x0000000000000000 EL3 secure (off)\n" {
		t.Errorf("%q", got)
	}
	if got := mon.answer("cpu 1") + mon.answer("info registers"); !strings.HasPrefix(got, "CPU#1") {
		t.Errorf("%.60q", got)
	}
	_, mon = newMonitor(t, func(c *platform.Config) { c.EL2 = true })
	if text := mon.answer("info registers"); !strings.Contains(text, "HCR_EL2=") || !strings.Contains(text, "EL2h") {
		t.Error(text)
	}
}

func TestInfo(t *testing.T) {
	m, mon := newMonitor(t, nil)
	tzc := mon.answer("info tzc")
	for _, want := range []string{"ACTION 1: DECERR\n", "filter 0: gate open, no failure\n", "     0 0000000000000000-0000ffffffffffff 0123    rw ",
		" 0000000047000000-00000000470fffff 0123    rw     none / none\n"} {
		if !strings.Contains(tzc, want) {
			t.Errorf("no %q in\n%s", want, tzc)
		}
	}
	// A failure that the guest caused is shown.
	if _, resp := m.Port(bus.Attr{NSAID: bus.NSAIDDMA, ID: 0x50}).Load(protected+0x123458, 8); resp == bus.DECERR {
		t.Fatal("outside the range")
	}
	if _, resp := m.Port(bus.Attr{NSAID: bus.NSAIDDMA, ID: 0x50}).Load(protected+0x12340, 8); resp != bus.DECERR {
		t.Fatal(resp)
	}
	if got := mon.answer("info tzc"); !strings.Contains(got, "filter 0: gate open, failed: non-secure unprivileged read at 0x47012340, id 0x50\n") {
		t.Error(got)
	}
	if got := mon.answer("info mtree"); !strings.Contains(got, "0000000040000000-0000000047ffffff ram    ram       behind the firewall\n") ||
		!strings.Contains(got, "000000000e000000-000000000effffff ram    secram    secure only\n") ||
		!strings.Contains(got, "0000000009000000-0000000009000fff device pl011.0\n") {
		t.Error(got)
	}
	if got := mon.answer("info ffa"); !strings.Contains(got, "partition 0x8001") || !strings.Contains(got, "0x47000000") {
		t.Error(got)
	}
	// INTID 37, an SPI, is made pending and enabled by its registers (IHI 0069, 12.9: ISENABLER and ISPENDR).
	port := m.Port(bus.Attr{Secure: true, NSAID: bus.NSAIDAP})
	port.Store(platform.GICDBase+0x104, 4, 1<<5)
	port.Store(platform.GICDBase+0x204, 4, 1<<5)
	if got := mon.answer("info irq"); !strings.Contains(got, "\n   37 aff 0  group 1NS priority 80 enabled pending\n") {
		t.Error(got)
	}
	if got := mon.answer("info"); len(strings.Split(got, "\n")) != len(topics())+1 {
		t.Error(got)
	}
	if got := mon.answer("help"); len(strings.Split(got, "\n")) != len(commands())+1 {
		t.Error(got)
	}
	if got := mon.answer("? xp"); !strings.HasPrefix(got, "xp [/FMT] ADDRESS") || strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
	// Boards without the secure world have less to tell.
	bare := secureworld.DefaultConfig()
	bare.ABI, bare.Partitions, bare.TRNG, bare.TZASC.Enabled = 0, nil, false, false
	_, mon = newMonitor(t, func(c *platform.Config) {
		c.SecureWorld, c.TZASC, c.Firmware = platform.SecureNone, false, secureworld.New(bare)
	})
	if got := mon.answer("info tzc"); got != "info: tzc: the board has no TZC-400: -M tzasc=on adds it\n" {
		t.Error(got)
	}
	if got := mon.answer("info ffa"); !strings.Contains(got, "FF-A: not served") {
		t.Error(got)
	}
	if got := mon.answer("xp/1x 0x0e000000"); got != "000000000e000000: cannot be read: nothing answers\n" {
		t.Error(got)
	}
}

// The commands that act on the machine.
func TestControl(t *testing.T) {
	m, mon := newMonitor(t, nil)
	left := false
	mon.cfg.Quit = func() { left = true }
	for _, tc := range []struct {
		line    string
		stopped bool
	}{{"stop", true}, {"s", true}, {"c", false}, {"stop", true}, {"cont", false}, {"stop", true}} {
		if got := mon.answer(tc.line); got != "" || m.Stopped() != tc.stopped {
			t.Errorf("%s: %q, stopped %v", tc.line, got, m.Stopped())
		}
	}
	if got := mon.answer("info status"); got != "VM status: paused\nvirtual time 0 ns, 0 instructions\n" {
		t.Errorf("%q", got)
	}
	mon.answer("c")
	if got := mon.answer("info status"); !strings.HasPrefix(got, "VM status: running\n") {
		t.Errorf("%q", got)
	}
	mon.answer("system_powerdown")
	mon.answer("system_reset")
	if exit := m.Run(t.Context()); exit.Reason != platform.PoweredOff || m.Resets() != 2 {
		t.Errorf("%+v, %d resets", exit, m.Resets())
	}
	if got := mon.answer("info status"); !strings.HasSuffix(got, ", 1 resets\n") {
		t.Errorf("%q", got)
	}
	if mon.answer("q"); !left {
		t.Error("quit does nothing")
	}
}

// FuzzExecute: whatever a line is, there is an answer.
func FuzzExecute(f *testing.F) {
	for _, s := range []string{"x/8i $pc", "xp/3gx 0x09000000+4*2", "p/c ('a' + 1) % 0x20", "info registers -a", "info tzc", "help x", "cpu 1", "info gic", "p -~+$x1|3^4&5", "x /b"} {
		f.Add(s)
	}
	m, mon := newMonitor(f, nil)
	mon.cfg.Quit = func() {}
	var words []uint32
	for i := range uint32(1024) {
		words = append(words, i*2654435761)
	}
	put(f, m, scratch, words...)
	f.Fuzz(func(t *testing.T, line string) {
		if len(line) > 2*maxLine {
			return
		}
		if regexp.MustCompile(`\d{4}`).MatchString(line) && strings.Contains(line, "/") {
			return // counts that only take time
		}
		if got := mon.answer(line); got != "" && !strings.HasSuffix(got, "\n") {
			t.Errorf("%q: %q", line, got)
		}
	})
}

// Every word has a text and none breaks the disassembler.
func FuzzDisassemble(f *testing.F) {
	for _, w := range []uint32{0, 0xffffffff, 0xd503201f, 0x14000000, 0xd5384253} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w uint32) {
		if s := disassemble(0x1000, w, binary.LittleEndian.AppendUint32(nil, w)); s == "" || strings.Contains(s, "\n") {
			t.Errorf("%#x: %q", w, s)
		}
	})
}
