package ffa

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// unhex reads bytes written as hexadecimal with spaces and line breaks between the fields.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var sample = PartitionInfo{
	ID: 0x8001, ExecutionContexts: 4, Properties: 0x1F2F, UUID: optee,
	ImageUUID: UUID{0xAA, 15: 0xBB}, Version: Version1_2,
}

func TestPartitionInfoLayout(t *testing.T) {
	const (
		uuid  = "486178e0 e7f811e3 bc5e0002 a5d5c51b"
		image = "aa000000 00000000 00000000 000000bb"
	)
	for _, c := range []struct {
		v    Version
		want string
	}{
		{Version1_0, "0180 0400 07000000"},
		{Version1_1, "0180 0400 2f010000" + uuid},
		{Version1_2, "0180 0400 2f070000" + uuid},
		{Version1_3, "0180 0400 2f1f0000" + uuid + image + "02000100 00000000"},
	} {
		want := unhex(t, c.want)
		got := sample.AppendTo(nil, c.v)
		if !bytes.Equal(got, want) {
			t.Errorf("version %v: %x, want %x", c.v, got, want)
		}
		if int(PartitionInfoSize(c.v)) != len(want) {
			t.Errorf("version %v: size %d, want %d", c.v, PartitionInfoSize(c.v), len(want))
		}
		p, err := ParsePartitionInfo(want, uint32(len(want)))
		if err != nil {
			t.Errorf("version %v: %v", c.v, err)
		}
		expect := sample
		expect.Properties = sample.Properties.Visible(c.v)
		if c.v < Version1_1 {
			expect.UUID = UUID{}
		}
		if c.v < Version1_3 {
			expect.ImageUUID, expect.Version = UUID{}, 0
		}
		if p != expect {
			t.Errorf("version %v: parsed %+v, want %+v", c.v, p, expect)
		}
	}
}

func TestPropertiesVisible(t *testing.T) {
	for v, want := range map[Version]PartitionProperties{
		Version1_0: 0x7, Version1_1: 0x1FF, Version1_2: 0x7FF, Version1_3: 0x1FFF,
	} {
		if got := PartitionProperties(0xFFFFFFFF).Visible(v); got != want {
			t.Errorf("version %v sees %#x, want %#x", v, got, want)
		}
	}
	if PropAArch64 != 1<<8 || PropReceivesDirectReq2 != 1<<9 || PropNotifications != 1<<3 || PropCPURendezvous != 1<<12 {
		t.Error("property bits moved")
	}
}

func TestParsePartitionInfoRefuses(t *testing.T) {
	good := sample.AppendTo(nil, Version1_3)
	dirty := bytes.Clone(good)
	dirty[44] = 1
	for _, c := range []struct {
		b     []byte
		size  uint32
		field string
		rule  Rule
	}{
		{good, 0, "descriptor size", RuleReservedValue},
		{good, 7, "descriptor size", RuleReservedValue},
		{good, 25, "descriptor size", RuleReservedValue},
		{good[:23], 24, "descriptor size", RuleTruncated},
		{good, 0xFFFFFFF8, "descriptor size", RuleTruncated},
		{dirty, 48, "reserved @44", RuleMustBeZero},
	} {
		_, err := ParsePartitionInfo(c.b, c.size)
		checkFieldError(t, c.b, err, c.field, c.rule, InvalidParameters)
	}
	// A descriptor of a later version is longer; its known part is read.
	if p, err := ParsePartitionInfo(append(good, 1, 2, 3, 4, 5, 6, 7, 8), 56); err != nil || p.ID != 0x8001 {
		t.Errorf("56-byte descriptor: %+v, %v", p, err)
	}
}

func TestPartitionInfoRegsLayout(t *testing.T) {
	all := []PartitionInfo{{ID: 0x8001, ExecutionContexts: 8, Properties: 0x10B, UUID: optee}}
	r, err := PartitionInfoRegsReply(all, 0, 0, Version1_2)
	if err != nil {
		t.Fatal(err)
	}
	// last 0, current 0, tag 0, 24 bytes; {id | contexts<<16 | properties<<32}, UUID octets 0-7, 8-15.
	want := Registers{0xC4000061, 0, 24 << 48, 0x0000010B_0008_8001, 0xe311f8e7e0786148, 0x1bc5d5a502005ebc}
	if r != want {
		t.Errorf("reply = %x, want %x", r, want)
	}
	// A hypothetical reply with the 48-byte descriptor of version 1.3: two fit.
	r = Registers{0xC4000061, 0, 48<<48 | 9<<32 | 1<<16 | 1,
		0x8001, 1, 2, 3, 4, 0x10003, 0x8002, 5, 6, 7, 8, 0x10002}
	p, err := ParsePartitionInfoRegs(&r, 0)
	if err != nil || p.Count != 2 || p.Tag != 9 || p.Records[1].ID != 0x8002 ||
		p.Records[1].ImageUUID != UUIDFromPair(7, 8) || p.Records[0].Version != Version1_3 {
		t.Errorf("48-byte descriptors: %+v, %v", p, err)
	}
}

// Twelve partitions need three calls, as Linux makes them: next start is current + 1 until current is last.
func TestPartitionInfoRegsPaging(t *testing.T) {
	var all []PartitionInfo
	for i := range 12 {
		all = append(all, PartitionInfo{ID: EndpointID(0x8001 + i), ExecutionContexts: uint16(i), UUID: UUID{byte(i)}})
	}
	var got []PartitionInfo
	calls, start, tag := 0, uint16(0), uint16(0)
	for {
		r, err := PartitionInfoRegsReply(all, start, 0x77, Version1_2)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePartitionInfoRegs(&r, start)
		if err != nil {
			t.Fatal(err)
		}
		calls++
		tag = p.Tag
		if p.Last != 11 || p.Size != 24 {
			t.Fatalf("header %+v", p)
		}
		got = append(got, p.Records[:p.Count]...)
		if p.Current == p.Last {
			break
		}
		start = p.Current + 1
	}
	if calls != 3 || tag != 0x77 || len(got) != len(all) {
		t.Fatalf("%d calls, tag %#x, %d records", calls, tag, len(got))
	}
	for i := range all {
		if got[i] != all[i] {
			t.Errorf("record %d: %+v, want %+v", i, got[i], all[i])
		}
	}
	if _, err := PartitionInfoRegsReply(all, 12, 0, Version1_2); !errors.Is(err, InvalidParameters) {
		t.Errorf("start 12 of 12: %v", err)
	}
	if _, err := PartitionInfoRegsReply(nil, 0, 0, Version1_2); !errors.Is(err, InvalidParameters) {
		t.Errorf("no partitions: %v", err)
	}
}

// What Linux refuses in a reply.
func TestPartitionInfoRegsRefused(t *testing.T) {
	for _, c := range []struct {
		x2    uint64
		start uint16
		field string
		rule  Rule
	}{
		{24<<48 | 0<<16 | 3, 1, "current index", RuleOutOfBounds},
		{24<<48 | 4<<16 | 3, 0, "current index", RuleOutOfBounds},
		{16 << 48, 0, "descriptor size", RuleReservedValue},
		{28 << 48, 0, "descriptor size", RuleReservedValue},
		{24<<48 | 5<<16 | 9, 0, "current index", RuleCountTooLarge},
		{48<<48 | 2<<16 | 9, 0, "current index", RuleCountTooLarge},
		{0xFFF8 << 48, 0, "current index", RuleCountTooLarge},
	} {
		r := Registers{0: uint64(Success64), 2: c.x2}
		_, err := ParsePartitionInfoRegs(&r, c.start)
		checkFieldError(t, r, err, c.field, c.rule, InvalidParameters)
	}
}

func FuzzPartitionInfo(f *testing.F) {
	f.Add(sample.AppendTo(nil, Version1_3), uint32(48))
	f.Add(sample.AppendTo(nil, Version1_2), uint32(24))
	f.Add(sample.AppendTo(nil, Version1_0), uint32(8))
	f.Fuzz(func(t *testing.T, b []byte, size uint32) {
		p, err := ParsePartitionInfo(b, size)
		if err != nil {
			return
		}
		v := Version1_0
		switch {
		case size >= 48:
			v = Version1_3
		case size >= 24:
			v = Version1_2
		}
		p.Properties = p.Properties.Visible(v)
		again, err := ParsePartitionInfo(p.AppendTo(nil, v), PartitionInfoSize(v))
		if err != nil || again != p {
			t.Errorf("%+v becomes %+v, %v", p, again, err)
		}
	})
}
