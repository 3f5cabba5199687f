package mmu_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"gatehouse/platform"
	"gatehouse/platform/loader"
	"gatehouse/platform/mmu"
)

// TestMachine runs the guest of TestQEMU on the machine: what its processor makes of the walks, with its TLB, its copies of the
// system registers and its exceptions, is compared with Walk itself.
func TestMachine(t *testing.T) {
	elf, files, compare := mmu.Scenario(t, "cortex-a57", 44)
	data, err := os.ReadFile(elf)
	if err != nil {
		t.Fatal(err)
	}
	var out, warnings bytes.Buffer
	cfg := platform.Config{CPU: "cortex-a57", RAM: 2 << 30, SecureWorld: platform.SecureGuest, EL2: true, Semihosting: true, Warnings: &warnings}
	cfg.Serial[0] = &out
	kernel, err := loader.Parse("guest", data, cfg.Range())
	if err != nil {
		t.Fatal(err)
	}
	// Firmware that jumps to the guest: LDR X0, .+8; BR X0; the address.
	cfg.BIOS = binary.LittleEndian.AppendUint32(nil, 0x5800_0040)
	cfg.BIOS = binary.LittleEndian.AppendUint32(cfg.BIOS, 0xd61f_0000)
	cfg.BIOS = binary.LittleEndian.AppendUint64(cfg.BIOS, kernel.Entry)
	cfg.Blobs = []*loader.Image{kernel}
	for addr, data := range files {
		blob, err := loader.ParseBlob("memory", data, addr, cfg.Range())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Blobs = append(cfg.Blobs, blob)
	}
	m, err := platform.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if exit := m.Run(ctx); exit.Reason != platform.Exited || exit.Code != 0 {
		t.Fatalf("%+v after %d instructions\n%s", exit, m.Retired(), warnings.Bytes())
	}
	compare(out.Bytes())
}
