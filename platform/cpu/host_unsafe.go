//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm

package cpu

import (
	"unsafe"

	"gatehouse/platform/bus"
)

// The interpreter's loads and stores of RAM on little-endian hosts. They are small enough to be inlined into its loop, which the
// functions of encoding/binary are not. off is a multiple of the size, below the page's size: callers mask it.

func ld16(p *bus.Page, off uint64) uint16 { return *(*uint16)(unsafe.Add(unsafe.Pointer(p), off)) }
func ld32(p *bus.Page, off uint64) uint32 { return *(*uint32)(unsafe.Add(unsafe.Pointer(p), off)) }
func ld64(p *bus.Page, off uint64) uint64 { return *(*uint64)(unsafe.Add(unsafe.Pointer(p), off)) }

func st16(p *bus.Page, off uint64, v uint16) { *(*uint16)(unsafe.Add(unsafe.Pointer(p), off)) = v }
func st32(p *bus.Page, off uint64, v uint32) { *(*uint32)(unsafe.Add(unsafe.Pointer(p), off)) = v }
func st64(p *bus.Page, off uint64, v uint64) { *(*uint64)(unsafe.Add(unsafe.Pointer(p), off)) = v }
