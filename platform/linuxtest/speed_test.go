package linuxtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The benchmarks of this file measure Linux on this machine and, as far as QEMU can do it too, on QEMU's TCG side by side, in processes
// of their own. docs/scripts/speed.sh runs them. What they report are medians.

// side is one of the two programs, with the arguments that boot the kernel.
type side struct {
	name string
	args []string
}

// sides gives both, on one processor with the same kernel, initial RAM file system and command line. QEMU's part is left out where it
// is not installed.
func sides(b testing.TB, line string) []side {
	b.Helper()
	_, rd := images(b)
	dir := b.TempDir()
	initrd, self := filepath.Join(dir, "initrd"), filepath.Join(dir, "gatehouse")
	if err := os.WriteFile(initrd, rd, 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", self, "gatehouse/cmd/gatehouse").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	same := []string{"-kernel", kernelPath(), "-initrd", initrd, "-append", strings.TrimSpace("console=ttyAMA0 " + line), "-m", "256", "-smp", "1"}
	all := []side{{"gatehouse", append([]string{self, "boot", "-M", "virt,abi=ffa"}, same...)}}
	if path, err := exec.LookPath("qemu-system-aarch64"); err == nil {
		all = append(all, side{"qemu", append([]string{path, "-M", "virt,gic-version=3", "-cpu", "max", "-nographic", "-nic", "none"}, same...)})
	}
	return all
}

// process is one run of a side.
type process struct {
	b     testing.TB
	cmd   *exec.Cmd
	out   *bufio.Scanner
	in    interface{ Write([]byte) (int, error) }
	start time.Time
}

func (s side) start(b testing.TB) *process {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	p := &process{b: b, cmd: cmd, out: bufio.NewScanner(out), in: in, start: time.Now()}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return p
}

// until waits for a line with that prefix, and gives when it came.
func (p *process) until(prefix string) time.Time {
	p.b.Helper()
	for p.out.Scan() {
		if strings.HasPrefix(p.out.Text(), prefix) {
			return time.Now()
		}
	}
	p.b.Fatalf("%s ends without a line %q", p.cmd.Path, prefix)
	return time.Time{}
}

// end waits for the process to end, and gives when it did.
func (p *process) end() time.Time {
	p.b.Helper()
	for p.out.Scan() {
	}
	if err := p.cmd.Wait(); err != nil {
		p.b.Fatal(err)
	}
	return time.Now()
}

// samples are what was measured, by name.
type samples map[string][]float64

func (s samples) add(name string, v float64) { s[name] = append(s[name], v) }

// report gives the medians, in place of the time of an iteration.
func (s samples) report(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	for name, v := range s {
		slices.Sort(v)
		m := v[len(v)/2]
		if len(v)%2 == 0 {
			m = (m + v[len(v)/2-1]) / 2
		}
		b.ReportMetric(m, name)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// interleaved measures both sides in turn, so that what else the host does falls on both.
func interleaved(b *testing.B, all []side, once func(b *testing.B, s side, result samples)) {
	results := map[string]samples{}
	for _, s := range all {
		results[s.name] = samples{}
	}
	rounds := b.N
	for range rounds {
		for _, s := range all {
			once(b, s, results[s.name])
		}
	}
	flat := samples{}
	for name, r := range results {
		for unit, v := range r {
			flat[name+"-"+unit] = v
		}
	}
	flat.report(b)
}

// BenchmarkBoot is the time from the start of the process to the first line of /init, and to its end after the power-off.
func BenchmarkBoot(b *testing.B) {
	interleaved(b, sides(b, "gh.test=off"), func(b *testing.B, s side, r samples) {
		p := s.start(b)
		r.add("ms/init", milliseconds(p.until("INIT").Sub(p.start)))
		r.add("ms/off", milliseconds(p.end().Sub(p.start)))
	})
}

// BenchmarkMixed is the time of a program's workload in the guest: compression, hashes, sorting, floating point, system calls.
func BenchmarkMixed(b *testing.B) {
	interleaved(b, sides(b, "gh.test=mixed:10"), func(b *testing.B, s side, r samples) {
		p := s.start(b)
		from := p.until("BEGIN mixed")
		r.add("ms/mixed", milliseconds(p.until("END mixed").Sub(from)))
		p.end()
	})
}

// cost is what the guest's work between its lines BEGIN and END took.
type cost struct {
	wall, cpu time.Duration // of the host
	insns     uint64        // of the guest
}

// framed runs a test of the guest program in this process.
func framed(b *testing.B, where board, list string) cost {
	b.Helper()
	g := boot(b, where, "gh.test="+list, nil)
	defer g.m.Close()
	g.until("BEGIN ")
	from, cpu, retired := time.Now(), cpuTime(), g.m.Retired()
	g.until("END ")
	c := cost{time.Since(from), cpuTime() - cpu, g.m.Retired() - retired}
	g.ends()
	return c
}

// BenchmarkStart boots the kernel to the guest program and to power-off in this process, for profiles: the image is read already.
func BenchmarkStart(b *testing.B) {
	r := samples{}
	for range b.N {
		from := time.Now()
		g := boot(b, board{abi: ffaABI, cpus: 1}, "gh.test=off", nil)
		g.until("INIT")
		r.add("ms/init", milliseconds(time.Since(from)))
		g.ends()
		r.add("ms/off", milliseconds(time.Since(from)))
		r.add("million-insn", float64(g.m.Retired())/1e6)
		g.m.Close()
	}
	r.report(b)
}

// BenchmarkMixedRate is the rate of instructions of the same workload.
func BenchmarkMixedRate(b *testing.B) {
	r := samples{}
	for range b.N {
		c := framed(b, board{abi: ffaABI, cpus: 1}, "mixed:10")
		r.add("million-insn/s", float64(c.insns)/c.wall.Seconds()/1e6)
		r.add("million-insn/cpu-s", float64(c.insns)/c.cpu.Seconds()/1e6)
		r.add("million-insn", float64(c.insns)/1e6)
	}
	r.report(b)
}

// BenchmarkAlloc allocates and frees 1 MiB from the protected heap with nothing held: each time a pool is lent and reclaimed. The
// reference stack, QEMU with TF-A and OP-TEE, does 730 a second over FF-A and 810 over SMC, with about 190,000 guest instructions each.
func BenchmarkAlloc(b *testing.B) {
	const count = 2000
	for _, tc := range []struct {
		name  string
		board board
	}{
		{"ffa", board{abi: ffaABI, cpus: 1}},
		{"smc", board{abi: smcABI, cpus: 1}},
		{"smc-static", board{abi: smcABI, cpus: 1, carveout: 1 << 20}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			r := samples{}
			for range b.N {
				c := framed(b, tc.board, "alloc:"+strconv.Itoa(count))
				r.add("alloc/s", count/c.wall.Seconds())
				r.add("alloc/cpu-s", count/c.cpu.Seconds())
				r.add("insn/alloc", float64(c.insns)/count)
			}
			r.report(b)
		})
	}
}

// BenchmarkMemory is the peak of what the process holds beside the guest's memory, after a boot and all the tests of the guest program.
func BenchmarkMemory(b *testing.B) {
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		b.Skip("the host does not say what a process holds")
	}
	r := samples{}
	for range b.N {
		p := sides(b, "")[0].start(b)
		p.until("READY")
		fmt.Fprintln(p.in, "heap,sdp,sessions,threads")
		p.until("DONE ")
		peak, ram := resident(b, p.cmd.Process.Pid, ramSize)
		r.add("MiB-peak", float64(peak)/(1<<20))
		r.add("MiB-guest", float64(ram)/(1<<20))
		r.add("MiB-beside", float64(peak-ram)/(1<<20))
		fmt.Fprintln(p.in, "off")
		p.end()
	}
	r.report(b)
}

// resident gives the peak of a process's resident memory, and how much of that is in mappings of size bytes and more: those of the
// guest's memory, which the host joins with the empty ones of flash memory beside it.
func resident(b testing.TB, pid int, size uint64) (peak, mapping uint64) {
	b.Helper()
	field := func(line []byte) uint64 {
		f := bytes.Fields(line)
		if len(f) < 2 {
			b.Fatalf("no number in %q", line)
		}
		n, err := strconv.ParseUint(string(f[1]), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n << 10
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if bytes.HasPrefix(line, []byte("VmHWM:")) {
			peak = field(line)
		}
	}
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		b.Fatal(err)
	}
	is := false
	for line := range bytes.Lines(smaps) {
		switch {
		case bytes.HasPrefix(line, []byte("Size:")):
			is = field(line) >= size
		case is && bytes.HasPrefix(line, []byte("Rss:")):
			mapping += field(line)
		}
	}
	if mapping == 0 {
		b.Fatalf("no mapping of %d bytes", size)
	}
	return peak, mapping
}

// TestResident: at most 64 MiB of the process lie beside the guest's memory, whatever the guest does.
func TestResident(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		t.Skip("the host does not say what a process holds")
	}
	p := sides(t, "")[0].start(t)
	p.until("READY")
	fmt.Fprintln(p.in, "heap,sdp,sessions,threads,mixed")
	p.until("DONE ")
	peak, ram := resident(t, p.cmd.Process.Pid, ramSize)
	fmt.Fprintln(p.in, "off")
	p.end()
	if beside := peak - ram; beside > 64<<20 {
		t.Errorf("%d MiB beside %d MiB of the guest's memory", beside>>20, ram>>20)
	}
}
