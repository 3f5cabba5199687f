package secureworld

import (
	"fmt"
	"slices"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/bus"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/spmc"
	"gatehouse/smc/optee"
)

// What Linux 7.2 sends when its FF-A driver is loaded, register by register.
func TestLinuxTransportProbe(t *testing.T) {
	r := newRig(t)
	r.want("VERSION", []uint64{0x8400_0063, 0x1_0002}, []uint64{0x1_0002, 0x1_0002})
	r.want("ID_GET", []uint64{0x8400_0069}, []uint64{ffaSuccess, 0, 0})
	r.want("FEATURES(RXTX_MAP)", []uint64{0x8400_0064, 0xC400_0066}, []uint64{ffaSuccess, 0, 0})
	r.want("RXTX_MAP", []uint64{0xC400_0066, txAddr, rxAddr, 1}, []uint64{ffaSuccess})
	r.want("FEATURES(MEM_LEND)", []uint64{0x8400_0064, 0xC400_0072}, []uint64{ffaSuccess})
	r.want("FEATURES(DIRECT_REQ2)", []uint64{0x8400_0064, 0xC400_008D}, []uint64{ffaSuccess})
	r.want("FEATURES(NOTIFICATION_BITMAP_CREATE)", []uint64{0x8400_0064, 0x8400_007D}, []uint64{ffaSuccess})
	r.want("NOTIFICATION_BITMAP_CREATE", []uint64{0x8400_007D, 0, 4}, []uint64{ffaSuccess})
	r.want("FEATURES(SRI)", []uint64{0x8400_0064, 2}, []uint64{ffaSuccess, 0, 8})
	r.want("FEATURES(NPI)", []uint64{0x8400_0064, 1}, []uint64{ffaError, 0, notSupported})
	r.want("FEATURES(PARTITION_INFO_GET_REGS)", []uint64{0x8400_0064, 0xC400_008B}, []uint64{ffaSuccess})
	// One partition: last index 0, current index 0, 24 bytes. 4 contexts, AArch64, receives direct requests.
	got := r.call(0xC400_008B, 0, 0, 0)
	want := firmware.Registers{0xC400_0061, 0, 24 << 48, 0x8001 | 4<<16 | 0x101<<32, 0xe311f8e7_e0786148, 0x1bc5d5a5_02005ebc}
	if got != want {
		t.Errorf("PARTITION_INFO_GET_REGS: %x, want %x", got, want)
	}
}

func TestVersion(t *testing.T) {
	for _, tc := range []struct{ asked, answer, agreed uint64 }{
		{0x1_0000, 0x1_0002, 0x1_0000}, {0x1_0001, 0x1_0002, 0x1_0001}, {0x1_0002, 0x1_0002, 0x1_0002},
		{0x1_0003, 0x1_0002, 0x1_0002}, {0x1_FFFF, 0x1_0002, 0x1_0002},
		{0xFFFF_FFFF_0001_0001, 0x1_0002, 0x1_0001}, // 32-bit call
		{0, notSupported, 0}, {0x0_0005, notSupported, 0}, {0x2_0000, notSupported, 0}, {0x8001_0000, notSupported, 0}, {notSupported, notSupported, 0},
	} {
		r := newRig(t)
		if got := callX0(t, r.w, firmware.Call{EL: 2}, 0x8400_0063, tc.asked); got != tc.answer {
			t.Errorf("VERSION(%#x) = %#x, want %#x", tc.asked, got, tc.answer)
		}
		if tc.agreed == 0 {
			r.refused("ID_GET before a version is agreed on", notSupported, 0x8400_0069)
			if got := r.call(0x8400_0063, 0x1_0001); got[0] != 0x1_0002 {
				t.Errorf("VERSION(1.1) after a refused one: %#x", got[0])
			}
			continue
		}
		// Before another call it may be asked again; afterwards it is what it is.
		r.call(0x8400_0063, 0x1_0001)
		r.call(0x8400_0063, tc.asked)
		r.want("ID_GET", []uint64{0x8400_0069}, []uint64{ffaSuccess})
		for _, again := range []uint64{0x1_0000, 0x1_0001, 0x1_0002, 0x1_0007} {
			if got := r.call(0x8400_0063, again); got[0] != tc.agreed {
				t.Errorf("VERSION(%#x) after %#x was agreed on: %#x", again, tc.agreed, got[0])
			}
		}
		if got := r.call(0x8400_0063, 0x2_0000); got[0] != notSupported {
			t.Errorf("VERSION(2.0) after %#x was agreed on: %#x", tc.agreed, got[0])
		}
	}
}

// Every function identifier of FF-A's range, at each version: what FEATURES reports, and that what it does not report is
// refused.
func TestFeaturesAndRefusals(t *testing.T) {
	since := map[uint64]uint64{}
	for _, f := range []uint64{
		0x8400_0060, 0x8400_0061, 0xC400_0061, 0x8400_0062, 0x8400_0063, 0x8400_0064, 0x8400_0065, 0x8400_0066, 0xC400_0066,
		0x8400_0067, 0x8400_0068, 0x8400_0069, 0x8400_006D, 0x8400_006F, 0xC400_006F, 0x8400_0070, 0xC400_0070,
		0x8400_0071, 0xC400_0071, 0x8400_0072, 0xC400_0072, 0x8400_0073, 0xC400_0073, 0x8400_0074, 0xC400_0074, 0x8400_0075,
		0x8400_0076, 0x8400_0077, 0x8400_0078, 0x8400_0079, 0x8400_007A, 0x8400_007B,
	} {
		since[f] = 0x1_0000
	}
	for _, f := range []uint64{
		0x8400_007D, 0x8400_007E, 0x8400_007F, 0x8400_0080, 0x8400_0081, 0x8400_0082, 0x8400_0083, 0xC400_0083, 0x8400_0085, 0x8400_0086,
	} {
		since[f] = 0x1_0001
	}
	for _, f := range []uint64{0xC400_008B, 0xC400_008D, 0xC400_008E} {
		since[f] = 0x1_0002
	}
	// What the SPMC only answers with; called, it is refused.
	answers := []uint64{0x8400_0060, 0x8400_0061, 0xC400_0061, 0x8400_0062, 0x8400_0070, 0xC400_0070, 0xC400_008E, 0x8400_0075, 0x8400_0078}
	for _, v := range []uint64{0x1_0000, 0x1_0001, 0x1_0002} {
		r := newRig(t).negotiate(v)
		for n := uint64(0x60); n <= 0x97; n++ {
			for _, f := range []uint64{0x8400_0000 + n, 0xC400_0000 + n} {
				code := uint64(ffaSuccess)
				if s := since[f]; s == 0 || s > v {
					code = ffaError
				}
				in := uint64(0)
				if f&^0x4000_0000 == 0x8400_0074 {
					in = 2 // see TestRetrieveFeatures
				}
				if got := r.call(0x8400_0064, f, in); got[0] != code || code == ffaError && got[2] != notSupported {
					t.Errorf("version %#x: FEATURES(%#x): %x, want %#x", v, f, got[:3], code)
				}
				if code == ffaError || slices.Contains(answers, f) {
					r.refused(fmt.Sprintf("version %#x", v), notSupported, f)
				}
			}
		}
		for _, id := range []uint64{0, 1, 3, 4, 5, 0x102, 0x7FFF_FFFF} {
			r.refused("feature id", notSupported, 0x8400_0064, id)
		}
		if v == 0x1_0000 {
			r.refused("SRI, before there are notifications", notSupported, 0x8400_0064, 2)
		} else {
			r.want("SRI", []uint64{0x8400_0064, 2}, []uint64{ffaSuccess, 0, 8})
			r.refused("SRI with properties", notSupported, 0x8400_0064, 2, 1)
		}
		r.refused("properties of a function that has none", notSupported, 0x8400_0064, 0xC400_0073, 1)
		r.refused("FEATURES of a PSCI function", notSupported, 0x8400_0064, 0x8400_0000)
	}
}

func TestWithoutFFA(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"abi=smc":       func(c *Config) { c.ABI = ABISMC },
		"no partitions": func(c *Config) { c.Partitions = nil },
	} {
		r := newRig(t, change)
		if got := r.call(0x8400_0063, 0x1_0002); got[0] != notSupported {
			t.Errorf("%s: VERSION = %#x, want NOT_SUPPORTED", name, got[0])
		}
		for _, f := range []uint64{0x8400_0069, 0xC400_0066, 0x8400_0091, 0xC400_0097} {
			r.refused(name, notSupported, f)
		}
	}
}

func TestIDs(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SPMC = 0x8123 }).negotiate(0x1_0001)
	r.want("SPM_ID_GET", []uint64{0x8400_0085}, []uint64{ffaSuccess, 0, 0x8123})
	// The SVE hint is no part of the identifier.
	r.want("ID_GET with the SVE hint", []uint64{0x8401_0069}, []uint64{ffaSuccess, 0, 0})
}

func TestBuffers(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Carveout = memory.Range{Base: ramBase + 0x80_0000, Size: 0x10_0000}
		c.SecureRAM = memory.Range{Base: ramBase + 0xA0_0000, Size: 0x10_0000}
	})
	if got := r.call(0x8400_0063, 0x1_0002); got[0] != 0x1_0002 {
		t.Fatal(got)
	}
	const tx, rx = txAddr, rxAddr
	r.call(0x8400_0069) // the version is final from here on
	r.refused("UNMAP of nothing", invalid, 0x8400_0067)
	for _, tc := range []struct {
		name        string
		tx, rx, cnt uint64
	}{
		{"no pages", tx, rx, 0}, {"reserved bits", tx, rx, 1 | 1<<6}, {"high reserved bits", tx, rx, 0x1_0001},
		{"tx misaligned", tx + 0x800, rx + page, 1}, {"rx misaligned", tx, rx + 1, 1}, {"same page", tx, tx, 1},
		{"overlap", tx, tx + page, 2}, {"device", 0x0900_0000, rx, 1}, {"controller", tx, tzcBase, 1}, {"unmapped", 0, rx, 1},
		{"above memory", tx, ramBase + ramSize, 1}, {"across the end", tx, ramBase + ramSize - page, 2},
		{"wraps", tx, ^uint64(page - 1), 1}, {"wild", 0x8000_0000_0000_0000, rx, 1},
	} {
		r.refused("RXTX_MAP: "+tc.name, invalid, 0xC400_0066, tc.tx, tc.rx, tc.cnt)
	}
	r.refused("RXTX_MAP: carve-out", denied, 0xC400_0066, ramBase+0x80_0000, rx, 1)
	r.refused("RXTX_MAP: secure memory", denied, 0xC400_0066, tx, ramBase+0xAF_F000, 1)
	r.refused("RX_RELEASE without buffers", denied, 0x8400_0065)
	r.refused("PARTITION_INFO_GET without buffers", busy, 0x8400_0068)
	r.refused("MEM_SHARE without buffers", invalid, 0xC400_0073, 112, 112)
	// A 32-bit call has the low halves of its arguments only.
	r.want("RXTX_MAP", []uint64{0x8400_0066, 0xFFFF_FFFF_0000_0000 | tx, 1<<63 | rx, 1}, []uint64{ffaSuccess, 0, 0, 0})
	r.refused("RXTX_MAP again", denied, 0xC400_0066, tx+0x10_0000, rx+0x10_0000, 1)
	// The buffers are shared with the SPMC: they cannot become anything else.
	for _, kind := range []ffa.TransactionKind{ffa.Share, ffa.Lend} {
		for _, addr := range []uint64{tx, rx} {
			b := transaction(kind, 1, ffa.Constituent{Address: addr, Pages: 1}).AppendTo(nil, ffa.Version1_2)
			r.write(tx, b)
			r.refused("send of a mapped buffer", denied, sendCall(kind), 112, 112)
		}
	}
	r.refused("UNMAP for a VM", invalid, 0x8400_0067, 5<<16)
	r.want("UNMAP", []uint64{0x8400_0067}, []uint64{ffaSuccess, 0})
	r.refused("UNMAP again", invalid, 0x8400_0067)
	r.want("RXTX_MAP of 63 pages", []uint64{0xC400_0066, ramBase + 0x10_0000, ramBase + 0x20_0000, 63}, []uint64{ffaSuccess, 0, 0, 0})
}

// partitions is a configuration with n partitions beside OP-TEE, of three protocols.
func partitions(n int, p func() spmc.Partition) func(*Config) {
	return func(c *Config) {
		for i := range n {
			id := ffa.EndpointID(0x8100 + i)
			u := ffa.UUID{0: 0xAA, 15: byte(i % 3)}
			c.Partitions = append(c.Partitions, Partition{ID: id, UUIDs: []ffa.UUID{u}, Contexts: uint16(i + 1),
				Properties: ffa.PropReceivesDirectReq | ffa.PropReceivesDirectReq2 | ffa.PropNotifications | ffa.PropLiveActivation, New: p})
		}
	}
}

func newEcho() spmc.Partition { return new(echo) }

func TestPartitionInfoGet(t *testing.T) {
	for _, tc := range []struct {
		version, size uint64
		props         uint32 // of a test partition
	}{{0x1_0000, 0, 0x1}, {0x1_0001, 24, 0x9}, {0x1_0002, 24, 0x209}} {
		r := newRig(t, partitions(11, newEcho)).negotiate(tc.version)
		width := max(int(tc.size), 8)
		r.want("all", []uint64{0x8400_0068}, []uint64{ffaSuccess, 0, 12, tc.size})
		r.refused("RX is full", busy, 0x8400_0068)
		b := r.read(rxAddr, 12*width)
		if w := words32(b); w[0] != 0x0004_8001 || w[width/4] != 0x0001_8100 || w[width/4+1] != tc.props || w[11*width/4] != 0x000B_810A {
			t.Errorf("version %#x: descriptors % x", tc.version, b)
		}
		if width == 24 && (w0(b[8:]) != 0xe0786148 || b[24+8] != 0xAA) {
			t.Errorf("UUIDs: % x", b[:48])
		}
		r.want("RX_RELEASE", []uint64{0x8400_0065}, []uint64{ffaSuccess})
		r.refused("RX_RELEASE again", denied, 0x8400_0065)
		r.refused("RX_RELEASE for a VM", invalid, 0x8400_0065, 1)
		r.want("OP-TEE", []uint64{0x8400_0068, 0xe0786148, 0xe311f8e7, 0x02005ebc, 0x1bc5d5a5}, []uint64{ffaSuccess, 0, 1, tc.size, 0})
		r.call(0x8400_0065)
		r.want("a protocol of four", []uint64{0x8400_0068, 0xAA, 0, 0, 1 << 24}, []uint64{ffaSuccess, 0, 4, tc.size, 0})
		r.call(0x8400_0065)
		r.refused("nobody", invalid, 0x8400_0068, 0xAB)
		r.refused("unknown flag", invalid, 0x8400_0068, 0, 0, 0, 0, 2)
		if tc.version == 0x1_0000 {
			r.refused("a count, for version 1.0", invalid, 0x8400_0068, 0, 0, 0, 0, 1)
		} else {
			r.want("count", []uint64{0x8400_0068, 0, 0, 0, 0, 1}, []uint64{ffaSuccess, 0, 12, 0, 0, 0})
			r.refused("count of nobody", invalid, 0x8400_0068, 0xAB, 0, 0, 0, 1)
		}
	}
}

func w0(b []byte) uint32 { return words32(b[:4])[0] }

// More partitions than RX holds.
func TestPartitionInfoNoSpace(t *testing.T) {
	r := newRig(t, partitions(171, newEcho)).negotiate(0x1_0002)
	r.refused("4128 bytes of descriptors", noMemory, 0x8400_0068)
	r.want("count", []uint64{0x8400_0068, 0, 0, 0, 0, 1}, []uint64{ffaSuccess, 0, 172, 0, 0, 0})
}

func TestPartitionInfoGetRegs(t *testing.T) {
	r := newRig(t, partitions(11, newEcho)).negotiate(0x1_0002)
	var ids []uint64
	for start := uint64(0); start < 12; {
		got := r.call(0xC400_008B, 0, 0, start)
		if got[0] != 0xC400_0061 || got[2]&0xFFFF != 11 || got[2]>>48 != 24 {
			t.Fatalf("start %d: %x", start, got)
		}
		current := got[2] >> 16 & 0xFFFF
		for i := start; i <= current; i++ {
			ids = append(ids, got[3+3*(i-start)]&0xFFFF)
		}
		start = current + 1
	}
	want := []uint64{0x8001}
	for i := range uint64(11) {
		want = append(want, 0x8100+i)
	}
	if !slices.Equal(ids, want) {
		t.Errorf("ids %x, want %x", ids, want)
	}
	if got := r.call(0xC400_008B, 0xAA, 1<<56, 0); got[2] != 3|3<<16|24<<48 || got[3]&0xFFFF != 0x8101 || got[12]&0xFFFF != 0x810A {
		t.Errorf("a protocol of four: %x", got)
	}
	r.refused("start beyond the end", invalid, 0xC400_008B, 0, 0, 12)
	r.refused("nobody", invalid, 0xC400_008B, 0xAB, 0, 0)
	r.refused("another tag", retry, 0xC400_008B, 0, 0, 5|1<<16)
	r.refused("a tag on the first call", invalid, 0xC400_008B, 0, 0, 1<<16)
}

// echo is a partition that answers with what it was sent, plus one, and takes any memory.
type echo struct {
	services spmc.Services
	access   memory.Access
	fail     error
}

func (e *echo) Start(s spmc.Services) { e.services = s }

func (e *echo) Direct(_ ffa.EndpointID, p [5]uint64) ([5]uint64, error) {
	for i := range p {
		p[i]++
	}
	return p, e.fail
}

func (e *echo) Direct2(_ ffa.EndpointID, _ ffa.UUID, p [14]uint64) ([14]uint64, error) {
	for i := range p {
		p[i]++
	}
	return p, e.fail
}

func (e *echo) Offer(o *spmc.Offer) (memory.Access, error) {
	return e.access, e.fail
}

func TestDirectMessages(t *testing.T) {
	e := new(echo)
	r := newRig(t, partitions(1, func() spmc.Partition { return e }), func(c *Config) {
		c.Partitions = append(c.Partitions, Partition{ID: 0x9000, UUIDs: []ffa.UUID{{1}}, New: newEcho}) // receives nothing
	}).negotiate(0x1_0002)
	r.want("REQ_32", []uint64{0x8400_006F, 0x8100, 0, 1, 2, 0xFFFF_FFFF, 4, 0x7_0000_0005}, []uint64{0x8400_0070, 0x8100 << 16, 0, 2, 3, 0, 5, 6})
	r.want("REQ_64", []uint64{0xC400_006F, 0x8100, 0, 1, 2, 0xFFFF_FFFF, 4, 0x7_0000_0005}, []uint64{0xC400_0070, 0x8100 << 16, 0, 2, 3, 0x1_0000_0000, 5, 0x7_0000_0006})
	req2 := []uint64{0xC400_008D, 0x8100, 0xAA, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	want := slices.Clone(req2)
	want[0], want[1], want[2] = 0xC400_008E, 0x8100<<16, 0
	for i := 4; i < 18; i++ {
		want[i]++
	}
	r.want("REQ2", req2, want)
	req2[2] = 0
	r.want("REQ2 to the nil UUID", req2, want)
	req2[2] = 0xAB
	r.refused("REQ2 to an unknown UUID", invalid, req2...)
	for _, f := range []uint64{0x8400_006F, 0xC400_006F, 0xC400_008D} {
		r.refused("unknown destination", invalid, f, 0x8101)
		r.refused("the SPMC as destination", invalid, f, 0x8000)
		r.refused("destination is the source", invalid, f, 0)
		r.refused("source is a VM", invalid, f, 5<<16|0x8100)
		r.refused("source is secure", invalid, f, 0x8001<<16|0x8100)
		r.refused("receives none", denied, f, 0x9000)
	}
	r.refused("OP-TEE takes no REQ2", denied, 0xC400_008D, 0x8001)
	r.refused("reserved flag", invalid, 0x8400_006F, 0x8100, 1)
	r.refused("framework message", invalid, 0x8400_006F, 0x8100, 1<<31|8)
	e.fail = ffa.Busy
	r.refused("the partition refuses", busy, 0x8400_006F, 0x8100)
	r.refused("the partition refuses", busy, 0xC400_008D, 0x8100)
	r.refused("RUN of nobody", invalid, 0x8400_006D, 0x8101<<16)
	r.refused("RUN of a context that does not exist", invalid, 0x8400_006D, 0x8100<<16|1)
	r.refused("RUN of a context that waits for nothing", denied, 0x8400_006D, 0x8100<<16)
}

// The sizes of descriptors with one receiver and one range (DEN0140): 80, 96 and 112 bytes.
func TestShareLendReclaim(t *testing.T) {
	for v, size := range map[ffa.Version]int{ffa.Version1_0: 80, ffa.Version1_1: 96, ffa.Version1_2: 112} {
		r := newRig(t).negotiate(uint64(v))
		share := transaction(ffa.Share, 0, ffa.Constituent{Address: bufAddr, Pages: 3})
		if n := share.Length(v); n != size {
			t.Fatalf("version %v: %d bytes, want %d", v, n, size)
		}
		h := r.sent(ffa.Share, v, share)
		r.wantRights("shared", bufAddr, rightsNormal)
		lend := transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr + 3*page, Pages: 2})
		l := r.sent(ffa.Lend, v, lend)
		if h == l || h == 0 || l == 0 || h>>63 != 0 || h == ^uint64(0) {
			t.Errorf("handles %#x and %#x", h, l)
		}
		r.wantRights("before the lend", bufAddr+2*page, rightsNormal)
		r.wantRights("lent", bufAddr+3*page, rightsVideo)
		r.wantRights("lent", bufAddr+4*page, rightsVideo)
		r.wantRights("behind the lend", bufAddr+5*page, rightsNormal)
		r.consistent()
		for _, x := range []uint64{h, l} {
			for _, flags := range []uint64{1, 2, 3, 4, 1 << 31} {
				r.refused("RECLAIM with flags", invalid, append(reclaimCall(x)[:3], flags)...)
			}
			for i := 4; i < 8; i++ {
				c := append(reclaimCall(x), 0, 0, 0, 0)
				c[i] = 1
				r.refused("RECLAIM with a reserved register", invalid, c...)
			}
			r.refused("RECLAIM of another handle", invalid, reclaimCall(x^1<<40)...)
			r.refused("RECLAIM of another handle", invalid, reclaimCall(x+1)...)
		}
		r.reclaim(l)
		r.wantRights("reclaimed", bufAddr+3*page, rightsNormal)
		r.refused("RECLAIM again", invalid, reclaimCall(l)...)
		r.reclaim(h)
		if again := r.sent(ffa.Share, v, share); again == h || again == l {
			t.Errorf("handle %#x is used again", again)
		}
		r.consistent()
	}
}

// Memory that comes back from a lend holds nothing of what was in it; memory that comes back from a share is as it was.
func TestReclaimScrubs(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	shared, lent := []byte("shared data"), []byte("decrypted frame")
	h, l := r.share(bufAddr, 1), r.lend(bufAddr+page, 16, 1)
	r.write(bufAddr, shared)
	for p := range uint64(16) {
		if resp := r.h.Port(bus.Attr{NSAID: bus.NSAIDDecoder}).Write(bufAddr+page+p*page+100, lent); resp != bus.OKAY {
			t.Fatalf("the decoder cannot write: %v", resp)
		}
	}
	got := make([]byte, 16*page)
	if resp := r.ap.Read(bufAddr+page, got); resp != bus.DECERR || !zeros(got) {
		t.Errorf("a processor reads lent memory: %v", resp)
	}
	r.reclaim(h)
	r.reclaim(l)
	if b := r.read(bufAddr, len(shared)); string(b) != string(shared) {
		t.Errorf("shared memory came back as %q", b)
	}
	if b := r.read(bufAddr+page, 16*page); !zeros(b) {
		t.Error("lent memory came back with contents")
	}
}

// With ACTION=OKAY a denied read completes with zeros and a denied write with nothing.
func TestRAZ(t *testing.T) {
	r := newRig(t, func(c *Config) { c.TZASC.Action = 0 }).negotiate(0x1_0002)
	r.write(bufAddr, []byte("before"))
	r.lend(bufAddr, 1, 1)
	if b := r.read(bufAddr, 6); !zeros(b) {
		t.Errorf("read %q", b)
	}
	r.write(bufAddr, []byte("attack"))
	b := make([]byte, 6)
	if resp := r.s.Read(bufAddr, b); resp != bus.OKAY || string(b) != "before" {
		t.Errorf("%v, %q: want the contents from before", resp, b)
	}
}

// Without a controller lends succeed and nothing is enforced: what QEMU's virt machine gives.
func TestWithoutController(t *testing.T) {
	r := newRig(t, func(c *Config) { c.TZASC.Enabled = false })
	for _, off := range []uint64{4, 8, 0x110, 0x114, 0x130} {
		if v, _ := r.tzc.Read(off, 4, bus.Attr{Secure: true}); v != 0 && off != 0x110 {
			t.Errorf("register %#x is programmed: %#x", off, v)
		}
	}
	// The gates of the model are shut, so the test opens memory by hand.
	for _, w := range [][2]uint64{{0x114, 0xFFFF_FFFF}, {8, 0xF}} {
		if resp := r.s.Store(tzcBase+w[0], 4, w[1]); resp != bus.OKAY {
			t.Fatal(resp)
		}
	}
	r.negotiate(0x1_0002)
	l := r.lend(bufAddr, 4, 1)
	r.write(bufAddr, []byte("still open"))
	r.reclaim(l)
	if b := r.read(bufAddr, page); !zeros(b) {
		t.Error("memory is not scrubbed without a controller")
	}
}

// A plain lend to a partition that is not OP-TEE: tag 0, no master of the normal world keeps access.
func TestPlainLendAndDonate(t *testing.T) {
	e := new(echo)
	r := newRig(t, partitions(2, func() spmc.Partition { return e })).negotiate(0x1_0002)
	to := func(kind ffa.TransactionKind, ids ...ffa.EndpointID) *ffa.MemoryTransaction {
		x := transaction(kind, 0, ffa.Constituent{Address: bufAddr + 4*page, Pages: 1}, ffa.Constituent{Address: bufAddr, Pages: 2})
		x.Receivers = nil
		for _, id := range ids {
			em := ffa.EMAD{Receiver: id, Permissions: ffa.DataRW}
			if kind == ffa.Donate {
				em.Permissions = 0
			}
			x.Receivers = append(x.Receivers, em)
		}
		if len(ids) > 1 {
			x.Attributes = 0x2F
		}
		return x
	}
	h := r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, 0x8101))
	for _, off := range []uint64{0, page, 4 * page} {
		r.wantRights("lent", bufAddr+off, rightsNobody)
	}
	r.wantRights("between the ranges", bufAddr+2*page, rightsNormal)
	// The partition that was started last is 0x8101.
	region, err := e.services.Retrieve(ffa.Handle(h))
	must(t, err)
	if region.Size() != 3*page || !region.Protected() {
		t.Errorf("%d bytes, protected %v", region.Size(), region.Protected())
	}
	must(t, region.WriteAt([]byte("first page is the fifth"), 0))
	if _, err := e.services.Retrieve(ffa.Handle(h)); ffa.CodeOf(err) != ffa.Denied {
		t.Errorf("second retrieve: %v", err)
	}
	r.refused("RECLAIM while it is retrieved", denied, reclaimCall(h)...)
	must(t, e.services.Relinquish(ffa.Handle(h)))
	if err := e.services.Relinquish(ffa.Handle(h)); ffa.CodeOf(err) != ffa.Denied {
		t.Errorf("second relinquish: %v", err)
	}
	r.reclaim(h)
	r.consistent()

	h = r.sent(ffa.Lend, ffa.Version1_2, to(ffa.Lend, 0x8100, 0x8101))
	_, err = e.services.Retrieve(ffa.Handle(h))
	must(t, err)
	r.refused("RECLAIM while one of two has retrieved", denied, reclaimCall(h)...)
	must(t, e.services.Relinquish(ffa.Handle(h)))
	r.reclaim(h)

	h = r.sent(ffa.Donate, ffa.Version1_2, to(ffa.Donate, 0x8101))
	r.wantRights("donated", bufAddr, rightsNobody)
	r.reclaim(h)
	h = r.sent(ffa.Donate, ffa.Version1_2, to(ffa.Donate, 0x8101))
	region, err = e.services.Retrieve(ffa.Handle(h))
	must(t, err)
	must(t, region.WriteAt([]byte("mine now"), 2*page))
	r.refused("RECLAIM of memory that has another owner", invalid, reclaimCall(h)...)
	r.consistent()
	if got := r.w.space.At(bufAddr).State; got != memory.NotOwnerNA {
		t.Errorf("donated page is %v", got)
	}
	if _, err := e.services.Retrieve(ffa.Handle(h)); ffa.CodeOf(err) != ffa.InvalidParameters {
		t.Errorf("retrieve of a donation again: %v", err)
	}
	// Nobody else may retrieve what is OP-TEE's.
	l := r.lend(bufAddr+8*page, 1, 1)
	if _, err := e.services.Retrieve(ffa.Handle(l)); ffa.CodeOf(err) != ffa.Denied {
		t.Errorf("retrieve by a partition that is no receiver: %v", err)
	}
	e.fail = ffa.Busy
	b := to(ffa.Share, 0x8101).AppendTo(nil, ffa.Version1_2)
	r.write(txAddr, b)
	r.refused("the receiver refuses", busy, sendCall(ffa.Share), uint64(len(b)), uint64(len(b)))
}

// The masters that keep access to memory lent to several partitions are those that all of them admit.
func TestAccessOfSeveralBorrowers(t *testing.T) {
	grants := []memory.Access{{Read: 0x0014, Write: 0x0030}, {Read: 0x0034, Write: 0x0010}}
	i := 0
	r := newRig(t, partitions(2, func() spmc.Partition { i++; return &echo{access: grants[i-1]} })).negotiate(0x1_0002)
	x := transaction(ffa.Lend, 0, ffa.Constituent{Address: bufAddr, Pages: 1})
	x.Receivers = []ffa.EMAD{{Receiver: 0x8100, Permissions: ffa.DataRW}, {Receiver: 0x8101, Permissions: ffa.DataRO}}
	x.Attributes = 0x2F
	r.sent(ffa.Lend, ffa.Version1_2, x)
	r.wantRights("lent to two", bufAddr, "any:- ap:- dma:- crypto:- dec:rw xfm:- lcd:r secure:rw")
}

// Every way in which a descriptor can be wrong: the code, and that nothing has changed.
func TestRefusedDescriptors(t *testing.T) {
	const (
		carve  = ramBase + 0x80_0000
		secure = ramBase + 0xA0_0000
		taken  = ramBase + 0xC0_0000
		lent   = ramBase + 0xD0_0000
	)
	type edit = func(*ffa.MemoryTransaction)
	one := func(addr uint64, pages uint32) edit {
		return func(x *ffa.MemoryTransaction) { x.Constituents = []ffa.Constituent{{Address: addr, Pages: pages}} }
	}
	patch := func(kind ffa.TransactionKind, off int, v ...byte) func() []byte {
		return func() []byte {
			b := transaction(kind, 1, ffa.Constituent{Address: bufAddr, Pages: 1}).AppendTo(nil, ffa.Version1_2)
			copy(b[off:], v)
			return b
		}
	}
	const both = ffa.TransactionKind(0)
	for _, tc := range []struct {
		name string
		kind ffa.TransactionKind
		code uint64
		edit edit
		raw  func() []byte
	}{
		{name: "sender is a VM", code: denied, edit: func(x *ffa.MemoryTransaction) { x.Sender = 3 }},
		{name: "sender is secure", code: denied, edit: func(x *ffa.MemoryTransaction) { x.Sender = 0x8002 }},
		{name: "sender is the receiver", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Sender = opteeID }},
		{name: "receiver unknown", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 0x8002 }},
		{name: "receiver is the SPMC", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 0x8000 }},
		{name: "receiver is the normal world", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 0 }},
		{name: "share with a VM", kind: ffa.Share, code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 2 }},
		{name: "lend to a VM", kind: ffa.Lend, code: denied, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Receiver = 2 }},
		{name: "no receivers", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers = nil }},
		{name: "receiver twice", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers = append(x.Receivers, x.Receivers[0]) }},
		{name: "handle given", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Handle = 7 }},
		{name: "shared as non-cacheable", kind: ffa.Share, code: denied, edit: func(x *ffa.MemoryTransaction) { x.Attributes = 0x27 }},
		{name: "shared as device", kind: ffa.Share, code: denied, edit: func(x *ffa.MemoryTransaction) { x.Attributes = 0x10 }},
		{name: "shared without type", kind: ffa.Share, code: denied, edit: func(x *ffa.MemoryTransaction) { x.Attributes = 0 }},
		{name: "lent with type", kind: ffa.Lend, code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Attributes = 0x2F }},
		{name: "non-secure attribute", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Attributes |= 1 << 6 }},
		{name: "reserved attribute", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Attributes |= 1 << 9 }},
		{name: "no data permission", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = 0 }},
		{name: "read-only", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = ffa.DataRO }},
		{name: "reserved permission", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = 3 }},
		{name: "executable", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = ffa.DataRW | ffa.InstrX }},
		{name: "zero flag on a share", kind: ffa.Share, code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Flags = 1 }},
		{name: "type flag", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Flags = ffa.TransactionTypeLend }},
		{name: "unknown flag", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Flags = 1 << 20 }},
		{name: "EMAD flag", code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Flags = 1 }},
		{name: "misaligned", code: invalid, edit: one(bufAddr+0x800, 1)},
		{name: "no pages", code: invalid, edit: one(bufAddr, 0)},
		{name: "wraps", code: invalid, edit: one(^uint64(page-1), 2)},
		{name: "overlap", code: invalid, edit: func(x *ffa.MemoryTransaction) {
			x.Constituents = []ffa.Constituent{{Address: bufAddr, Pages: 4}, {Address: bufAddr + 3*page, Pages: 1}}
		}},
		{name: "device", code: denied, edit: one(0x0900_0000, 1)},
		{name: "the controller", code: denied, edit: one(tzcBase, 1)},
		{name: "nothing", code: denied, edit: one(0, 1)},
		{name: "below memory", code: denied, edit: one(ramBase-page, 2)},
		{name: "above memory", code: denied, edit: one(ramBase+ramSize, 1)},
		{name: "across the end", code: denied, edit: one(ramBase+ramSize-page, 2)},
		{name: "16 TiB", kind: ffa.Share, code: denied, edit: one(ramBase, 0xFFFF_FFFF)},
		{name: "wild", kind: ffa.Share, code: denied, edit: one(0x7FFF_FFFF_FFFF_F000, 1)},
		{name: "pool beyond the masters' addresses", kind: ffa.Lend, code: invalid, edit: one(1<<32, 1)},
		{name: "pool across the end of the masters' addresses", kind: ffa.Lend, code: invalid, edit: one(ramBase, 0xC_0001)},
		{name: "carve-out", code: denied, edit: one(carve-page, 2)},
		{name: "secure memory", code: denied, edit: one(secure, 1)},
		{name: "already shared", code: denied, edit: one(taken-page, 2)},
		{name: "already lent", code: denied, edit: one(lent, 1)},
		{name: "TX", code: denied, edit: one(txAddr, 1)},
		{name: "lend without use case", kind: ffa.Lend, code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Tag = 0 }},
		{name: "lend with an unknown use case", kind: ffa.Lend, code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Tag = 4 }},
		{name: "lend with a wild use case", kind: ffa.Lend, code: invalid, edit: func(x *ffa.MemoryTransaction) { x.Tag = 1<<32 | 1 }},
		{name: "lend of two ranges", kind: ffa.Lend, code: invalid, edit: func(x *ffa.MemoryTransaction) {
			x.Constituents = []ffa.Constituent{{Address: bufAddr, Pages: 1}, {Address: bufAddr + 2*page, Pages: 1}}
		}},
		{name: "lend backwards", kind: ffa.Lend, code: invalid, edit: func(x *ffa.MemoryTransaction) {
			x.Constituents = []ffa.Constituent{{Address: bufAddr + page, Pages: 1}, {Address: bufAddr, Pages: 1}}
		}},
		{name: "donation to OP-TEE", kind: ffa.Donate, code: denied, edit: func(x *ffa.MemoryTransaction) { x.Receivers[0].Permissions = 0 }},
		{name: "donation with permissions", kind: ffa.Donate, code: invalid, edit: func(*ffa.MemoryTransaction) {}},
		{name: "EMAD size 24", code: invalid, raw: patch(ffa.Lend, 24, 24)},
		{name: "EMAD size 0", code: invalid, raw: patch(ffa.Lend, 24, 0)},
		{name: "EMAD count", code: invalid, raw: patch(ffa.Lend, 28, 2)},
		{name: "huge EMAD count", code: invalid, raw: patch(ffa.Lend, 28, 0xFF, 0xFF, 0xFF, 0xFF)},
		{name: "EMAD offset in the header", code: invalid, raw: patch(ffa.Lend, 32, 16)},
		{name: "EMAD offset misaligned", code: invalid, raw: patch(ffa.Lend, 32, 52)},
		{name: "wild EMAD offset", code: invalid, raw: patch(ffa.Lend, 32, 0xF0, 0xFF, 0xFF, 0xFF)},
		{name: "reserved word in the header", code: invalid, raw: patch(ffa.Lend, 36, 1)},
		{name: "reserved word in the EMAD", code: invalid, raw: patch(ffa.Lend, 72, 1)},
		{name: "composite in the EMAD", code: invalid, raw: patch(ffa.Lend, 52, 64)},
		{name: "no composite", code: invalid, raw: patch(ffa.Lend, 52, 0)},
		{name: "wild composite", code: invalid, raw: patch(ffa.Lend, 52, 0xF0, 0xFF, 0xFF, 0xFF)},
		{name: "page total", code: invalid, raw: patch(ffa.Lend, 80, 2)},
		{name: "range count 0", code: invalid, raw: patch(ffa.Lend, 84, 0)},
		{name: "range count 2", code: invalid, raw: patch(ffa.Lend, 84, 2)},
		{name: "huge range count", code: invalid, raw: patch(ffa.Lend, 84, 0xFF, 0xFF, 0xFF, 0xFF)},
		{name: "reserved word in the composite", code: invalid, raw: patch(ffa.Lend, 88, 1)},
		{name: "reserved word in the range", code: invalid, raw: patch(ffa.Lend, 108, 1)},
	} {
		kinds := []ffa.TransactionKind{tc.kind}
		if tc.kind == both {
			kinds = []ffa.TransactionKind{ffa.Share, ffa.Lend}
		}
		if tc.raw != nil {
			kinds = []ffa.TransactionKind{ffa.Lend}
		}
		r := newRig(t, func(c *Config) {
			c.Carveout = memory.Range{Base: carve, Size: 0x10_0000}
			c.SecureRAM = memory.Range{Base: secure, Size: 0x10_0000}
		}).negotiate(0x1_0002)
		r.share(taken, 1)
		r.lend(lent, 1, 1)
		for _, kind := range kinds {
			var b []byte
			if tc.raw != nil {
				b = tc.raw()
			} else {
				x := transaction(kind, 0, ffa.Constituent{Address: bufAddr, Pages: 2})
				if kind == ffa.Lend {
					x.Tag = 1
				}
				tc.edit(x)
				b = x.AppendTo(nil, ffa.Version1_2)
			}
			r.write(txAddr, b)
			r.refused(fmt.Sprintf("%v: %s", kind, tc.name), tc.code, sendCall(kind), uint64(len(b)), uint64(len(b)))
		}
	}
}

// Registers of a send that do not fit each other.
func TestRefusedSendRegisters(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	r.write(txAddr, transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr, Pages: 2}).AppendTo(nil, ffa.Version1_2))
	for name, c := range map[string][]uint64{
		"fragment longer than the whole": {112, 128}, "no fragment": {112, 0}, "no length": {0, 0},
		"header cut": {112, 32}, "EMAD cut": {112, 64}, "composite cut": {112, 80}, "odd fragment": {112, 100}, "odd total": {113, 112},
		"longer than TX": {8192, 8192}, "total too short": {96, 96}, "total too long": {128, 112}, "total far too long": {0xFFFF_FFF0, 112},
		"a buffer of the caller's": {112, 112, bufAddr, 1}, "pages without buffer": {112, 112, 0, 1}, "buffer without pages": {112, 112, bufAddr, 0},
		"w5": {112, 112, 0, 0, 1}, "w6": {112, 112, 0, 0, 0, 1}, "w7": {112, 112, 0, 0, 0, 0, 1},
	} {
		code := uint64(invalid)
		if name == "total far too long" {
			code = noMemory
		}
		for _, f := range []uint64{0xC400_0072, 0x8400_0072} {
			r.refused(name, code, append([]uint64{f}, c...)...)
		}
	}
	// High halves do not matter to a 32-bit call; reply and effect are the same.
	got := r.call(0x8400_0072, 0xA_0000_0070, 0xB_0000_0070, 0xC_0000_0000, 0xD_0000_0000, 0xE_0000_0000)
	if got[0] != ffaSuccess {
		t.Errorf("32-bit lend: %x", got[:4])
	}
	r.wantRights("lent", bufAddr, rightsVideo)
}

// A descriptor of 600 ranges comes in three fragments.
func TestFragments(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	x := transaction(ffa.Share, 0)
	for i := range uint64(600) {
		x.Constituents = append(x.Constituents, ffa.Constituent{Address: bufAddr + 2*page*(599-i), Pages: 1})
	}
	b := x.AppendTo(nil, ffa.Version1_2)
	frag := func(off, n int) []byte { r.write(txAddr, b[off:off+n]); return b[off : off+n] }
	frag(0, 4096)
	got := r.call(0xC400_0073, uint64(len(b)), 4096)
	if got[0] != fragRX || got[3] != 4096 || got[4] != 0 {
		t.Fatalf("first fragment: %x", got[:8])
	}
	lo, hi := got[1], got[2]
	handle := lo | hi<<32
	if r.w.space.At(bufAddr).State != memory.OwnerEA {
		t.Error("an incomplete share has changed a page")
	}
	r.refused("RECLAIM of an incomplete transaction", invalid, reclaimCall(handle)...)
	tx := func(what string, code uint64, regs ...uint64) {
		t.Helper()
		r.refused(what, code, append([]uint64{0x8400_007B}, regs...)...)
	}
	frag(4096, 4096)
	tx("other handle", invalid, lo^0x10000, hi, 4096)
	tx("no handle", invalid, 0, 0, 4096)
	tx("no bytes", invalid, lo, hi, 0)
	tx("more than TX", invalid, lo, hi, 8192)
	tx("odd length", invalid, lo, hi, 4090)
	r.want("second fragment", []uint64{0x8400_007B, lo, hi, 4096, 0}, []uint64{fragRX, lo, hi, 8192, 0})
	rest := len(b) - 8192
	frag(8192, rest)
	tx("more than is missing", invalid, lo, hi, uint64(rest)+16)
	// Linux leaves the sender zero; others fill it in.
	r.want("last fragment", []uint64{0x8400_007B, lo, hi, uint64(rest), 0}, []uint64{ffaSuccess, 0, lo, hi, 0})
	tx("one more", invalid, lo, hi, 16)
	for i := range uint64(1200) {
		want := memory.OwnerSA
		if i%2 == 1 || i == 1199 {
			want = memory.OwnerEA
		}
		if got := r.w.space.At(bufAddr + i*page).State; got != want {
			t.Fatalf("page %d is %v, want %v", i, got, want)
		}
	}
	r.reclaim(handle)

	// The last fragment holds a page that may not be shared: all of it is off, and the handle is gone.
	x.Constituents[599].Address = txAddr
	b = x.AppendTo(nil, ffa.Version1_2)
	frag(0, 4096)
	got = r.call(0xC400_0073, uint64(len(b)), 4096)
	lo, hi = got[1], got[2]
	frag(4096, 4096)
	r.call(0x8400_007B, lo, hi, 4096)
	frag(8192, rest)
	r.want("bad last fragment", []uint64{0x8400_007B, lo, hi, uint64(rest), 0}, []uint64{ffaError, 0, denied, 0, 0})
	tx("after it", invalid, lo, hi, 16)
	if got := r.w.space.At(bufAddr + 2*page*599).State; got != memory.OwnerEA {
		t.Errorf("a refused share leaves a page %v", got)
	}
	r.consistent()
}

// Senders that give up in the middle do not use the handle table up: the oldest descriptor makes room.
func TestAbandonedFragments(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.Transactions = 6 }).negotiate(0x1_0002)
	x := transaction(ffa.Share, 0, ffa.Constituent{Address: bufAddr, Pages: 1}, ffa.Constituent{Address: bufAddr + 2*page, Pages: 1})
	b := x.AppendTo(nil, ffa.Version1_2)
	var handles [][2]uint64
	for range 100 {
		r.write(txAddr, b)
		got := r.call(0xC400_0073, uint64(len(b)), uint64(len(b)-16))
		if got[0] != fragRX {
			t.Fatalf("%x", got[:8])
		}
		handles = append(handles, [2]uint64{got[1], got[2]})
	}
	r.write(txAddr, b[len(b)-16:])
	r.refused("a descriptor that was given up", invalid, 0x8400_007B, handles[95][0], handles[95][1], 16)
	for _, h := range handles[96:99] {
		got := r.call(0x8400_007B, h[0], h[1], 16)
		if got[0] != ffaSuccess {
			t.Fatalf("fragment of %x: %x", h, got[:4])
		}
		r.reclaim(h[0] | h[1]<<32)
	}
}

func TestHandleExhaustion(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.Transactions = 8 }).negotiate(0x1_0002)
	var handles []uint64
	for i := range uint64(8) {
		handles = append(handles, r.share(bufAddr+i*page, 1))
	}
	r.write(txAddr, transaction(ffa.Share, 0, ffa.Constituent{Address: bufAddr + 20*page, Pages: 1}).AppendTo(nil, ffa.Version1_2))
	r.refused("a ninth transaction", noMemory, 0xC400_0073, 112, 112)
	r.reclaim(handles[3])
	r.share(bufAddr+20*page, 1)
	r.refused("RECLAIM of a slot that is used again", invalid, reclaimCall(handles[3])...)
}

// Nine pools apart do not fit the controller: the ninth is NO_MEMORY, and it fits when one has gone.
func TestRegionExhaustion(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	var handles []uint64
	for i := range uint64(8) {
		handles = append(handles, r.lend(bufAddr+2*i*page, 1, 1+i%3))
	}
	r.write(txAddr, transaction(ffa.Lend, 1, ffa.Constituent{Address: bufAddr + 20*page, Pages: 1}).AppendTo(nil, ffa.Version1_2))
	r.refused("a ninth pool", noMemory, 0xC400_0072, 112, 112)
	r.reclaim(handles[5])
	r.lend(bufAddr+20*page, 1, 1)
	r.consistent()
}

// The account of ranges is what a hostile client runs into, and giving back restores it.
func TestRangeExhaustion(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits.Ranges = 6 }).negotiate(0x1_0002) // RX and TX take two
	x := transaction(ffa.Share, 0)
	for i := range uint64(4) {
		x.Constituents = append(x.Constituents, ffa.Constituent{Address: bufAddr + 2*i*page, Pages: 1})
	}
	h := r.sent(ffa.Share, ffa.Version1_2, x)
	r.write(txAddr, transaction(ffa.Share, 0, ffa.Constituent{Address: bufAddr + 20*page, Pages: 1}).AppendTo(nil, ffa.Version1_2))
	r.refused("a seventh range", noMemory, 0xC400_0073, 112, 112)
	r.reclaim(h)
	r.share(bufAddr+20*page, 1)
}

// A reset forgets handles, buffers, version and protection; the next kernel starts afresh.
func TestResetWipes(t *testing.T) {
	r := newRig(t).negotiate(0x1_0002)
	h, l := r.share(bufAddr, 1), r.lend(bufAddr+page, 4, 1)
	var none optee.Arg
	none.Cmd = optee.CmdOpenSession
	open := optee.OpenSession{TA: optee.DeviceUUID()}.Params()
	none.Params = open[:]
	if a := r.message(0, none); a.Session == 0 {
		t.Fatalf("open: %v", a.Ret)
	}
	r.tzc.Reset()
	must(t, r.w.Reset(r.h))
	r.consistent()
	r.wantRights("after reset", bufAddr+page, rightsNormal)
	r.refused("ID_GET before a version is agreed on", notSupported, 0x8400_0069)
	r.negotiate(0x1_0001)
	for _, x := range []uint64{h, l, r.shm} {
		r.refused("RECLAIM of a handle from before", invalid, reclaimCall(x)...)
	}
	fresh := newRig(t).negotiate(0x1_0001)
	fresh.refused("RECLAIM of nothing", invalid, reclaimCall(1)...)
	if r.state() != fresh.state() {
		t.Error("a world after reset differs from a new one")
	}
}

func TestEL2Caller(t *testing.T) {
	r := newRig(t)
	regs := pattern(0x8400_0063, 0x1_0002)
	r.w.SMC(firmware.Call{CPU: 3, EL: 2}, &regs)
	if regs[0] != 0x1_0002 {
		t.Errorf("VERSION from EL2: %#x", regs[0])
	}
}
