package secureworld

import (
	"encoding/binary"
	"testing"

	"gatehouse/ffa"
	"gatehouse/platform/firmware"
	"gatehouse/secureworld/testsp"
)

const rxAcquire = 0x8400_0084

// hypervisor is a rig whose calls come from EL2.
func hypervisor(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := newRig(t, append([]func(*Config){withTestPartitions}, change...)...)
	r.from = firmware.Call{EL: 2}
	return r.negotiate(0x1_0002)
}

// Where a VM's buffers are.
func vmTX(vm uint64) uint64 { return ramBase + 0x200_0000 + vm*4*page }
func vmRX(vm uint64) uint64 { return vmTX(vm) + 2*page }

// mapVM is FFA_RXTX_MAP for a VM.
func (r *rig) mapVM(vm uint64) {
	r.Helper()
	d := ffa.RXTXDescriptor{Endpoint: ffa.EndpointID(vm), RX: ffa.Constituent{Address: vmRX(vm), Pages: 1}, TX: ffa.Constituent{Address: vmTX(vm), Pages: 1}}
	r.write(txAddr, d.AppendTo(nil))
	r.want("RXTX_MAP of a VM", []uint64{0xC400_0066, 0, 0, 0}, []uint64{ffaSuccess})
}

// A hypervisor maps and unmaps buffers for its VMs, and acquires their RX buffers.
func TestBuffersOfVMs(t *testing.T) {
	r := hypervisor(t, func(c *Config) { c.Limits.VMs = 2 })
	r.want("FEATURES(RX_ACQUIRE)", []uint64{0x8400_0064, rxAcquire}, []uint64{ffaSuccess})
	r.refused("UNMAP of a VM that is not there", invalid, 0x8400_0067, 5<<16)
	r.refused("RELEASE for a VM that is not there", invalid, 0x8400_0065, 5)
	r.refused("ACQUIRE for a VM that is not there", invalid, rxAcquire, 5)
	r.refused("ACQUIRE of its own", invalid, rxAcquire, 0)
	r.refused("ACQUIRE of a partition's", invalid, rxAcquire, first)
	good := ffa.RXTXDescriptor{Endpoint: 5, RX: ffa.Constituent{Address: vmRX(5), Pages: 1}, TX: ffa.Constituent{Address: vmTX(5), Pages: 1}}
	for what, edit := range map[string]func(d *ffa.RXTXDescriptor){
		"of a partition":         func(d *ffa.RXTXDescriptor) { d.Endpoint = first },
		"of the hypervisor":      func(d *ffa.RXTXDescriptor) { d.Endpoint = 0 },
		"buffers of two sizes":   func(d *ffa.RXTXDescriptor) { d.RX.Pages = 2 },
		"buffers that overlap":   func(d *ffa.RXTXDescriptor) { d.RX = d.TX },
		"buffers of 64 pages":    func(d *ffa.RXTXDescriptor) { d.RX.Pages, d.TX.Pages, d.RX.Address = 64, 64, vmTX(5)+0x10_0000 },
		"a device":               func(d *ffa.RXTXDescriptor) { d.RX.Address = tzcBase },
		"beyond memory":          func(d *ffa.RXTXDescriptor) { d.TX.Address = ramBase + ramSize },
		"misaligned":             func(d *ffa.RXTXDescriptor) { d.RX.Address += 8 },
		"without pages":          func(d *ffa.RXTXDescriptor) { d.RX.Pages, d.TX.Pages = 0, 0 },
		"the end of all address": func(d *ffa.RXTXDescriptor) { d.TX.Address = ^uint64(page - 1) },
	} {
		d := good
		edit(&d)
		r.write(txAddr, d.AppendTo(nil))
		r.refused("RXTX_MAP of a VM: "+what, invalid, 0xC400_0066, 0, 0, 0)
	}
	b := good.AppendTo(nil)
	b[4] = 20
	r.write(txAddr, b)
	r.refused("RXTX_MAP of a VM: misaligned offset", invalid, 0xC400_0066, 0, 0, 0)
	mine := good
	mine.TX.Address = txAddr
	r.write(txAddr, mine.AppendTo(nil))
	r.refused("RXTX_MAP of a VM: the hypervisor's own buffer", denied, 0xC400_0066, 0, 0, 0)
	r.mapVM(5)
	r.refused("RXTX_MAP of a VM again", denied, 0xC400_0066, 0, 0, 0)
	r.mapVM(6)
	third := ffa.RXTXDescriptor{Endpoint: 7, RX: ffa.Constituent{Address: vmRX(7), Pages: 1}, TX: ffa.Constituent{Address: vmTX(7), Pages: 1}}
	r.write(txAddr, third.AppendTo(nil))
	r.refused("RXTX_MAP of a third VM, where there is room for two", noMemory, 0x8400_0066, 0, 0, 0)
	r.refused("BITMAP_CREATE of a third VM", noMemory, bitmapCreate, 7, 1)

	r.refused("RELEASE of a buffer that is empty", denied, 0x8400_0065, 5)
	r.want("ACQUIRE", []uint64{rxAcquire, 5}, []uint64{ffaSuccess})
	r.refused("ACQUIRE again", denied, rxAcquire, 5)
	r.want("CREATE", []uint64{bitmapCreate, 5, 2}, []uint64{ffaSuccess})
	r.fails("a message to a VM whose buffer the hypervisor has", busy, first, testsp.Send, 5, 1, 'x')
	r.want("RELEASE", []uint64{0x8400_0065, 5}, []uint64{ffaSuccess})
	r.does(first, testsp.Send, 5, 1, 'x')
	r.refused("ACQUIRE of a buffer that is full", denied, rxAcquire, 5)
	r.want("RELEASE", []uint64{0x8400_0065, 5}, []uint64{ffaSuccess})

	r.want("UNMAP", []uint64{0x8400_0067, 6 << 16}, []uint64{ffaSuccess})
	r.refused("UNMAP again", invalid, 0x8400_0067, 6<<16)
	r.mapVM(7)
	// Buffers and bitmap keep a VM known, each for itself.
	r.want("UNMAP", []uint64{0x8400_0067, 5 << 16}, []uint64{ffaSuccess})
	third.Endpoint, third.RX.Address, third.TX.Address = 6, vmRX(6), vmTX(6)
	r.write(txAddr, third.AppendTo(nil))
	r.refused("RXTX_MAP of VM 6 while there is something of 5 and 7", noMemory, 0xC400_0066, 0, 0, 0)
	r.get2("GET of VM 5", 5, fromSPM, 0, 0, 0, 0, 1, 0)
	r.want("DESTROY", []uint64{bitmapDestroy, 5}, []uint64{ffaSuccess})
	r.mapVM(6)
	// A call from EL1 is the operating system's, which has no VMs.
	r.from.EL = 1
	r.refused("FEATURES(RX_ACQUIRE) of an operating system", notSupported, 0x8400_0064, rxAcquire)
	r.refused("ACQUIRE of an operating system", notSupported, rxAcquire, 6)
	r.refused("UNMAP for a VM", invalid, 0x8400_0067, 6<<16)
	r.refused("RXTX_MAP of nothing", invalid, 0xC400_0066, 0, 0, 0)
}

// get2 is FFA_NOTIFICATION_GET of vCPU 0 of a VM.
func (r *rig) get2(what string, vm, flags uint64, want ...uint64) {
	r.Helper()
	r.want(what, []uint64{getCall, vm, flags}, append([]uint64{ffaSuccess, 0}, want...))
}

// Notifications of VMs.
func TestNotificationsOfVMs(t *testing.T) {
	r := hypervisor(t)
	for vm := uint64(1); vm <= 16; vm++ {
		r.want("CREATE", []uint64{bitmapCreate, vm, 5}, []uint64{ffaSuccess})
	}
	r.refused("CREATE without room", noMemory, bitmapCreate, 17, 1)
	r.want("CREATE of its own", []uint64{bitmapCreate, 0, 1}, []uint64{ffaSuccess})
	r.refused("CREATE again", denied, bitmapCreate, 16, 1)
	r.refused("CREATE for a partition", invalid, bitmapCreate, first, 1)
	r.want("DESTROY", []uint64{bitmapDestroy, 16}, []uint64{ffaSuccess})
	r.refused("more vCPUs than are kept account of", noMemory, bitmapCreate, 16, 513)
	r.want("CREATE with 512 vCPUs", []uint64{bitmapCreate, 16, 512}, []uint64{ffaSuccess})
	r.refused("BIND of a VM that is not there", notSupported, bindCall, first<<16|99, 0, 1)
	r.refused("GET of a VM that is not there", notSupported, getCall, 99, fromSP)
	for vm := uint64(1); vm <= 16; vm++ {
		r.want("BIND", []uint64{bindCall, first<<16 | vm, 0, 1}, []uint64{ffaSuccess})
		r.want("BIND for each vCPU", []uint64{bindCall, first<<16 | vm, 1, 2}, []uint64{ffaSuccess})
	}
	for vm := uint64(1); vm <= 11; vm++ {
		r.does(first, testsp.Notify, 4<<16|vm, 1, 2)
	}
	// Two ids for each VM: ten in a 32-bit reply, twenty in a 64-bit one; the rest is asked for again.
	r.want("five of eleven", []uint64{infoGet32}, []uint64{ffaSuccess, 0, 1 | 5<<7 | 0x155<<12, 1 | 4<<16, 2 | 4<<16, 3 | 4<<16, 4 | 4<<16, 5 | 4<<16})
	r.does(first, testsp.Notify, 4<<16|3, 1, 2)
	r.want("six and the one again", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 7<<7 | 0x1555<<12,
		3 | 4<<16 | 6<<32 | 4<<48, 7 | 4<<16 | 8<<32 | 4<<48, 9 | 4<<16 | 10<<32 | 4<<48, 11 | 4<<16})
	r.refused("all told", noData, infoGet64)
	for vm := uint64(1); vm <= 16; vm++ {
		r.does(first, testsp.Notify, vm, 0, 1)
	}
	r.want("ten of sixteen", []uint64{infoGet32}, []uint64{ffaSuccess, 0, 1 | 10<<7, 1 | 2<<16, 3 | 4<<16, 5 | 6<<16, 7 | 8<<16, 9 | 10<<16})
	r.want("the rest", []uint64{infoGet32}, []uint64{ffaSuccess, 0, 6 << 7, 11 | 12<<16, 13 | 14<<16, 15 | 16<<16})
	r.want("GET", []uint64{getCall, 4<<16 | 3, fromSP}, []uint64{ffaSuccess, 0, 3, 0, 0, 0, 0, 0})
	r.want("GET of another VM", []uint64{getCall, 4<<16 | 4, fromSP}, []uint64{ffaSuccess, 0, 3, 0, 0, 0, 0, 0})
	r.refused("GET of a vCPU that is not there", invalid, getCall, 5<<16|5, fromSP)
	// A VM sets notifications of a partition that it has bound for this VM.
	r.does(first, testsp.Bind, 7<<16, 0, 1)
	r.want("SET", []uint64{setCall, 7<<16 | first, 0, 1}, []uint64{ffaSuccess})
	r.refused("SET by another VM", denied, setCall, 8<<16|first, 0, 1)
	r.refused("SET in the name of a partition", invalid, setCall, second<<16|first, 0, 1)
	if w := r.does(first, testsp.Get, 0, fromVM); w[0] != 1 {
		t.Errorf("Get: %x", w)
	}
	r.from.EL = 1
	r.refused("an operating system for a VM", invalid, setCall, 7<<16|first, 0, 1)
	r.refused("an operating system for a VM", invalid, getCall, 7, fromSP)
	r.refused("an operating system for a VM", invalid, bitmapDestroy, 7)
}

// Messages and memory of VMs, which the hypervisor vouches for.
func TestVMsAsSenders(t *testing.T) {
	r := hypervisor(t)
	r.want("REQ from a VM", []uint64{0x8400_006F, 5<<16 | first, 0, uint64(testsp.Echo), 1}, []uint64{0x8400_0070, first<<16 | 5, 0, 0, 1})
	r.refused("REQ in the name of a partition", invalid, 0x8400_006F, second<<16|first, 0)
	req2 := []uint64{0xC400_008D, 5<<16 | first, 0, 0, uint64(testsp.Suspend), 1, 0, 9, 8}
	r.want("REQ2 from a VM", req2, []uint64{yielded, first << 16})
	if got := r.call(runCall, first<<16); got[0] != 0xC400_008E || got[1] != first<<16|5 || got[5] != 9 {
		t.Errorf("response to a VM: %x", got)
	}
	r.mapVM(5)
	h := ffa.IndirectHeader{Offset: 40, Sender: 5, Receiver: first, Size: 3}
	r.write(vmTX(5), append(h.AppendTo(nil, ffa.Version1_2), "abc"...))
	r.write(txAddr, make([]byte, 64)) // not from here
	r.refused("MSG_SEND2 for a VM without buffers", invalid, send2, 6<<16, 0)
	r.want("MSG_SEND2 for a VM", []uint64{send2, 5 << 16, 0}, []uint64{ffaSuccess})
	if w := r.does(first, testsp.Message); w[0] != 5 || w[1] != 3 {
		t.Errorf("message: %x", w)
	}
	r.does(first, testsp.Release)
	h.Receiver = 6
	r.write(vmTX(5), append(h.AppendTo(nil, ffa.Version1_2), "abc"...))
	r.mapVM(6)
	r.want("CREATE", []uint64{bitmapCreate, 6, 1}, []uint64{ffaSuccess})
	r.refused("MSG_SEND2 between VMs, which is the hypervisor's", invalid, send2, 5<<16, 0)
	r.does(first, testsp.Send, 6, 2, 'y')
	if b := r.read(vmRX(6)+40, 2); string(b) != "yz" {
		t.Errorf("message to a VM: %q", b)
	}
	r.want("INFO_GET", []uint64{infoGet64}, []uint64{0xC400_0061, 0, 2 << 7, 6 | first<<16})

	x := to(ffa.Lend, firstRW)
	x.Sender = 5
	l := r.sent(ffa.Lend, ffa.Version1_2, x)
	r.does(first, testsp.Retrieve, on(l, 0, rw|nx)...)
	r.fails("another sender", denied, first, testsp.Retrieve, on(l, 0, rw|nx|testsp.OtherSender)...)
	request := make([]byte, 48)
	binary.LittleEndian.PutUint64(request[8:], l)
	r.write(txAddr, request)
	r.want("its descriptor", []uint64{retrieveReq, 48, 48}, []uint64{retrieveResp, 48 + 32 + 16 + 2*16, 48 + 32 + 16 + 2*16})
	if b := r.read(rxAddr, 2); b[0] != 5 {
		t.Errorf("sender % x", b)
	}
	r.call(0x8400_0065)
	r.refused("RECLAIM while a partition has it", denied, reclaimCall(l)...)
	r.does(first, testsp.Relinquish, on(l)...)
	r.reclaim(l)
	x.Sender = second
	b := x.AppendTo(nil, ffa.Version1_2)
	r.write(txAddr, b)
	r.refused("in the name of a partition", denied, 0xC400_0072, uint64(len(b)), uint64(len(b)))
	r.consistent()
}

// The messages about VMs (DEN0077A, 18.3): framework messages 4 and 6, with a handle in w3 and w4 and the VM in w5.
func TestVMAvailability(t *testing.T) {
	const framework = 1 << 31
	r := hypervisor(t)
	call := func(id, message uint64, payload ...uint64) []uint64 {
		return append([]uint64{0x8400_006F, id, framework | message}, payload...)
	}
	r.want("created", call(first, 4, 0x11, 0x22, 5), []uint64{0x8400_0070, first << 16, framework | 5, 0, 0, 0, 0, 0})
	r.want("created", call(first, 4, 0, 0, 6), []uint64{0x8400_0070, first << 16, framework | 5, 0, 0, 0, 0, 0})
	r.want("destroyed", call(first, 6, 0, 0, 5), []uint64{0x8400_0070, first << 16, framework | 7, 0, 0, 0, 0, 0})
	for i, want := range map[uint64]uint64{testsp.SeenCreated: 2, testsp.SeenDestroyed: 1, testsp.SeenVM: 5} {
		if w := r.does(first, testsp.Seen, i); w[0] != want {
			t.Errorf("Seen %d: %d, want %d", i, w[0], want)
		}
	}
	for what, args := range map[string][]uint64{
		"a partition that does not subscribe": call(second, 4, 0, 0, 5), "OP-TEE": call(opteeID, 4, 0, 0, 5), "nobody": call(0x8765, 4, 0, 0, 5),
		"about itself": call(first, 4, 0, 0, 0), "about a partition": call(first, 4, 0, 0, second), "reserved bits": call(first, 4, 0, 0, 1<<16|5),
		"w6": call(first, 4, 0, 0, 5, 1), "w7": call(first, 6, 0, 0, 5, 0, 1), "a response": call(first, 5, 0, 0, 5),
		"PSCI": call(first, 0), "version": call(first, 8, 0x1_0002), "unknown": call(first, 0xFF),
		"SMC64":     {0xC400_006F, first, framework | 4, 0, 0, 5},
		"from a VM": {0x8400_006F, 5<<16 | first, framework | 4, 0, 0, 5},
	} {
		r.refused("framework message: "+what, invalid, args...)
	}
	r.want("Suspend", []uint64{0x8400_006F, first, 0, uint64(testsp.Suspend), 1}, []uint64{yielded, first << 16})
	r.refused("the context is busy", busy, call(first, 4, 0, 0, 5)...)
	r.from.EL = 1
	r.from.CPU = 1
	r.refused("from an operating system", invalid, call(first, 4, 0, 0, 5)...)
}
