package bus

import "testing"

func TestNSAIDNames(t *testing.T) {
	for id, want := range map[uint8]string{NSAIDDefault: "default", NSAIDDMA: "dma", NSAIDAP: "ap", NSAIDInput: "input", 14: "14", 15: "15", 16: "16", 255: "255"} {
		if got := NSAIDName(id); got != want {
			t.Errorf("%d: %s, want %s", id, got, want)
		}
	}
	seen := map[string]bool{}
	for id := range uint8(NSAIDs) {
		if name := NSAIDName(id); seen[name] {
			t.Errorf("two identities are %s", name)
		} else {
			seen[name] = true
		}
	}
	for mask, want := range map[uint16]string{0: "none", 0xFFFF: "all", 1: "default", 0x8000: "15", 0x34: "hdlcd|decoder|transform",
		0x7FFF: "default|pci|hdlcd|crypto|decoder|transform|dma|clcd|virtio|ap|camera|encoder|input|crypto-protected|14"} {
		if got := NSAIDSet(mask); got != want {
			t.Errorf("%#x: %s, want %s", mask, got, want)
		}
	}
}
