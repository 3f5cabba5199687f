package secureworld

import (
	"fmt"
	"runtime"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/firmware"
	"gatehouse/smc/optee"
)

// A world switch there and back: FFA_ID_GET.
func BenchmarkIDGet(b *testing.B) {
	r := newRig(b).negotiate(0x1_0002)
	regs := new(firmware.Registers)
	b.ReportAllocs()
	for b.Loop() {
		*regs = firmware.Registers{0: 0x8400_0069}
		r.w.SMC(firmware.Call{EL: 1}, regs)
	}
	if regs[0] != ffaSuccess {
		b.Fatal(regs)
	}
}

// A direct request to OP-TEE and its response.
func BenchmarkDirectRequest(b *testing.B) {
	r := newRig(b).negotiate(0x1_0002)
	regs := new(firmware.Registers)
	b.ReportAllocs()
	for b.Loop() {
		*regs = firmware.Registers{0x8400_006F, opteeID}
		r.w.SMC(firmware.Call{EL: 1}, regs)
	}
	if regs[0] != 0x8400_0070 {
		b.Fatal(regs)
	}
}

// Lending memory and taking it back, scrubbed, over both ABIs.
func BenchmarkLendReclaim(b *testing.B) {
	for _, size := range []uint64{4 << 10, 1 << 20, 16 << 20} {
		name := fmt.Sprintf("%dKiB", size>>10)
		b.Run("ffa/"+name, func(b *testing.B) {
			r := newRig(b).negotiate(0x1_0002)
			d := transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr, Pages: uint32(size / page)}).AppendTo(nil, ffa.Version1_2)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				r.write(txAddr, d)
				got := r.call(0xC400_0072, 112, 112)
				if got = r.call(0x8400_0077, got[2], got[3]); got[0] != ffaSuccess {
					b.Fatal(got)
				}
			}
		})
		b.Run("smc/"+name, func(b *testing.B) {
			r := newRig(b, func(c *Config) { c.ABI = ABISMC })
			lend, reclaim := lendArg(5, bufAddr, size, 1), cookieArg(optee.CmdReclaimProtmem, 5)
			l, c := lend.AppendTo(nil), reclaim.AppendTo(nil)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, m := range [][]byte{l, c} {
					r.write(argAddr, m)
					if got := r.call(0x3200_0012, 0, argAddr); got[0] != 0 {
						b.Fatal(got)
					}
				}
			}
			if a := r.argAt(argAddr); a.Ret != 0 {
				b.Fatal(a.Ret)
			}
		})
	}
}

// Sharing a buffer of 512 separate pages, in three fragments, and taking it back.
func BenchmarkShareFragments(b *testing.B) {
	const n = 512
	r := newRig(b).negotiate(0x1_0002)
	var pages []ffa.Constituent
	for i := range uint64(n) {
		pages = append(pages, ffa.Constituent{Address: bufAddr + 2*i*page, Pages: 1})
	}
	d := transaction(ffa.Share, 0, pages...).AppendTo(nil, ffa.Version1_2)
	b.ReportAllocs()
	for b.Loop() {
		r.write(txAddr, d[:page])
		got := r.call(0xC400_0073, uint64(len(d)), page)
		lo, hi := got[1], got[2]
		for off := page; off < len(d); off += page {
			rest := d[off:min(off+page, len(d))]
			r.write(txAddr, rest)
			got = r.call(0x8400_007B, lo, hi, uint64(len(rest)), 0)
		}
		if got[0] != ffaSuccess {
			b.Fatal(got)
		}
		if got = r.call(0x8400_0077, got[2], got[3]); got[0] != ffaSuccess {
			b.Fatal(got)
		}
	}
}

// Lending and taking back leaves nothing behind: after many cycles the heap is where it was. TestHeapStays runs a part of the
// million with -short.
func TestHeapStays(t *testing.T) {
	cycles := 1_000_000
	if testing.Short() {
		cycles = 20_000
	}
	r := newRig(t).negotiate(0x1_0002)
	d := transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr, Pages: 1}).AppendTo(nil, ffa.Version1_2)
	run := func(n int) {
		for range n {
			r.write(txAddr, d)
			got := r.call(0xC400_0072, 112, 112)
			if got = r.call(0x8400_0077, got[2], got[3]); got[0] != ffaSuccess {
				t.Fatal(got)
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	run(1000)
	before := heap()
	run(cycles)
	if after := heap(); after > before+64<<10 {
		t.Errorf("the heap grew from %d to %d bytes in %d cycles", before, after, cycles)
	}
}

// Granting a master access to a page of a pool and revoking it, with the controller that it reprograms. In the middle the pool falls
// apart, at an end it is cut once, and to all of it the grant changes one register.
func BenchmarkGrantRevoke(b *testing.B) {
	for _, w := range twoWays {
		for _, at := range []struct {
			name     string
			first, n uint64
		}{{"middle", 5, 1}, {"end", 0, 1}, {"whole", 0, 16}} {
			b.Run(w.name+"/"+at.name, func(b *testing.B) {
				c := newCaller(b, w)
				s, p := c.open(optee.GrantUUID()), c.demand(16)
				grant, revoke := grantArg(s, p.part(at.first, at.n), 4, rd|wr), revokeArg(s, p.part(at.first, at.n), 4, rd|wr)
				b.ReportAllocs()
				for b.Loop() {
					if c.call1(grant).Ret != 0 || c.call1(revoke).Ret != 0 {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
