package platform_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"gatehouse/platform"
)

// words gives raw code, which is loaded at 0x40080000.
func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// TestEveryProcessorOff lets the only processor switch itself off: PSCI CPU_OFF by SMC.
func TestEveryProcessorOff(t *testing.T) {
	code := words(
		0xd2800040, 0xf2b08000, // mov x0, #0x84000002
		0xd4000003, // smc #0
		0x14000000) // b .
	_, _, exit := boot(t, "off", code, nil)
	if exit.Reason != platform.Failed || exit.Code != 1 || !strings.Contains(exit.Message, "every processor is off") {
		t.Errorf("ended with %+v", exit)
	}
}

// TestFirmwareBehindClosedGates starts firmware at EL3 with a TZC-400 whose gates nobody has opened: RAM is out of reach until
// it does, and then holds the device tree.
func TestFirmwareBehindClosedGates(t *testing.T) {
	// Flash at 0. The vector at 0x800 + 0x200 holds "mov x9, #1; mrs x10, elr_el3; add x10, x10, #4; msr elr_el3, x10; eret".
	bios := make([]byte, 0x1000)
	copy(bios, words(
		0xd2810008, 0xd51ec008, // mov x8, #0x800; msr vbar_el3, x8
		0xd2a80001,                         // mov x1, #0x40000000
		0xd2800009,                         // mov x9, #0
		0xb9400022,                         // ldr w2, [x1]: aborts
		0xd2a16003,                         // mov x3, #0x0b000000
		0x52800024,                         // mov w4, #1
		0xb9000864,                         // str w4, [x3, #8]: GATE_KEEPER
		0xb9400025,                         // ldr w5, [x1]
		0xd2a12006,                         // mov x6, #0x09000000
		0x9100c129,                         // add x9, x9, #48
		0x390000c9,                         // strb w9, [x6]: "1" when the first load aborted
		0x53007ca7,                         // lsr w7, w5, #0
		0x390000c7,                         // strb w7, [x6]: the first byte of the tree, 0xd0
		0x52800300,                         // mov w0, #0x18
		0x100000a1,                         // adr x1, .+20
		0xd45e0000,                         // hlt #0xf000
		0x14000000, 0xd503201f, 0xd503201f, // b .; padding
		0x00020026, 0, 0, 0)) // ADP_Stopped_ApplicationExit, 0
	copy(bios[0xa00:], words(0xd2800029, 0xd53e402a, 0x9100114a, 0xd51e402a, 0xd69f03e0))
	out, _, exit := boot(t, "firmware", nil, func(c *platform.Config) {
		c.SecureWorld, c.BIOS = platform.SecureGuest, bios
	})
	if exit.Reason != platform.Exited || exit.Code != 0 {
		t.Errorf("ended with %+v", exit)
	}
	if out != "1\xd0" {
		t.Errorf("printed %q, want an abort, then the first byte of the device tree's magic", out)
	}
}
