package bus

import (
	"strconv"
	"strings"
)

// NSAIDs is how many non-secure access identities there are (DDI 0504, 2.2).
const NSAIDs = 16

var nsaidNames = [NSAIDs]string{
	NSAIDDefault: "default", NSAIDPCI: "pci", NSAIDHDLCD: "hdlcd", NSAIDCrypto: "crypto", NSAIDDecoder: "decoder",
	NSAIDTransform: "transform", NSAIDDMA: "dma", NSAIDCLCD: "clcd", NSAIDVirtio: "virtio", NSAIDAP: "ap",
	NSAIDCamera: "camera", NSAIDEncoder: "encoder", NSAIDInput: "input", NSAIDCryptoProtected: "crypto-protected",
}

// NSAIDName names the masters with an identity: "ap", "dma", or the number where the board has none.
func NSAIDName(id uint8) string {
	if id < NSAIDs && nsaidNames[id] != "" {
		return nsaidNames[id]
	}
	return strconv.Itoa(int(id))
}

// NSAIDSet names a set of identities, one bit each: "hdlcd|dma|12", "none", "all".
func NSAIDSet(mask uint16) string {
	switch mask {
	case 0:
		return "none"
	case 1<<NSAIDs - 1:
		return "all"
	}
	var s []string
	for id := range uint8(NSAIDs) {
		if mask>>id&1 != 0 {
			s = append(s, NSAIDName(id))
		}
	}
	return strings.Join(s, "|")
}
