package ffa

import "testing"

func TestMemoryAttributes(t *testing.T) {
	if NormalWriteBackInner != 0x2F {
		t.Errorf("normal write-back inner shareable = %#x, want 0x2f", uint16(NormalWriteBackInner))
	}
	for a, want := range map[MemoryAttributes]string{
		0x00: "unspecified", 0x2F: "normal-wb-ish", 0x24: "normal-nc-nsh", 0x2E: "normal-wb-osh", 0x6F: "normal-wb-ish-ns",
		0x10: "device-nGnRnE", 0x14: "device-nGnRE", 0x18: "device-nGRE", 0x1C: "device-GRE", 0x30: "reserved",
		0x03: "unspecified-0x3", 0x12F: "normal-wb-ish-0x100", 0x21: "normal-reserved-reserved",
	} {
		if a.String() != want {
			t.Errorf("%#x = %q, want %q", uint16(a), a, want)
		}
	}
}

func TestPermissions(t *testing.T) {
	for p, want := range map[Permissions]string{
		0: "unspecified", 1: "RO", 2: "RW", 3: "reserved", 4: "NX", 5: "RO+NX", 6: "RW+NX", 0xA: "RW+X", 0xC: "reserved",
		0x12: "RW+0x10",
	} {
		if p.String() != want {
			t.Errorf("%#x = %q, want %q", uint8(p), p, want)
		}
	}
}

func TestMemoryFlags(t *testing.T) {
	for f, want := range map[MemoryFlags]string{
		0: "0", 1: "zero", 2: "time-slice", 7: "zero|time-slice|zero-after", 0x08: "share", 0x10: "lend", 0x19: "zero|donate",
		0x400: "bypass", 0x200: "hint", 0x80000000: "0x80000000",
	} {
		if f.String() != want {
			t.Errorf("%#x = %q, want %q", uint32(f), f, want)
		}
	}
}

func TestTransactionKindOfFunction(t *testing.T) {
	for f, want := range map[Function]TransactionKind{
		MemShare32: Share, MemShare64: Share, MemLend32: Lend, MemLend64: Lend, MemDonate32: Donate, MemDonate64: Donate,
		MemRetrieveReq32: RetrieveRequest, MemRetrieveReq64: RetrieveRequest, MemRetrieveResp32: RetrieveResponse,
	} {
		if k, ok := f.Transaction(); k != want || !ok {
			t.Errorf("%v carries %v, %v", f, k, ok)
		}
	}
	if k, ok := MemReclaim32.Transaction(); ok {
		t.Errorf("FFA_MEM_RECLAIM carries %v", k)
	}
	for k, want := range map[TransactionKind]MemoryFlags{Share: 0x08, Lend: 0x10, Donate: 0x18, RetrieveRequest: 0} {
		if k.Flag() != want || k.Send() != (want != 0) {
			t.Errorf("%v: flag %#x, send %v", k, k.Flag(), k.Send())
		}
	}
	if s := TransactionKind(99).String(); s != "transaction kind 0x63" {
		t.Errorf("kind 99 is %q", s)
	}
}

func TestHandle(t *testing.T) {
	if !InvalidHandle.ByHypervisor() || Handle(1).ByHypervisor() || !Handle(1<<63).ByHypervisor() {
		t.Error("bit 63 of the handle")
	}
	if s := Handle(0x100000000001).String(); s != "0x100000000001" {
		t.Errorf("handle prints as %q", s)
	}
}
