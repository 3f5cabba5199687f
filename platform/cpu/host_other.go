//go:build !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm)

package cpu

import (
	"encoding/binary"

	"gatehouse/platform/bus"
)

// The interpreter's loads and stores of RAM on hosts that are not little-endian; host_unsafe.go has the others.

func ld16(p *bus.Page, off uint64) uint16 { return binary.LittleEndian.Uint16(p[off:]) }
func ld32(p *bus.Page, off uint64) uint32 { return binary.LittleEndian.Uint32(p[off:]) }
func ld64(p *bus.Page, off uint64) uint64 { return binary.LittleEndian.Uint64(p[off:]) }

func st16(p *bus.Page, off uint64, v uint16) { binary.LittleEndian.PutUint16(p[off:], v) }
func st32(p *bus.Page, off uint64, v uint32) { binary.LittleEndian.PutUint32(p[off:], v) }
func st64(p *bus.Page, off uint64, v uint64) { binary.LittleEndian.PutUint64(p[off:], v) }
