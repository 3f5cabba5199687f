// Package insttest runs single A64 instructions on QEMU, for tests that compare with it.
//
// Instruction words with the register state before each enter [Run]; the state after each, and memory that they share, come out.
// The guest is in guest.S. Package qemutest says what happens where the tools are missing.
package insttest

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/platform/internal/qemutest"
)

// Record is the state before or after an instruction, in the layout that guest.S knows.
type Record struct {
	X                [31]uint64
	NZCV, FPCR, FPSR uint64
	Code             uint64 // address of the instruction, see Address
	ESR              uint64 // after: zero if the instruction was executed, else its syndrome
	V                [32][2]uint64
}

// Addresses in the guest, as guest.S has them.
const (
	dataBase   = 0x44000000
	headerSize = 0x1000
	codeBase   = 0x42000000
	after      = 0x40081000
	recordSize = 800
)

// guest and script are the program that runs the instructions.
var (
	//go:embed guest.S
	guest []byte
	//go:embed guest.ld
	script []byte
)

// Address is where instruction i is.
func Address(i int) uint64 { return codeBase + 8*uint64(i) }

// MemoryBase is where the memory of a run of n instructions begins.
func MemoryBase(n int) uint64 { return dataBase + headerSize + recordSize*uint64(n) }

// Program gives the guest for a run as an ELF file, and the memory images that have to be loaded with it, by address. The guest
// writes the records, followed by the memory, to the file named by semihosting and ends with PSCI SYSTEM_OFF by HVC.
func Program(t testing.TB, file string, words []uint32, before []Record, memory []byte) (elf string, images map[uint64][]byte) {
	t.Helper()
	var code []byte
	records := make([]Record, len(before))
	for i, w := range words {
		records[i] = before[i]
		records[i].Code = Address(i)
		code = binary.LittleEndian.AppendUint32(code, w)
		code = binary.LittleEndian.AppendUint32(code, 0b000101<<26|uint32(after-(Address(i)+4))>>2&0x3ffffff)
	}
	data := make([]byte, headerSize)
	data, err := binary.Append(data, binary.LittleEndian, records)
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, memory...)
	for i, v := range []uint64{uint64(len(words)), uint64(len(file)), uint64(len(data) - headerSize)} {
		binary.LittleEndian.PutUint64(data[8*i:], v)
	}
	copy(data[32:], file)
	dir := t.TempDir()
	source, link := filepath.Join(dir, "guest.S"), filepath.Join(dir, "guest.ld")
	for name, content := range map[string][]byte{source: guest, link: script} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return qemutest.Build(t, link, source), map[uint64][]byte{codeBase: code, dataBase: data}
}

// Result splits what the guest wrote.
func Result(t testing.TB, file string, n int) (records []Record, memory []byte) {
	t.Helper()
	out, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	records = make([]Record, n)
	used, err := binary.Decode(out, binary.LittleEndian, records)
	if err != nil {
		t.Fatalf("%d bytes of results: %v", len(out), err)
	}
	for i := range records {
		records[i].Code = 0
	}
	return records, out[used:]
}

// Run executes each word on its record, one after the other, at EL1 of a CPU that QEMU knows, with all memory mapped as Normal.
func Run(t testing.TB, cpu string, words []uint32, before []Record, memory []byte) ([]Record, []byte) {
	t.Helper()
	dir := t.TempDir()
	result := filepath.Join(dir, "result")
	elf, images := Program(t, result, words, before, memory)
	args := []string{"-M", "virt", "-cpu", cpu, "-m", "512", "-semihosting-config", "enable=on,target=native", "-kernel", elf}
	for address, content := range images {
		name := filepath.Join(dir, fmt.Sprintf("%x", address))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-device", fmt.Sprintf("loader,file=%s,addr=%#x,force-raw=on", name, address))
	}
	qemutest.Run(t, 2*time.Minute, args...)
	return Result(t, result, len(words))
}
