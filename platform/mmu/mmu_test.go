package mmu

import (
	"encoding/binary"
	"testing"
)

// ram is sparse memory of 8-byte words; Secure and Non-secure addresses are different words. What was not written is an external
// abort.
type ram map[uint64]uint64

func (m ram) ReadTable(pa uint64, secure bool) (uint64, bool) {
	if secure {
		pa |= 1 << 63
	}
	d, ok := m[pa]
	return d, ok
}

// zeros writes a table of n invalid entries.
func (m ram) zeros(pa uint64, n int) {
	for i := range n {
		m[pa+uint64(8*i)] = 0
	}
}

const (
	normal  = 0x703       // valid, page or table; AF, inner shareable, MAIR byte 0
	block   = normal &^ 2 // the same as a block
	mairs   = 0x0c_08_44_bb_ff04_00ff
	userRW  = descAP1
	ro      = descAP2
	tcr48   = 16 | 16<<16 | 5<<32
	granule = 14 // TCR.TG0
)

func el1(tcr uint64) Regime {
	return Regime{EL: 1, SCTLR: sctlrM, TCR: tcr, TTBR0: 0x1000_0000, TTBR1: 0x1000_0000, MAIR: mairs, PABits: 48}
}

// want walks for a privileged read and compares the address, size and level.
func want(t *testing.T, rd Reader, g *Regime, va, pa, size uint64, level uint8) {
	t.Helper()
	tr, f, ok := Walk(rd, g, va, false, Read, false)
	if !ok || tr.PA != pa || tr.Size != size || tr.Level != level {
		t.Errorf("va %#x: %+v %+v %t; want %#x, %#x bytes, level %d", va, tr, f, ok, pa, size, level)
	}
}

func wantFault(t *testing.T, rd Reader, g *Regime, va uint64, user bool, acc Access, status uint8) {
	t.Helper()
	tr, f, ok := Walk(rd, g, va, user, acc, false)
	if ok || f != (Fault{Status: status, Level: status & 3}) {
		t.Errorf("va %#x user %t %v: %+v %+v %t; want status %06b", va, user, acc, tr, f, ok, status)
	}
}

// The indexes and block sizes are those of DDI 0487, D8.2.
func TestGranule4K(t *testing.T) {
	m := ram{}
	for i := range 4 {
		m.zeros(0x1000_0000+uint64(i)<<12, 512)
	}
	m[0x1000_0000+8*1] = 0x1000_1003             // level 0: 512 GiB each
	m[0x1000_1000+8*2] = 0x40_0000_0000 | block  // level 1: 1 GiB
	m[0x1000_1000+8*3] = 0x1000_2003             //
	m[0x1000_2000+8*4] = 0x41_2340_0000 | block  // level 2: 2 MiB
	m[0x1000_2000+8*5] = 0x1000_3003             //
	m[0x1000_3000+8*6] = 0x42_1234_5000 | normal // level 3: 4 KiB
	m[0x1000_3000+8*7] = 0x42_1234_5000 | block  // reserved
	m[0x1000_0000+8*2] = 0x40_0000_0000 | block  // no block at level 0
	for i := range uint64(16) {
		m[0x1000_3000+8*(16+i)] = 0x43_0001_0000 + i<<12 | normal | descCont
	}
	m[0x1000_1000+8*16] = 0x44_0000_0000 | block | descCont
	m[0x1000_2000+8*32] = 0x45_0400_0000 | block | descCont
	g := el1(tcr48)
	want(t, m, &g, 1<<39|2<<30|0x2345_6789, 0x40_2345_6789, 1<<30, 1)
	want(t, m, &g, 1<<39|3<<30|4<<21|0x12345, 0x41_2341_2345, 2<<20, 2)
	want(t, m, &g, 1<<39|3<<30|5<<21|6<<12|0xabc, 0x42_1234_5abc, 4<<10, 3)
	want(t, m, &g, 1<<39|3<<30|5<<21|18<<12|0xabc, 0x43_0001_2abc, 64<<10, 3)
	want(t, m, &g, 1<<39|16<<30|5, 0x44_0000_0005, 16<<30, 1)
	want(t, m, &g, 1<<39|3<<30|32<<21|5, 0x45_0400_0005, 32<<20, 2)
	wantFault(t, m, &g, 1<<39|3<<30|5<<21|7<<12, false, Read, 0b000111)
	wantFault(t, m, &g, 1<<39|3<<30|5<<21|8<<12, false, Read, 0b000111)
	wantFault(t, m, &g, 1<<39|3<<30|6<<21, false, Read, 0b000110)
	wantFault(t, m, &g, 1<<39|4<<30, false, Read, 0b000101)
	wantFault(t, m, &g, 3<<39, false, Read, 0b000100)
	wantFault(t, m, &g, 2<<39, false, Read, 0b000100)
	// 39 bits start at level 1, 30 bits at level 2, 25 bits at level 2 with 16 entries.
	g.TCR, g.TTBR0 = 25|25<<16|5<<32, 0x1000_1000
	want(t, m, &g, 2<<30|0x2345_6789, 0x40_2345_6789, 1<<30, 1)
	g.TCR, g.TTBR0 = 34|34<<16|5<<32, 0x1000_2000
	want(t, m, &g, 4<<21|0x12345, 0x41_2341_2345, 2<<20, 2)
	g.TCR = 39 | 39<<16 | 5<<32
	want(t, m, &g, 4<<21|0x12345, 0x41_2341_2345, 2<<20, 2)
	// A table of 16 entries is aligned to 128 bytes, and the bits below are not part of its address.
	g.TTBR0 = 0x1000_2000 | 0x7f
	want(t, m, &g, 4<<21|0x12345, 0x41_2341_2345, 2<<20, 2)
	wantFault(t, m, &g, 1<<25, false, Read, 0b000100)
}

func TestGranule16K(t *testing.T) {
	m := ram{}
	for i := range 4 {
		m.zeros(0x1000_0000+uint64(i)<<14, 2048)
	}
	m[0x1000_0000+8*1] = 0x1000_4003             // level 0: two entries of 128 TiB
	m[0x1000_4000+8*2] = 0x1000_8003             // level 1: 64 GiB each, no blocks
	m[0x1000_4000+8*3] = 0x40_0000_0000 | block  //
	m[0x1000_8000+8*4] = 0x41_2200_0000 | block  // level 2: 32 MiB
	m[0x1000_8000+8*5] = 0x1000_c003             //
	m[0x1000_c000+8*6] = 0x42_1234_4000 | normal // level 3: 16 KiB
	m[0x1000_c000+8*128] = 0x43_0000_0000 | normal | descCont
	m[0x1000_8000+8*32] = 0x44_0000_0000 | block | descCont
	g := el1(tcr48 | 2<<granule | 1<<30)
	want(t, m, &g, 1<<47|2<<36|4<<25|0x12345, 0x41_2201_2345, 32<<20, 2)
	want(t, m, &g, 1<<47|2<<36|5<<25|6<<14|0x3abc, 0x42_1234_7abc, 16<<10, 3)
	want(t, m, &g, 1<<47|2<<36|5<<25|128<<14|0x3abc, 0x43_0000_3abc, 2<<20, 3)
	want(t, m, &g, 1<<47|2<<36|32<<25|0x3abc, 0x44_0000_3abc, 1<<30, 2)
	wantFault(t, m, &g, 1<<47|3<<36, false, Read, 0b000101)
	wantFault(t, m, &g, 0, false, Read, 0b000100)
	// 36 bits start at level 2, 25 bits at level 3.
	g.TCR, g.TTBR0 = 28|28<<16|5<<32|2<<granule, 0x1000_8000
	want(t, m, &g, 4<<25|0x12345, 0x41_2201_2345, 32<<20, 2)
	g.TCR, g.TTBR0 = 39|39<<16|5<<32|2<<granule, 0x1000_c000
	want(t, m, &g, 6<<14|0x3abc, 0x42_1234_7abc, 16<<10, 3)
	// The same through TTBR1, whose TG1 encodes 16 KiB as 1.
	g.TCR, g.TTBR1 = 39|39<<16|5<<32|1<<30, 0x1000_c000
	want(t, m, &g, 0xffff_ffff_fe00_0000|6<<14|0x3abc, 0x42_1234_7abc, 16<<10, 3)
}

func TestGranule64K(t *testing.T) {
	m := ram{}
	m.zeros(0x1000_0000, 64)
	m.zeros(0x1001_0000, 8192)
	m.zeros(0x1002_0000, 8192)
	m[0x1000_0000+8*1] = 0x1001_0003             // level 1: 4 TiB each, no blocks without FEAT_LPA
	m[0x1000_0000+8*2] = 0x40_0000_0000 | block  //
	m[0x1001_0000+8*4] = 0x41_2000_0000 | block  // level 2: 512 MiB
	m[0x1001_0000+8*5] = 0x1002_0003             //
	m[0x1002_0000+8*6] = 0x42_1234_0000 | normal // level 3: 64 KiB
	m[0x1002_0000+8*32] = 0x43_0000_0000 | normal | descCont
	m[0x1001_0000+8*32] = 0x44_0000_0000 | block | descCont
	g := el1(tcr48 | 1<<granule | 3<<30)
	want(t, m, &g, 1<<42|4<<29|0x12345, 0x41_2001_2345, 512<<20, 2)
	want(t, m, &g, 1<<42|5<<29|6<<16|0xfabc, 0x42_1234_fabc, 64<<10, 3)
	want(t, m, &g, 1<<42|5<<29|32<<16|0xfabc, 0x43_0000_fabc, 2<<20, 3)
	want(t, m, &g, 1<<42|32<<29|0xfabc, 0x44_0000_fabc, 16<<30, 2)
	wantFault(t, m, &g, 2<<42, false, Read, 0b000101)
	g.TCR, g.TTBR1 = 22|22<<16|5<<32|3<<30, 0x1001_0000
	want(t, m, &g, 0xffff_fc00_0000_0000|4<<29|0x12345, 0x41_2001_2345, 512<<20, 2)
	// Bits 15 to 12 of a descriptor are not part of the address.
	m[0x1002_0000+8*6] |= 0xf000
	g = el1(tcr48 | 1<<granule | 3<<30)
	want(t, m, &g, 1<<42|5<<29|6<<16|0xfabc, 0x42_1234_fabc, 64<<10, 3)
}

// onePage maps the page at va zero with 4 KiB pages and 30 bits, so that attributes can be set at the leaf and the table above.
func onePage(table, leaf uint64) ram {
	return ram{0x1000_0000: 0x1000_1003 | table, 0x1000_1000: 0x8000_0000 | leaf}
}

const tcr30 = 34 | 34<<16 | 5<<32

func TestPermissions(t *testing.T) {
	const pr, pw, px, ur, uw, ux = PrivRead, PrivWrite, PrivExec, UserRead, UserWrite, UserExec
	tests := []struct {
		name        string
		table, leaf uint64
		sctlr, tcr  uint64
		want        Perm
	}{
		{"AP 00", 0, 0, 0, 0, pr | pw | px | ux},
		{"AP 01: writable by EL0 is not executable by EL1", 0, userRW, 0, 0, pr | pw | ur | uw | ux},
		{"AP 10", 0, ro, 0, 0, pr | px | ux},
		{"AP 11", 0, ro | userRW, 0, 0, pr | px | ur | ux},
		{"UXN", 0, ro | userRW | descXN, 0, 0, pr | px | ur},
		{"PXN", 0, ro | userRW | descPXN, 0, 0, pr | ur | ux},
		{"WXN, EL1 writes", 0, 0, sctlrWXN, 0, pr | pw | ux},
		{"WXN, both write", 0, userRW, sctlrWXN, 0, pr | pw | ur | uw},
		{"WXN, nobody writes", 0, ro | userRW, sctlrWXN, 0, pr | px | ur | ux},
		{"APTable 01", tableAP0, userRW, 0, 0, pr | pw | px | ux},
		{"APTable 10", tableAP1, userRW, 0, 0, pr | px | ur | ux},
		{"APTable 11", tableAP1 | tableAP0, userRW, 0, 0, pr | px | ux},
		{"UXNTable", tableXN, ro, 0, 0, pr | px},
		{"PXNTable", tablePXN, ro, 0, 0, pr | ux},
		{"HPD0", tableXN | tablePXN | tableAP0 | tableAP1, userRW, 0, 1 << 41, pr | pw | ur | uw | ux},
		{"HPD1 is for the upper range", tableXN | tablePXN | tableAP0 | tableAP1, userRW, 0, 1 << 42, pr},
	}
	for _, tc := range tests {
		g := el1(tcr30 | tc.tcr)
		g.SCTLR |= tc.sctlr
		m := onePage(tc.table, normal|tc.leaf)
		tr, f, ok := Walk(m, &g, 0x123, false, Read, false)
		if !ok || tr.Perm != tc.want {
			t.Errorf("%s: %06b %+v; want %06b", tc.name, tr.Perm, f, tc.want)
		}
		// Every access by itself agrees, and a refused one is a level 3 permission fault.
		for acc := Read; acc <= Execute; acc++ {
			for _, user := range []bool{false, true} {
				tr, f, ok := Walk(m, &g, 0x123, user, acc, false)
				if ok != tc.want.Allows(acc, user) {
					t.Errorf("%s: %v user %t: %t", tc.name, acc, user, ok)
				}
				switch {
				case !ok && f != (Fault{Status: 0b001111, Level: 3}):
					t.Errorf("%s: %v user %t: %+v", tc.name, acc, user, f)
				case ok && (tr.Read != tc.want.Allows(Read, user) || tr.Write != tc.want.Allows(Write, user) || tr.Exec != tc.want.Allows(Execute, user)):
					t.Errorf("%s: %v user %t: %+v", tc.name, acc, user, tr)
				}
			}
		}
	}
}

func TestPAN(t *testing.T) {
	g := el1(tcr30)
	for _, leaf := range []uint64{userRW, userRW | ro} {
		m := onePage(0, normal|leaf)
		for _, acc := range []Access{Read, Write} {
			if _, f, ok := Walk(m, &g, 0, false, acc, true); ok || f.Status != 0b001111 {
				t.Errorf("leaf %#x: privileged %v of a user page with PAN: %t %+v", leaf, acc, ok, f)
			}
		}
		if tr, _, ok := Walk(m, &g, 0, true, Read, true); !ok || !tr.Read {
			t.Errorf("leaf %#x: PAN stops EL0", leaf)
		}
	}
	m := onePage(0, normal|userRW|ro)
	if tr, _, ok := Walk(m, &g, 0, false, Execute, true); !ok || tr.Read || !tr.Exec {
		t.Errorf("PAN on an instruction fetch: %+v %t", tr, ok)
	}
	if tr, _, ok := Walk(onePage(0, normal), &g, 0, false, Write, true); !ok || !tr.Write {
		t.Errorf("PAN on a privileged page: %+v %t", tr, ok)
	}
	// With the MMU off there are no user pages.
	g.SCTLR = 0
	if _, f, ok := Walk(m, &g, 0, false, Write, true); !ok {
		t.Errorf("PAN with stage 1 off: %+v", f)
	}
}

// EL2 and EL3 have one privilege: AP[1] and PXN mean nothing, bit 54 is XN. EL2 with E2H has two.
func TestSinglePrivilege(t *testing.T) {
	for _, el := range []uint8{2, 3} {
		g := Regime{EL: el, SCTLR: sctlrM, TCR: 34 | 5<<16, TTBR0: 0x1000_0000, MAIR: mairs, PABits: 48}
		for leaf, want := range map[uint64]Perm{
			0:                PrivRead | PrivWrite | PrivExec,
			userRW | descPXN: PrivRead | PrivWrite | PrivExec,
			ro:               PrivRead | PrivExec,
			descXN:           PrivRead | PrivWrite,
		} {
			tr, f, ok := Walk(onePage(0, normal|leaf|descNG), &g, 0, false, Read, true)
			if !ok || tr.Perm != want || tr.NonGlobal {
				t.Errorf("EL%d leaf %#x: %+v %+v", el, leaf, tr, f)
			}
		}
		// No upper range, and no bit above the range.
		for _, va := range []uint64{1 << 30, 1 << 55, 1 << 63, ^uint64(0)} {
			wantFault(t, ram{}, &g, va, false, Read, 0b000100)
		}
		g.TCR |= 1 << 20
		want(t, onePage(0, normal), &g, 0xab<<56|0x123, 0x8000_0123, 4096, 3)
		wantFault(t, ram{}, &g, 0xab<<56|1<<55, false, Read, 0b000100)
	}
	g := el1(tcr30)
	g.EL, g.E2H = 2, true
	tr, f, ok := Walk(onePage(0, normal|userRW|descNG), &g, 0, true, Write, false)
	if !ok || tr.Perm != PrivRead|PrivWrite|UserRead|UserWrite|UserExec || !tr.NonGlobal {
		t.Errorf("EL2&0: %+v %+v", tr, f)
	}
}

func TestAccessFlag(t *testing.T) {
	g := el1(tcr30)
	wantFault(t, onePage(0, normal&^descAF), &g, 0, false, Read, 0b001011)
	// Before permissions.
	wantFault(t, onePage(0, normal&^descAF|ro), &g, 0, true, Write, 0b001011)
	m := ram{0x1000_0000: 0x8000_0000 | block&^descAF}
	wantFault(t, m, &g, 0, false, Read, 0b001010)
}

func TestRanges(t *testing.T) {
	m := ram{0x1000_0000: 0x8000_0000 | block, 0x2000_0000 + 511*8: 0x9000_0000 | block}
	g := el1(tcr30)
	g.TTBR1 = 0x2000_0000
	want(t, m, &g, 0x123456, 0x8012_3456, 2<<20, 2)
	want(t, m, &g, ^uint64(0), 0x901f_ffff, 2<<20, 2)
	for _, va := range []uint64{1 << 30, 1 << 47, 1 << 54, 1 << 55, 1 << 56, 1 << 63, 0xffff_ffff_bfff_ffff, 0xff7f_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff} {
		wantFault(t, m, &g, va, false, Read, 0b000100)
	}
	// TBI0 and TBI1: bit 55 alone selects.
	g.TCR = tcr30 | 1<<37
	want(t, m, &g, 0xff<<56|0x123456, 0x8012_3456, 2<<20, 2)
	wantFault(t, m, &g, 0x00ff_ffff_ffff_ffff, false, Read, 0b000100)
	g.TCR = tcr30 | 1<<38
	want(t, m, &g, 0x12ff_ffff_ffff_ffff, 0x901f_ffff, 2<<20, 2)
	wantFault(t, m, &g, 0x12<<56, false, Read, 0b000100)
	// EPD0 and EPD1.
	g.TCR = tcr30 | 1<<7
	wantFault(t, m, &g, 0x123456, false, Read, 0b000100)
	want(t, m, &g, ^uint64(0), 0x901f_ffff, 2<<20, 2)
	g.TCR = tcr30 | 1<<23
	wantFault(t, m, &g, ^uint64(0), false, Read, 0b000100)
	// TxSZ outside 16 to 39.
	for _, txsz := range []uint64{0, 15, 40, 63} {
		g.TCR = txsz | txsz<<16 | 5<<32
		wantFault(t, m, &g, 0, false, Read, 0b000100)
		wantFault(t, m, &g, ^uint64(0), false, Read, 0b000100)
	}
}

func TestAddressSize(t *testing.T) {
	g := el1(tcr30&^(7<<32) | 1<<32) // IPS 36 bits
	g.TTBR0 = 1 << 36
	wantFault(t, ram{}, &g, 0, false, Read, 0b000000)
	g.TTBR0 = 0x1000_0000
	m := ram{0x1000_0000: 1<<36 | 3, 0x1000_0008: 1<<36 | block, 0x1000_0010: 0x1000_1003, 0x1000_1000: 1<<36 | normal&^descAF}
	wantFault(t, m, &g, 0, false, Read, 0b000010)
	wantFault(t, m, &g, 1<<21, false, Read, 0b000010)
	wantFault(t, m, &g, 2<<21, false, Read, 0b000011) // before the access flag
	// IPS above the implemented size counts as that.
	g.TCR, g.PABits = tcr30, 36
	wantFault(t, m, &g, 1<<21, false, Read, 0b000010)
	g.PABits = 40
	want(t, m, &g, 1<<21, 1<<36, 2<<20, 2)
	for ps, bits := range []uint{32, 36, 40, 42, 44, 48, 48, 48} {
		if n := outputBits(uint64(ps), 48); n != bits {
			t.Errorf("PS %d: %d bits", ps, n)
		}
	}
}

func TestExternalAbort(t *testing.T) {
	g := el1(tcr48)
	m := ram{}
	wantFault(t, m, &g, 0, false, Read, 0b010100)
	m[0x1000_0000] = 0x1000_1003
	wantFault(t, m, &g, 0, false, Read, 0b010101)
	m[0x1000_1000] = 0x1000_2003
	wantFault(t, m, &g, 0, false, Read, 0b010110)
	m[0x1000_2000] = 0x1000_3003
	wantFault(t, m, &g, 0, false, Read, 0b010111)
}

func TestOff(t *testing.T) {
	g := Regime{EL: 1, PABits: 40}
	check := func(name string, va uint64, acc Access, pa uint64, attr Attr) {
		t.Helper()
		tr, f, ok := Walk(ram{}, &g, va, true, acc, false)
		if !ok || tr.PA != pa || tr.Attr != attr || tr.Perm != 63 || !tr.NS {
			t.Errorf("%s: %+v %+v", name, tr, f)
		}
	}
	device, nc := Attr{0, OuterShareable}, Attr{0x44, OuterShareable}
	check("data", 0x12_3456_789a, Write, 0x12_3456_789a, device)
	check("fetch", 0x12_3456_789a, Execute, 0x12_3456_789a, nc)
	g.SCTLR = sctlrI
	check("fetch with I", 0, Execute, 0, Attr{0xaa, OuterShareable}) // Write-Through, Read-Allocate
	wantFault(t, ram{}, &g, 1<<40, false, Read, 0b000000)
	wantFault(t, ram{}, &g, 1<<63, false, Read, 0b000000)
	g.TCR = 1 << 37
	check("tagged", 0xff<<56|5, Read, 5, device)
	wantFault(t, ram{}, &g, 0xff<<56|1<<55, false, Read, 0b000000)
	// HCR_EL2.TGE turns stage 1 off, HCR_EL2.DC makes it cacheable: but only where EL2 is enabled.
	g = el1(tcr30)
	g.HCR = hcrTGE
	check("TGE", 0x1234, Read, 0x1234, device)
	g.HCR = hcrDC
	wantFault(t, ram{}, &g, 0, false, Read, 0b010110)
	g.Stage2, g.Stage1Only = true, true
	check("DC", 0x1234, Read, 0x1234, Attr{0xff, NonShareable})
	check("DC fetch", 0x1234, Execute, 0x1234, Attr{0xff, NonShareable})
	for el := uint8(2); el <= 3; el++ {
		g := Regime{EL: el, Secure: el == 3, HCR: hcrTGE | hcrDC, PABits: 40}
		tr, _, ok := Walk(ram{}, &g, 5, false, Write, false)
		if !ok || tr.PA != 5 || tr.Attr != device || tr.Perm != PrivRead|PrivWrite|PrivExec || tr.NS == g.Secure {
			t.Errorf("EL%d off: %+v", el, tr)
		}
	}
}

func TestBigEndianTables(t *testing.T) {
	g := el1(tcr30)
	g.SCTLR |= sctlrEE
	var p [8]byte
	binary.BigEndian.PutUint64(p[:], 0x8000_0000|block)
	m := ram{0x1000_0000: binary.LittleEndian.Uint64(p[:])}
	want(t, m, &g, 0x1234, 0x8000_1234, 2<<20, 2)
}

func TestSecure(t *testing.T) {
	const s = 1 << 63 // Secure word of ram
	g := el1(tcr30)
	g.Secure = true
	m := ram{
		0x1000_0000 | s: 0x1000_1003, 0x1000_0008 | s: 0x1000_1003 | tableNS,
		0x1000_1000 | s: 0x8000_0000 | normal, 0x1000_1008 | s: 0x8000_1000 | normal | descNS,
		0x1000_1000: 0x9000_0000 | normal,
	}
	tests := []struct {
		va, pa    uint64
		ns, local bool
	}{
		{0, 0x8000_0000, false, false},
		{0x1000, 0x8000_1000, true, false},
		// Below NSTable the table is read from Non-secure memory, and its entries belong to the ASID.
		{0x20_0000, 0x9000_0000, true, true},
	}
	for _, tc := range tests {
		tr, f, ok := Walk(m, &g, tc.va, false, Execute, false)
		if !ok || tr.PA != tc.pa || tr.NS != tc.ns || tr.NonGlobal != tc.local {
			t.Errorf("va %#x: %+v %+v", tc.va, tr, f)
		}
	}
	g.SIF = true
	if _, f, ok := Walk(m, &g, 0, false, Execute, false); !ok {
		t.Errorf("SIF stops a Secure fetch: %+v", f)
	}
	wantFault(t, m, &g, 0x1000, false, Execute, 0b001111)
	wantFault(t, m, &g, 0x20_0000, true, Execute, 0b001111)
	want(t, m, &g, 0x1000, 0x8000_1000, 4096, 3)
	// A Non-secure regime sees neither NS nor NSTable nor SIF.
	g.Secure = false
	n := onePage(tableNS, normal)
	if tr, f, ok := Walk(n, &g, 0, false, Execute, false); !ok || !tr.NS || tr.NonGlobal {
		t.Errorf("Non-secure: %+v %+v", tr, f)
	}
}

func TestAttributes(t *testing.T) {
	g := el1(tcr30)
	for i, want := range []Attr{{0xff, 3}, {0x00, 2}, {0x04, 2}, {0xff, 3}, {0xbb, 3}, {0x44, 2}, {0x08, 2}, {0x0c, 2}} {
		tr, _, ok := Walk(onePage(0, normal|uint64(i)<<2), &g, 0, false, Read, false)
		if !ok || tr.Attr != want {
			t.Errorf("AttrIndx %d: %+v", i, tr.Attr)
		}
		kind := map[uint8]Type{0: DeviceNGnRnE, 4: DeviceNGnRE, 8: DeviceNGRE, 12: DeviceGRE}
		if k, device := kind[want.MAIR]; device != tr.Attr.Device() || device && tr.Attr.Type() != k || !device && tr.Attr.Type() != Normal {
			t.Errorf("AttrIndx %d: type %v", i, tr.Attr.Type())
		}
	}
}

func TestIdentifiers(t *testing.T) {
	g := Regime{EL: 1, TTBR0: 0x1234 << 48, TTBR1: 0x5678 << 48, VTTBR: 0x9abc << 48, Stage2: true}
	for tcr, want := range map[uint64]uint16{0: 0x34, 1 << 36: 0x1234, 1 << 22: 0x78, 1<<22 | 1<<36: 0x5678} {
		g.TCR = tcr
		if id := g.ASID(); id != want {
			t.Errorf("TCR %#x: ASID %#x", tcr, id)
		}
	}
	if g.VMID() != 0xbc {
		t.Errorf("VMID %#x", g.VMID())
	}
	g.VTCR = 1 << 19
	if g.VMID() != 0x9abc {
		t.Errorf("VMID %#x", g.VMID())
	}
	g.Stage2 = false
	if g.VMID() != 0 {
		t.Errorf("VMID %#x without stage 2", g.VMID())
	}
	g.EL = 3
	if g.ASID() != 0 {
		t.Errorf("ASID %#x at EL3", g.ASID())
	}
}

// Stage 2 with 4 KiB pages and 39 bits from level 1 on: the table is at 0x2000_0000.
func stage2(g Regime) Regime {
	g.Stage2, g.VTCR, g.VTTBR = true, 25|1<<6|5<<16, 0x2000_0000
	return g
}

const (
	s2leaf  = descAF | s2Read | s2Write | 0x3fd // Normal Write-Back, inner shareable, block
	s2table = 3
)

func TestStage2(t *testing.T) {
	g := stage2(el1(tcr30))
	m := ram{}
	m.zeros(0x2000_0000, 512)
	m[0x2000_0000] = 0x4000_0000 | s2leaf             // IPA 0 to 1 GiB at 1 GiB
	m[0x2000_0010] = 0x2000_1000 | s2table            // IPA 2 to 3 GiB
	m[0x2000_1000] = 0x2000_2000 | s2table            //
	m[0x2000_2000] = 0x9000_0000 | s2leaf | 2         // one page
	m[0x2000_2008] = 0x9000_1000 | s2leaf&^descAF | 2 //
	m[0x2000_2010] = 0x9000_2000 | s2leaf&^s2Write | 2
	m[0x2000_2018] = 0x9000_3000 | s2leaf&^s2Read | 2
	m[0x2000_2020] = 0x9000_4000 | s2leaf | 2<<53 | 2 // never executable
	m[0x2000_2028] = 0x9000_5000 | s2leaf | 1<<53 | 2 // by EL0 only
	m[0x2000_2030] = 0x9000_6000 | s2leaf | 3<<53 | 2 // by EL1 only
	// The stage 1 tables are at IPA 256 MiB, which is 1.25 GiB.
	m[0x5000_0000] = 0x1000_1003
	for i := range uint64(8) {
		m[0x5000_1000+8*i] = 0x8000_0000 + i<<12 | normal
	}
	m[0x5000_0008] = 0x0020_0000 | block
	m[0x5000_0010] = 0xc000_0000 | block // stage 2 has nothing there
	m[0x5000_0018] = 0xc000_0003         // nor there
	m[0x5000_0020] = 1<<39 | block       // outside of its range

	check := func(va uint64, user bool, acc Access, want Fault) {
		t.Helper()
		if tr, f, ok := Walk(m, &g, va, user, acc, false); ok || f != want {
			t.Errorf("va %#x user %t %v: %+v %+v %t; want %+v", va, user, acc, tr, f, ok, want)
		}
	}
	want(t, m, &g, 0x123, 0x9000_0123, 4096, 3)
	want(t, m, &g, 0x20_1234, 0x4020_1234, 2<<20, 2)
	check(0x1123, false, Read, Fault{Status: 0b001011, Level: 3, Stage2: true, IPA: 0x8000_1123})
	check(0x2123, false, Write, Fault{Status: 0b001111, Level: 3, Stage2: true, IPA: 0x8000_2123})
	check(0x3123, false, Read, Fault{Status: 0b001111, Level: 3, Stage2: true, IPA: 0x8000_3123})
	check(0x4123, false, Execute, Fault{Status: 0b001111, Level: 3, Stage2: true, IPA: 0x8000_4123})
	check(0x5123, false, Execute, Fault{Status: 0b001111, Level: 3, Stage2: true, IPA: 0x8000_5123})
	check(0x6123, true, Execute, Fault{Status: 0b001111, Level: 3, Stage2: true, IPA: 0x8000_6123})
	check(0x7123, false, Read, Fault{Status: 0b010111, Level: 3, Stage2: true, IPA: 0x8000_7123})
	check(0x40_0123, false, Read, Fault{Status: 0b000101, Level: 1, Stage2: true, IPA: 0xc000_0123})
	check(0x60_8123, false, Read, Fault{Status: 0b000101, Level: 1, Stage2: true, S1PTW: true, IPA: 0xc000_0040})
	check(0x80_0123, false, Read, Fault{Status: 0b000100, Level: 0, Stage2: true, IPA: 1<<39 | 0x123})
	for va, user := range map[uint64]bool{0x5000: true, 0x6000: false} {
		if _, f, ok := Walk(m, &g, va, user, Execute, false); !ok {
			t.Errorf("va %#x user %t: %+v", va, user, f)
		}
	}
	// Stage 1 faults come first.
	check(0x2123, true, Write, Fault{Status: 0b001111, Level: 3})
	// AT S1E1R gives the IPA, and still cannot read tables that stage 2 does not map.
	g.Stage1Only = true
	want(t, m, &g, 0x1123, 0x8000_1123, 4096, 3)
	check(0x60_8123, false, Read, Fault{Status: 0b000101, Level: 1, Stage2: true, S1PTW: true, IPA: 0xc000_0040})
	g.Stage1Only = false
	// HCR_EL2.PTW: no stage 1 tables in Device memory.
	m[0x2000_0000] &^= 0xf << 2
	want(t, m, &g, 0x123, 0x9000_0123, 4096, 3)
	g.HCR = hcrPTW
	check(0x123, false, Read, Fault{Status: 0b001101, Level: 1, Stage2: true, S1PTW: true, IPA: 0x1000_0000})
	// Stage 1 off: the address is the IPA.
	g.SCTLR, g.HCR = 0, 0
	want(t, m, &g, 0x8000_0123, 0x9000_0123, 4096, 0)
	// Stage 2 is for the Non-secure EL1&0 regime only.
	g.Secure = true
	want(t, m, &g, 0x8000_0123, 0x8000_0123, 1<<48, 0)
}

func TestStage2Setup(t *testing.T) {
	const s4, s64, s16 = 0, 1 << 14, 2 << 14
	tests := []struct {
		name   string
		vtcr   uint64
		pa     uint8
		status uint8
	}{
		{"4K, level 1, 39 bits", s4 | 25 | 1<<6, 48, 0b010101},
		{"4K, level 1, 40 bits in two tables", s4 | 24 | 1<<6, 48, 0b010101},
		{"4K, level 1, 43 bits in 16 tables", s4 | 21 | 1<<6, 48, 0b010101},
		{"4K, level 1, 44 bits", s4 | 20 | 1<<6, 48, 0b000100},
		{"4K, level 1, 31 bits", s4 | 33 | 1<<6, 48, 0b010101},
		{"4K, level 1, 30 bits", s4 | 34 | 1<<6, 48, 0b000100},
		{"4K, level 2, 30 bits", s4 | 34, 48, 0b010110},
		{"4K, level 0, 44 bits", s4 | 20 | 2<<6, 48, 0b010100},
		{"4K, level 0 with 40 bits of physical address", s4 | 24 | 2<<6, 40, 0b000100},
		{"4K, reserved start", s4 | 25 | 3<<6, 48, 0b000100},
		{"16K, level 1 with 40 bits", s16 | 24 | 2<<6, 40, 0b000100},
		{"16K, level 1 with 48 bits", s16 | 24 | 2<<6, 48, 0b010101},
		{"16K, level 3", s16 | 39, 48, 0b010111},
		{"64K, level 1 with 42 bits", s64 | 22 | 2<<6, 42, 0b000100},
		{"64K, level 1 with 44 bits", s64 | 20 | 2<<6, 44, 0b010101},
		{"64K, level 2", s64 | 24 | 1<<6, 48, 0b010110},
		{"wider than the physical address", s4 | 24 | 1<<6, 36, 0b000100},
		{"T0SZ below 16", s4 | 15 | 2<<6, 48, 0b000100},
		{"T0SZ above 39", s4 | 40, 48, 0b000100},
	}
	for _, tc := range tests {
		g := Regime{EL: 1, Stage2: true, VTCR: tc.vtcr | 5<<16, VTTBR: 0x2000_0000, PABits: tc.pa}
		// Nothing answers: the level of the external abort is the start level.
		_, f, ok := Walk(ram{}, &g, 0x1000, false, Read, false)
		if ok || f != (Fault{Status: tc.status, Level: tc.status & 3, Stage2: true, IPA: 0x1000}) {
			t.Errorf("%s: %+v %t; want status %06b", tc.name, f, ok, tc.status)
		}
	}
}

// DDI 0487, D8.5: the stricter type wins.
func TestCombine(t *testing.T) {
	const in, out, non = InnerShareable, OuterShareable, NonShareable
	tests := []struct {
		s1      Attr
		memAttr uint64
		sh      uint8
		hcr     uint64
		want    Attr
	}{
		{Attr{0xff, in}, 0b1111, in, 0, Attr{0xff, in}},
		{Attr{0xff, non}, 0b1111, in, 0, Attr{0xff, in}},
		{Attr{0xff, in}, 0b1111, out, 0, Attr{0xff, out}},
		{Attr{0xff, non}, 0b1111, non, 0, Attr{0xff, non}},
		{Attr{0xff, in}, 0b0101, non, 0, Attr{0x44, out}},
		{Attr{0x44, in}, 0b1111, non, 0, Attr{0x44, out}},
		{Attr{0xff, in}, 0b1010, non, 0, Attr{0xbb, in}},
		{Attr{0xef, in}, 0b1011, non, 0, Attr{0xaf, in}},
		{Attr{0xbb, in}, 0b1111, non, 0, Attr{0xbb, in}},
		{Attr{0x77, in}, 0b1010, non, 0, Attr{0xbb, in}}, // transient Write-Back
		{Attr{0x33, in}, 0b1010, non, 0, Attr{0x33, in}}, // transient Write-Through
		{Attr{0x4f, in}, 0b1111, non, 0, Attr{0x4f, in}},
		{Attr{0x00, out}, 0b1111, in, 0, Attr{0x00, out}},
		{Attr{0x0c, out}, 0b0101, in, 0, Attr{0x0c, out}},
		{Attr{0xff, in}, 0b0001, in, 0, Attr{0x04, out}},
		{Attr{0x08, out}, 0b0001, in, 0, Attr{0x04, out}},
		{Attr{0x04, out}, 0b0011, in, 0, Attr{0x04, out}},
		{Attr{0x0c, out}, 0b0000, in, 0, Attr{0x00, out}},
		{Attr{0xff, in}, 0b1111, in, hcrCD, Attr{0x44, out}},
		{Attr{0xff, in}, 0b1111, in, hcrID, Attr{0xff, in}},
		{Attr{0xff, in}, 0b0001, in, hcrCD, Attr{0x04, out}},
	}
	for _, tc := range tests {
		g := Regime{HCR: tc.hcr}
		if a := combine(tc.s1, stage2Attr(&g, tc.memAttr<<2|uint64(tc.sh)<<8, Read)); a != tc.want {
			t.Errorf("%+v with MemAttr %04b SH %02b HCR %#x: %+v, want %+v", tc.s1, tc.memAttr, tc.sh, tc.hcr, a, tc.want)
		}
	}
	g := Regime{HCR: hcrID}
	if a := stage2Attr(&g, 0b1111<<2, Execute); a.MAIR != 0x44 {
		t.Errorf("fetch with HCR_EL2.ID: %+v", a)
	}
}

func TestPAR(t *testing.T) {
	tests := []struct {
		name string
		t    Translation
		f    Fault
		ok   bool
		want uint64
	}{
		{"success", Translation{PA: 0x1234_5678_9abc, Attr: Attr{0xff, 3}}, Fault{}, true, 0xff00_1234_5678_9980},
		{"Non-secure", Translation{PA: 0x8000_0fff, NS: true, Attr: Attr{0x04, 2}}, Fault{}, true, 0x0400_0000_8000_0b00},
		{"translation fault", Translation{}, Fault{Status: 0b000111}, false, 0x80f},
		{"stage 2", Translation{}, Fault{Status: 0b001101, Stage2: true}, false, 0xa1b},
		{"stage 2 of a descriptor", Translation{}, Fault{Status: 0b000110, Stage2: true, S1PTW: true}, false, 0xb0d},
	}
	for _, tc := range tests {
		if par := PAR(tc.t, tc.f, tc.ok); par != tc.want {
			t.Errorf("%s: %#x, want %#x", tc.name, par, tc.want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	g := stage2(el1(tcr30))
	var rd Reader = ram{0x2000_0000: 0x4000_0000 | s2leaf, 0x5000_0000: 0x0020_0000 | block}
	if n := testing.AllocsPerRun(100, func() { Walk(rd, &g, 0x1234, false, Read, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// page is a table of valid pages, for the benchmark: a map would cost more than the walk.
type page [4 * 512]uint64

func (p *page) ReadTable(pa uint64, _ bool) (uint64, bool) { return p[pa>>3&2047], true }

func BenchmarkWalk4K(b *testing.B) {
	var p page
	for i := range 3 {
		p[i*512] = uint64(i+1)<<12 | 3
	}
	for i := range uint64(512) {
		p[3*512+i] = 0x8000_0000 + i<<12 | normal
	}
	g := el1(tcr48)
	g.TTBR0 = 0
	for i := 0; b.Loop(); i++ {
		if _, _, ok := Walk(&p, &g, uint64(i&511)<<12, false, Read, false); !ok {
			b.Fatal("fault")
		}
	}
}
