package platform_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/devices/crypto"
	"gatehouse/devices/tzc400"
	"gatehouse/platform"
	"gatehouse/platform/bus"
)

// TestCrypto finds the crypto engine in the device tree, loads a key as the secure world, and follows a job of the normal world to the
// interrupt controller. Its identities are those that the firewall of a machine tells apart.
func TestCrypto(t *testing.T) {
	m := newMachine(t, platform.Config{TZASC: true})
	tree, err := dt.ReadFDT(bytes.NewReader(m.DTB()))
	if err != nil {
		t.Fatal(err)
	}
	n, ok := tree.RootNode.LookupChildByName("crypto@b110000")
	if !ok {
		t.Fatal("no node")
	}
	for name, want := range map[string][]byte{
		"compatible": []byte("gatehouse,crypto\x00"), "interrupts": {0, 0, 0, 0, 0, 0, 0, 130, 0, 0, 0, 4},
		"reg": binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 0x0B11_0000), 0x2000),
	} {
		if p, _ := n.LookProperty(name); p == nil || !bytes.Equal(p.Value, want) {
			t.Errorf("%s: %v, want % x", name, p, want)
		}
	}
	const buffer, open = platform.RAMBase + 0x40_0000, platform.RAMBase + 0x50_0000
	p, s := newMaster(t, m, apAttr), newMaster(t, m, secureAttr)
	restrict := func(ids uint64) {
		const r = 7 * tzc400.RegionStride
		s.set(platform.TZCBase+tzc400.RegionAttributes+r, 4, 0)
		s.set(platform.TZCBase+tzc400.RegionBaseLow+r, 4, buffer)
		s.set(platform.TZCBase+tzc400.RegionTopLow+r, 4, buffer+0xFFFF)
		s.set(platform.TZCBase+tzc400.RegionIDAccess+r, 4, ids<<16|ids)
		s.set(platform.TZCBase+tzc400.RegionAttributes+r, 4, 0xC000_000F)
	}
	const attr = crypto.AttrNormal | crypto.AttrEncrypt | crypto.AttrCounter
	load := func(more uint64) {
		s.set(platform.CryptoBase+crypto.SecureBank+crypto.KeyAttr, 4, attr|more)
		s.set(platform.CryptoBase+crypto.SecureBank+crypto.KeyCommand, 4, crypto.Load)
	}
	run := func(from, to uint64) crypto.Result {
		for off, v := range map[uint64]uint64{crypto.Length: 64, crypto.Source: from, crypto.Destination: to, crypto.IntMask: crypto.Done} {
			p.set(platform.CryptoBase+off, 4, v)
		}
		p.set(platform.CryptoBase+crypto.Control, 4, crypto.Start)
		m.Elapse(1_000_000)
		return crypto.Result(p.get(platform.CryptoBase+crypto.Status, 4) >> crypto.ResultShift)
	}
	p.set(platform.GICDBase+0x080+160/32*4, 4, 0xFFFF_FFFF) // group 1, so that a non-secure read shows them
	pending := func() bool { return p.get(platform.GICDBase+0x200+160/32*4, 4)>>(130%32)&1 != 0 }
	if r := run(open, open+64); r != crypto.NoKey || pending() {
		t.Errorf("without a key: %v, interrupt %v", r, pending())
	}
	load(0)
	if r := run(open, open+64); r != crypto.OK || !pending() {
		t.Errorf("with a key: %v, interrupt %v", r, pending())
	}
	p.set(platform.CryptoBase+crypto.IntRaw, 4, crypto.Done)
	if pending() {
		t.Error("the interrupt stays")
	}
	const normal, protected, ordinary = 0, crypto.AsProtected << crypto.AttrDest, crypto.AsOrdinary << crypto.AttrDest
	for _, tc := range []struct {
		ids  uint64
		as   uint64
		to   uint64
		want crypto.Result
	}{
		{1 << bus.NSAIDCrypto, normal, buffer, crypto.OK}, {0xFFFF &^ (1 << bus.NSAIDCrypto), normal, buffer, crypto.Fault},
		{1 << bus.NSAIDCryptoProtected, protected, buffer, crypto.OK}, {0xFFFF &^ (1 << bus.NSAIDCryptoProtected), protected, buffer, crypto.Fault},
		{1 << bus.NSAIDDefault, ordinary, buffer, crypto.OK}, {0xFFFF &^ (1 << bus.NSAIDDefault), ordinary, buffer, crypto.Fault},
		{0, normal, open, crypto.OK}, {0, protected, open, crypto.Fault}, {0, ordinary, open, crypto.OK},
	} {
		restrict(tc.ids)
		load(tc.as)
		if r := run(open+128, tc.to); r != tc.want {
			t.Errorf("%+v: %v", tc, r)
		}
	}
	if v, r := p.Load(platform.CryptoBase+crypto.SecureBank, 4); r != bus.DECERR || v != 0 {
		t.Errorf("the normal world reads the secure bank: %#x, %v", v, r)
	}
	if err := m.Reset(); err != nil {
		t.Fatal(err)
	}
	if v := p.get(platform.CryptoBase+crypto.SlotAttr, 4); v != 0 {
		t.Errorf("slot 0 is %#x after a reset", v)
	}
}
