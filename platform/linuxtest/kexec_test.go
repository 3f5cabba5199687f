package linuxtest

import (
	"bytes"
	"testing"

	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/platform/loader"
	"gatehouse/smc"
)

// kexec starts the kernel anew without a reset, as kexec does once the old kernel is out of the way: memory is loaded again, the
// processor that ran the old kernel is switched off and the second one begins at the entry. The secure world sees calls of PSCI only,
// and keeps what it knows. The old kernel must have used no more than the first processor.
func (g *guest) kexec() {
	g.t.Helper()
	k, rd := images(g.t)
	ram := loader.Range{Base: platform.RAMBase, Size: ramSize}
	dtb := g.m.DTB()
	place, err := k.Place(ram, uint64(len(rd)), uint64(len(dtb)))
	if err != nil {
		g.t.Fatal(err)
	}
	call := func(f smc.Function, args ...uint64) uint64 {
		var r firmware.Registers
		r[0] = uint64(f)
		copy(r[1:], args)
		g.m.Conduit().SMC(&r)
		return r[0]
	}
	ap := g.m.Port(apAttr)
	for _, s := range k.Segments {
		must(g.t, ap.Zero(s.Addr, (s.MemSize+bus.PageSize-1)&^(bus.PageSize-1)))
		must(g.t, ap.Write(s.Addr, s.Data))
	}
	must(g.t, ap.Write(place.Initrd.Base, rd))
	must(g.t, ap.Write(place.DTB.Base, dtb))
	if r := call(smc.PSCICPUOn64, 1, k.Entry, place.DTB.Base); r != 0 {
		g.t.Fatalf("CPU_ON: %#x", r)
	}
	call(smc.PSCICPUOff)
}

// TestKexec boots a second kernel on what the first one left behind. Where the first kernel unbound its drivers all works again. Where
// it did not, its RX/TX buffers are still mapped and its cookies still name its buffers, so that the second kernel is refused what it
// asks for under the same names and does without (DEN0077A, FFA_RXTX_MAP: DENIED; REGISTER_SHM: BAD_PARAMETERS), until a reset.
func TestKexec(t *testing.T) {
	images(t)
	const tests = "version,heap,sdp,sessions:100,threads:400,notify"
	for _, tc := range []struct {
		name   string
		board  board
		unbind bool
	}{
		{"smc", board{abi: smcABI, cpus: 2}, true},
		{"smc static", board{abi: smcABI, cpus: 2, carveout: 1 << 20}, true},
		{"smc bound", board{abi: smcABI, cpus: 2}, false},
		{"ffa", board{abi: ffaABI, cpus: 2}, true},
		{"ffa bound", board{abi: ffaABI, cpus: 2}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			g := boot(t, tc.board, "maxcpus=1", nil)
			g.until("READY")
			g.do(tests)
			if tc.unbind {
				g.do("unbind")
			}
			from := len(g.log)
			g.kexec()
			g.until("READY")
			if !bytes.Contains(g.log[from:], []byte("Booting Linux on physical CPU 0x0000000001")) || g.m.Resets() != 1 {
				t.Errorf("no second kernel: %d resets", g.m.Resets())
			}
			if tc.unbind {
				g.do(tests)
			} else if tc.board.abi == ffaABI && bytes.Contains(g.log[from:], []byte("optee: initialized")) {
				t.Error("a mapping that should be refused was not")
			}
			g.say("restart")
			g.until("READY")
			if g.m.Resets() != 2 {
				t.Errorf("%d resets", g.m.Resets())
			}
			g.do(tests)
			g.off()
		})
	}
}
