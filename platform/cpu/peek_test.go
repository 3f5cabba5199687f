package cpu

import (
	"bytes"
	"testing"
)

// A peek sees what a load would, across pages of one virtual range, and stops where a load would fault. The processor does not
// notice.
func TestPeek(t *testing.T) {
	const code, l1, l2, l3 = testBase + 0x1000, testBase + 0x20000, testBase + 0x21000, testBase + 0x22000
	r := newRig(t)
	a := &pageTable{r, l1, l2, l3}
	a.build()
	r.put64(l3+8*6, (testBase+0x12000)|descPage|descAF) // page 6; page 7 is not mapped
	r.put64(l3+8*8, (testBase+0x13000)|descPage)        // page 8 without its access flag
	r.put64(l3+8*9, 0x9000_0000|descPage|descAF)        // page 9 is where nothing answers
	r.put64(testBase+0x10ff8, 0x1111111111111111)
	r.put64(testBase+0x12000, 0x2222222222222222)
	r.put64(testBase+0x12ff8, 0x3333333333333333)

	// MMU off: addresses are physical.
	var b [16]byte
	if n := r.c.Peek(testBase+0x10ff8, b[:8]); n != 8 || b[0] != 0x11 {
		t.Errorf("MMU off: %d, % x", n, b)
	}
	for _, va := range []uint64{0, testBase - 16, testBase + testSize, ^uint64(0) - 7, 1 << 60} {
		if n := r.c.Peek(va, b[:8]); n != 0 {
			t.Errorf("MMU off, %#x: %d bytes", va, n)
		}
	}
	if n := r.c.Peek(testBase+testSize-4, b[:]); n != 4 {
		t.Errorf("the end of RAM: %d bytes", n)
	}

	var p []uint32
	p = append(p, load64(8, 32|1<<8|1<<10|3<<12|1<<23)...)
	p = append(p, msr(sysTCREL1, 8), movz(8, 0xff, 0), msr(sysMAIREL1, 8))
	p = append(p, load64(8, l1)...)
	p = append(p, msr(sysTTBR0EL1, 8), isb)
	p = append(p, load64(8, sctlr1Reset|1)...)
	r.put(code, append(p, msr(sysSCTLREL1, 8), isb, hvcOff)...)
	r.run(code, 1000)
	before := *r.c
	for _, tc := range []struct {
		va   uint64
		want []byte
	}{
		{0x5ff8, append(bytes.Repeat([]byte{0x11}, 8), bytes.Repeat([]byte{0x22}, 8)...)},
		{0x6ff8, bytes.Repeat([]byte{0x33}, 8)},
		{0x6fff, []byte{0x33}},
		{0x7000, nil},
		{0x8000, nil},
		{0x9000, nil},
		{0, nil},
		{0x8000_0000, nil},
		{0xffff_ffff_ffff_fff8, nil},
		{0x5500_0000_0000_5ff8, nil}, // no top byte is ignored
	} {
		n := r.c.Peek(tc.va, b[:])
		if !bytes.Equal(b[:n], tc.want) {
			t.Errorf("%#x: % x, want % x", tc.va, b[:n], tc.want)
		}
	}
	r.deny.set(testBase+0x12000, true, false)
	if n := r.c.Peek(0x5ff8, b[:]); n != 8 {
		t.Errorf("behind the firewall: %d bytes", n)
	}
	r.deny.set(^uint64(0), false, false)
	before.check = r.c.check // a change of the firewall is looked at
	if after := *r.c; after.PC != before.PC || after.X != before.X || after.sys != before.sys || after.el != before.el || after.waiting != before.waiting {
		t.Error("the processor changed")
	}
}
