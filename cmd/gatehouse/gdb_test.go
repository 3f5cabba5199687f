package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/images"
	"gatehouse/platform/monitor"
)

// socket gives a path for a unix socket: short, since their length is limited.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gdb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// background runs gatehouse while the test goes on. The function that it gives waits for the end.
func background(args ...string) (wait func() result) {
	var out, stderr bytes.Buffer
	status := make(chan int, 1)
	go func() { status <- run(args, nil, &out, &stderr) }()
	return func() result {
		s := <-status
		return result{s, out.String(), stderr.String()}
	}
}

// appears waits for a file.
func appears(t *testing.T, path string) {
	t.Helper()
	for range 3000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s never came", path)
}

// runGDB has GDB execute a script without an error, and gives what it prints.
func runGDB(t *testing.T, script string, args ...string) string {
	t.Helper()
	path := tempFile(t, "script.gdb", []byte("set pagination off\nset confirm off\nset width 0\nset style enabled off\nset debuginfod enabled off\n"+script))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gdb-multiarch", append([]string{"-nx", "-batch", "-x", path}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	return string(out)
}

// debuggable builds the bundled image smp with its symbols.
func debuggable(t *testing.T) string {
	t.Helper()
	needTool(t, "aarch64-linux-gnu-gcc")
	out := filepath.Join(t.TempDir(), "smp.elf")
	args := strings.Fields(`-std=gnu11 -march=armv8-a -mstrict-align -mno-outline-atomics -mgeneral-regs-only -ffreestanding -nostdlib -static
		-no-pie -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -O1 -fno-inline -g -Irt
		-Wl,--build-id=none,-z,max-page-size=4096,-T,rt/link.ld`)
	src := filepath.Join("..", "..", "images", "src")
	for _, pattern := range []string{"rt/*.c", "rt/*.S", "smp/*.c"} {
		list, err := filepath.Glob(filepath.Join(src, pattern))
		if err != nil || len(list) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range list {
			rel, err := filepath.Rel(src, f)
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, rel)
		}
	}
	cmd := exec.Command("aarch64-linux-gnu-gcc", append(args, "-o", out)...)
	cmd.Dir = src
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return out
}

// compared are registers that GDB and the monitor must agree on.
var compared = []string{"SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "VBAR_EL1", "ESR_EL1", "ELR_EL1", "SPSR_EL1", "SP_EL0", "SP_EL1", "TPIDR_EL1",
	"CNTVCT_EL0", "SCR_EL3", "SCTLR_EL3"}

// TestGDB debugs a bundled image with four processors from its first instruction to its end.
func TestGDB(t *testing.T) {
	needTool(t, "gdb-multiarch")
	elf, path := debuggable(t), socket(t)
	wait := background("boot", "-kernel", elf, "-smp", "4", "-S", "-gdb", "unix:"+path, "-timeout", "170s")
	appears(t, path)
	script := []string{
		"target remote " + path,
		"info threads",
		"break *print", // a software breakpoint, before anything has run
		"hbreak image_main",
		"continue",
		`printf "MAIN %d EL%d\n", $pc >= (long)&image_main && $pc < (long)&image_main + 64, $CurrentEL >> 2`,
		"continue",
		`printf "PRINT %d\n", $pc == (long)&print`,
		"set var $x1 = 7",           // a register
		"set var *(char *)$x0 = 67", // memory that the guest only reads
		"delete",
		// Steps are of one instruction.
		"set var $before = $pc",
		"stepi",
		`printf "STEP %d\n", $pc - $before`,
		// A watchpoint, which one of several processors meets.
		"watch locked_count",
		"continue",
		"continue",
		"delete",
		// Threads.
		"hbreak count",
		"continue",
		"info threads",
		"thread 3",
		`printf "THREAD3 %d\n", $MPIDR_EL1 & 0xff`,
		"thread 1",
		// The connection goes and comes again. What was set is gone.
		"disconnect",
		"target remote " + path,
		`printf "AGAIN %ld\n", locked_count`,
		"monitor cpu 0",
		"monitor info registers",
		"thread 1",
	}
	for i := range 31 {
		script = append(script, fmt.Sprintf(`printf "REG X%02d %%016lx\n", $x%d`, i, i))
	}
	script = append(script, `printf "REG SP %016lx\n", $sp`, `printf "REG PC %016lx\n", $pc`, `printf "REG PSTATE %08x\n", $cpsr`)
	for _, name := range compared {
		script = append(script, fmt.Sprintf(`printf "REG %s %%016lx\n", $%s`, name, name))
	}
	// Writing a system register takes effect, too.
	script = append(script, "set var $TPIDR_EL0 = 0x1234", "monitor p $tpidr_el0", `printf "TPIDR %lx\n", $TPIDR_EL0`, "detach")
	out := runGDB(t, strings.Join(script, "\n")+"\n", elf)
	for _, want := range []string{"MAIN 1 EL1", "PRINT 1", "STEP 4", "Old value = 0\nNew value = 5", "Old value = 5\nNew value = 10", "THREAD3 2", "AGAIN ",
		"0x1234", "TPIDR 1234", "Thread 4 (CPU#3 EL"} {
		if !strings.Contains(out, want) {
			t.Errorf("GDB does not print %q", want)
		}
	}
	// What the monitor says stands as NAME=VALUE.
	said := map[string]string{}
	for _, f := range regexp.MustCompile(`\b([A-Z][A-Z0-9_a-z]*)=([0-9a-f]+)`).FindAllStringSubmatch(out, -1) {
		said[f[1]] = f[2]
	}
	seen := 0
	for _, f := range regexp.MustCompile(`(?m)^REG (\w+) ([0-9a-f]+)$`).FindAllStringSubmatch(out, -1) {
		seen++
		if said[f[1]] != f[2] {
			t.Errorf("%s: GDB %s, monitor %s", f[1], f[2], said[f[1]])
		}
	}
	if seen != 34+len(compared) {
		t.Errorf("%d registers", seen)
	}
	r := wait()
	img, err := images.Get("smp")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(img.Expect, "cpus 4\n", "Cpus 7\n", 1); r != (result{stdout: want}) {
		t.Errorf("%+v", r)
	}
	if t.Failed() {
		t.Log(out)
	}
}

// monitorClient talks to a monitor on a socket.
type monitorClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dialMonitor(t *testing.T, path string) *monitorClient {
	t.Helper()
	appears(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	m := &monitorClient{t, conn, bufio.NewReader(conn)}
	m.answer()
	return m
}

// answer reads up to the next prompt.
func (m *monitorClient) answer() string {
	m.t.Helper()
	var b []byte
	for !bytes.HasSuffix(b, []byte(monitor.Prompt)) {
		c, err := m.r.ReadByte()
		if err != nil {
			m.t.Fatalf("%v after %q", err, b)
		}
		b = append(b, c)
	}
	return strings.TrimSuffix(string(b), monitor.Prompt)
}

func (m *monitorClient) call(line string) string {
	m.t.Helper()
	if _, err := io.WriteString(m.conn, line+"\n"); err != nil {
		m.t.Fatal(err)
	}
	return m.answer()
}

// sharedKernel gives a Linux kernel that stands beside the repository, or skips.
func sharedKernel(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "linux", "Image.gz")
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// TestGDBLinux stops Linux at its first instruction and, by a breakpoint that was set before the MMU was on, in its exception
// vectors at their virtual address.
func TestGDBLinux(t *testing.T) {
	needTool(t, "gdb-multiarch")
	kernel := sharedKernel(t)
	args := []string{"boot", "-kernel", kernel, "-m", "512M", "-smp", "4", "-append", "nokaslr", "-serial", "none", "-timeout", "170s"}

	// Where the vectors are, a first boot tells.
	path := socket(t)
	wait := background(append(args, "-monitor", "unix:"+path)...)
	m := dialMonitor(t, path)
	vectors := uint64(0)
	for vectors>>48 != 0xffff {
		v, err := strconv.ParseUint(strings.TrimSpace(m.call("p $VBAR_EL1")), 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		vectors = v
	}
	if _, err := io.WriteString(m.conn, "quit\n"); err != nil {
		t.Fatal(err)
	}
	if r := wait(); r.status != statusOK {
		t.Fatalf("%+v", r)
	}
	vector := vectors + 0x280 // IRQ from the current exception level with SP_ELx

	// The second word of an Image branches to primary_entry (Linux, booting.rst: code1); it is loaded at its text_offset, 2 MiB
	// further where that is 0, as QEMU does.
	f, err := os.Open(kernel)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var header [64]byte
	if _, err := io.ReadFull(z, header[:]); err != nil {
		t.Fatal(err)
	}
	branch := binary.LittleEndian.Uint32(header[4:])
	if branch>>26 != 5 || binary.LittleEndian.Uint64(header[8:]) != 0 {
		t.Fatalf("another header: % x", header)
	}
	entry := 0x40200004 + uint64(int64(int32(branch<<6)>>4))

	path = socket(t)
	wait = background(append(args, "-S", "-gdb", "unix:"+path)...)
	appears(t, path)
	out := runGDB(t, strings.Join([]string{
		"set architecture aarch64",
		"target remote " + path,
		fmt.Sprintf("break *%#x", vector),
		fmt.Sprintf("hbreak *%#x", entry),
		"continue",
		`printf "ENTRY %lx mmu %d\n", $pc, $SCTLR_EL1 & 1`,
		"continue",
		`printf "VECTOR %lx mmu %d vbar %lx\n", $pc, $SCTLR_EL1 & 1, $VBAR_EL1`,
		"x/i $pc",
		"info threads",
		"delete",
		"stepi",
		fmt.Sprintf(`printf "STEPPED %%d\n", $pc - %#x`, vector),
		"monitor info status",
		"kill",
	}, "\n"))
	for _, want := range []string{fmt.Sprintf("ENTRY %x mmu 0", entry), fmt.Sprintf("VECTOR %x mmu 1 vbar %x", vector, vectors), "STEPPED 4", "VM status: paused",
		"Thread 4 (CPU#3"} {
		if !strings.Contains(out, want) {
			t.Errorf("GDB does not print %q", want)
		}
	}
	if r := wait(); r.status != statusOK || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	if t.Failed() {
		t.Log(out)
	}
}

// The spellings of the addresses; the guest runs once the debugger lets it, and hears nothing of a debugger that never comes.
func TestGDBAddress(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	path := socket(t)
	for _, address := range []string{fmt.Sprintf("tcp::%d", port), fmt.Sprintf(":%d", port), fmt.Sprintf("localhost:%d", port),
		fmt.Sprintf("tcp:127.0.0.1:%d,server,nowait", port), "unix:" + path, "none"} {
		if r := gatehouse("boot", "-kernel", "image:hello", "-gdb", address); r != (result{stdout: "Hello from the normal world\n"}) {
			t.Errorf("%s: %+v", address, r)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
	// A socket that an earlier run left behind is in nobody's way; one that is in use is.
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if r := gatehouse("boot", "-kernel", "image:hello", "-gdb", "unix:"+path); r.status != statusOK {
		t.Errorf("%+v", r)
	}
	used, err := net.Listen("tcp", fmt.Sprintf("localhost:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	address := used.Addr().String()
	gatehouse("boot", "-kernel", "image:hello", "-gdb", address).refused(t, "-gdb "+address)
	if r := gatehouse("boot", "-kernel", "image:hello", "-S", "-timeout", "300ms"); r.status != statusTimeout || r.stdout != "" {
		t.Errorf("-S: %+v", r)
	}
}

// TestGDBLikeQEMU has GDB execute one script here and on QEMU: steps, registers, memory, breakpoints and watchpoints come out the
// same.
func TestGDBLikeQEMU(t *testing.T) {
	needTool(t, "gdb-multiarch", "qemu-system-aarch64")
	elf := debuggable(t)
	state := `printf "pc %lx sp %lx cpsr %x`
	args := ", $pc, $sp, $cpsr"
	for i := range 31 {
		state += fmt.Sprintf(" x%d %%lx", i)
		args += fmt.Sprintf(", $x%d", i)
	}
	state += `\n"` + args
	script := []string{"x/4i $pc", "x/8xw $pc", "p/x $x0", "p $v0.q.u"}
	// Steps in the assembly at the beginning and in C, a variable by its address and by its watchpoint, a finished function.
	for range 40 {
		script = append(script, "stepi", state)
	}
	script = append(script, "break image_main", "continue", "p $pc", "p $sp", "delete", "next", "next", "bt 2", "tbreak print", "continue", "info args", "x/s format", "finish", "info breakpoints",
		"watch locked_count if locked_count >= 15", "continue", "x/6i $pc - 12", "p locked_count", "delete",
		"set var lse_count = 77", "p lse_count", "x/2xw &lse_count", "set var $x7 = 0x1122334455667788", "p/x $x7", "set var $v1.d.u[0] = 5", "p $v1.d.u",
		"kill")
	run := func(path string) string {
		appears(t, path)
		lines := append([]string{"target remote " + path}, script...)
		text := runGDB(t, strings.Join(lines, "\n")+"\n", elf)
		// QEMU numbers its processes.
		return strings.Replace(text, "(process 1)", "(Remote target)", 1)
	}
	here := socket(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	wait := background("boot", "-kernel", elf, "-M", "virt,secure-world=none", "-smp", "1", "-S", "-gdb", "unix:"+here, "-timeout", "100s", "-monitor", "none")
	got := run(here)
	if r := wait(); r.status != statusOK {
		t.Errorf("%+v", r)
	}
	there := socket(t)
	qemu := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "max,pauth=off,sve=off", "-display", "none", "-nic", "none", "-monitor", "none", "-serial", "none", "-kernel", elf, "-S",
		"-gdb", "unix:"+there+",server=on,wait=off")
	if err := qemu.Start(); err != nil {
		t.Fatal(err)
	}
	want := run(there)
	cancel()
	_ = qemu.Wait()
	if got != want {
		t.Error(difference(got, want))
	}
	if n := strings.Count(got, "\n"); n < 100 {
		t.Errorf("%d lines\n%s", n, got)
	}
}
