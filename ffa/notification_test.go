package ffa

import (
	"slices"
	"testing"
)

// The example of the specification's layout: an SP with pending notifications on vCPUs 0, 1 and 5, and a
// VM with global ones.
func TestNotificationInfoLayout(t *testing.T) {
	n := NotificationInfo{SMC64: true}
	if !n.Add(0x8001, 0, 1, 5) || !n.Add(2) {
		t.Fatal("lists do not fit")
	}
	// Two lists; sizes-1 are 3 and 0; ids 8001 0000 0001 0005 | 0002.
	want := Registers{0xC4000061, 0, 2<<7 | 3<<12, 0x0005_0001_0000_8001, 0x2}
	if got := n.Registers(); got != want {
		t.Errorf("SMC64 reply = %x, want %x", got, want)
	}
	n = NotificationInfo{More: true}
	n.Add(0x8001, 0, 1, 5)
	n.Add(2)
	want = Registers{0x84000061, 0, 2<<7 | 3<<12 | 1, 0x0000_8001, 0x0005_0001, 0x2}
	if got := n.Registers(); got != want {
		t.Errorf("SMC32 reply = %x, want %x", got, want)
	}
	p, err := ParseNotificationInfo(&want)
	if err != nil || p != n {
		t.Fatalf("parsed %+v, %v", p, err)
	}
	if id, vcpus := p.List(0); id != 0x8001 || !slices.Equal(vcpus, []uint16{0, 1, 5}) {
		t.Errorf("list 0 = %v %v", id, vcpus)
	}
	if id, vcpus := p.List(1); id != 2 || len(vcpus) != 0 || p.Len() != 2 {
		t.Errorf("list 1 = %v %v", id, vcpus)
	}
}

func TestNotificationInfoCapacity(t *testing.T) {
	for _, c := range []struct {
		smc64 bool
		want  int
	}{{true, 20}, {false, 10}} {
		n := NotificationInfo{SMC64: c.smc64}
		added := 0
		for n.Add(EndpointID(added)) {
			added++
		}
		if added != c.want || !n.More || n.Len() != c.want {
			t.Errorf("smc64=%v: %d single lists, more=%v", c.smc64, added, n.More)
		}
		r := n.Registers()
		if p, err := ParseNotificationInfo(&r); err != nil || p != n {
			t.Errorf("smc64=%v: %+v, %v", c.smc64, p, err)
		}
	}
	n := NotificationInfo{SMC64: true}
	for i := range 5 {
		if !n.Add(EndpointID(i), 1, 2, 3) {
			t.Fatalf("list %d of four ids does not fit", i)
		}
	}
	if n.Add(9) || !n.More {
		t.Error("a twenty-first id fits")
	}
}

func TestNotificationInfoAddPanicsOnFourVCPUs(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("four vCPUs in one list were accepted")
		}
	}()
	new(NotificationInfo).Add(1, 1, 2, 3, 4)
}
