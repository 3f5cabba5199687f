package armffa

import (
	"errors"
	"fmt"

	"gatehouse/ffa"
	"gatehouse/normalworld"
	"gatehouse/platform/firmware"
)

// ErrReply is a reply that is no answer to the call.
var ErrReply = errors.New("FF-A: the reply is no answer to the call")

const page = ffa.PageSize

// Bounds on what a secure world can make the driver do for one call.
const (
	maxRuns       = 1 << 16 // FFA_RUN for one direct request
	maxPartitions = 256
	maxInfoCalls  = maxPartitions
)

// Bus is FF-A between this kernel and the SPMC.
type Bus struct {
	k       *normalworld.Kernel
	version ffa.Version
	id      ffa.EndpointID
	tx, rx  uint64 // of one page each
	mapped  bool
	mem64   bool // memory is managed by SMC64 calls
	sri     uint32
	bitmap  bool

	partitions []ffa.PartitionInfo
	handlers   [64]Handler // by notification
	bound      [64]ffa.EndpointID

	descriptor []byte
	inTX       []byte // fragment of the send that is under way
	d          ffa.MemoryTransaction
	receivers  [1]ffa.EMAD
}

// Probe finds the SPMC (abi: version, id, buffers, features, notifications, partitions). tx and rx are pages of the kernel's, which
// belong to the bus until Remove. No FF-A at all is ENODEV. After an error the pages are the caller's, unless a bus is given beside it:
// then the SPMC may have them still, and Remove tries again.
func Probe(k *normalworld.Kernel, tx, rx uint64) (*Bus, error) {
	b := &Bus{k: k, tx: tx, rx: rx}
	r := ffa.VersionCall{Asked: ffa.Version1_2}.Registers()
	b.call(&r)
	v := ffa.Version(uint32(r[0]))
	switch {
	case !v.Valid():
		return nil, normalworld.ENODEV
	case r[0]>>32 != 0 || v.Major() != 1:
		return nil, fmt.Errorf("version %#x: %w", r[0], normalworld.EINVAL)
	}
	b.version = min(v, ffa.Version1_2)
	r = firmware.Registers{0: uint64(ffa.IDGet32)}
	b.call(&r)
	if err := success32(&r); err != nil {
		return nil, fmt.Errorf("FFA_ID_GET: %w", err)
	}
	b.id = ffa.EndpointID(r[2])
	if _, err := b.feature(uint32(ffa.RXTXMap64)); err != nil && !errors.Is(err, ffa.NotSupported) {
		return nil, fmt.Errorf("FFA_FEATURES: %w", err)
	}
	r = ffa.RXTXMap{SMC64: true, TX: tx, RX: rx, Pages: 1}.Registers()
	b.call(&r)
	b.mapped = true
	if err := success32(&r); err != nil {
		return b.giveUp(fmt.Errorf("FFA_RXTX_MAP: %w", err))
	}
	for _, f := range []ffa.Function{ffa.MemLend64, ffa.MemShare64} {
		if _, err := b.feature(uint32(f)); err == nil {
			b.mem64 = true
			break
		}
	}
	b.startNotifications()
	if err := b.discover(); err != nil {
		return b.giveUp(err)
	}
	return b, nil
}

// giveUp ends a probe that has failed.
func (b *Bus) giveUp(err error) (*Bus, error) {
	if b.Remove() != nil {
		return b, err
	}
	return nil, err
}

// Remove gives the buffers and the notifications back. The pages of the buffers are the caller's again if it returns nil.
func (b *Bus) Remove() error {
	if b.bitmap {
		r := ffa.NotificationBitmapCreate{Destroy: true, VM: b.id}.Registers()
		b.call(&r)
		b.bitmap, b.sri = false, 0
	}
	if !b.mapped {
		return nil
	}
	var err error
	for range 2 { // a reply that says nothing is asked for again
		r := ffa.RXTXUnmap{}.Registers()
		b.call(&r)
		if err = success32(&r); err == nil || errors.Is(err, ffa.InvalidParameters) {
			b.mapped = false
			return nil
		}
	}
	return fmt.Errorf("FFA_RXTX_UNMAP: %w", err)
}

// Version is what both sides speak, ID this kernel's endpoint.
func (b *Bus) Version() ffa.Version { return b.version }

// ID is this kernel's endpoint.
func (b *Bus) ID() ffa.EndpointID { return b.id }

// Partition finds a partition by its protocol. Those of an SPMC that speaks version 1.0 have no UUID in the list, and are asked
// for by it.
func (b *Bus) Partition(u ffa.UUID) (ffa.PartitionInfo, error) {
	for _, p := range b.partitions {
		if p.UUID == u && p.ID.Secure() {
			return p, nil
		}
	}
	if b.version == ffa.Version1_0 {
		list, err := b.partitionInfo(u)
		if err == nil && len(list) == 1 && list[0].ID.Secure() {
			return list[0], nil
		}
	}
	return ffa.PartitionInfo{}, normalworld.ENODEV
}

func (b *Bus) call(r *firmware.Registers) { b.k.SMC(r) }

// success32 checks that a reply is FFA_SUCCESS_32, which all calls but direct messages and two discovery calls are answered with.
func success32(r *firmware.Registers) error {
	if ffa.FunctionOf(r) == ffa.Success32 && r[0]>>32 == 0 {
		return nil
	}
	return refused(r)
}

// refused is the error of a reply that is not what the call is answered with.
func refused(r *firmware.Registers) error {
	if ffa.FunctionOf(r) == ffa.Error32 && r[0]>>32 == 0 {
		if code := ffa.Error(int32(uint32(r[2]))); code < 0 && code >= ffa.NotReady {
			return code
		}
	}
	return fmt.Errorf("%w: x0 = %#x", ErrReply, r[0])
}

func (b *Bus) feature(id uint32) (w2 uint32, err error) {
	r := ffa.Features{ID: id}.Registers()
	b.call(&r)
	return uint32(r[2]), success32(&r)
}

// discover lists the partitions, by registers where the SPMC can and through RX elsewhere. A secure world without any is ENODEV.
func (b *Bus) discover() error {
	var err error
	if _, e := b.feature(uint32(ffa.PartitionInfoGetRegs64)); e == nil {
		b.partitions, err = b.partitionRegs()
	} else {
		b.partitions, err = b.partitionInfo(ffa.UUID{})
	}
	if err == nil && len(b.partitions) == 0 {
		err = normalworld.ENODEV
	}
	if err != nil {
		return fmt.Errorf("partitions: %w", err)
	}
	return nil
}

func (b *Bus) partitionRegs() (list []ffa.PartitionInfo, err error) {
	var tag uint16
	for range maxInfoCalls {
		start := uint16(len(list))
		r := ffa.PartitionInfoGetRegs{Start: start, Tag: tag}.Registers()
		b.call(&r)
		if ffa.FunctionOf(&r) != ffa.Success64 {
			return nil, refused(&r)
		}
		got, err := ffa.ParsePartitionInfoRegs(&r, start)
		if err != nil || got.Count == 0 || int(got.Last) >= maxPartitions {
			return nil, ErrReply
		}
		list = append(list, got.Records[:got.Count]...)
		if tag = got.Tag; got.Current == got.Last {
			return list, nil
		}
	}
	return nil, ErrReply
}

func (b *Bus) partitionInfo(u ffa.UUID) ([]ffa.PartitionInfo, error) {
	r := ffa.PartitionInfoGet{UUID: u}.Registers()
	b.call(&r)
	if err := success32(&r); err != nil {
		return nil, err
	}
	count, size := r[2], r[3]
	if size == 0 {
		size = uint64(ffa.PartitionInfoSize(ffa.Version1_0))
	}
	var list []ffa.PartitionInfo
	err := error(ErrReply)
	if size <= page && count <= page/size {
		raw := make([]byte, count*size)
		if err = b.k.Read(b.rx, raw); err == nil {
			for ; len(raw) > 0 && err == nil; raw = raw[size:] {
				var p ffa.PartitionInfo
				p, err = ffa.ParsePartitionInfo(raw, uint32(size))
				if b.version == ffa.Version1_0 {
					p.UUID = u
				}
				list = append(list, p)
			}
		}
	}
	r = ffa.RXRelease{}.Registers()
	b.call(&r)
	return list, err
}

// Direct sends a 32-bit direct request of five words to a partition and gives its response. A partition that is interrupted, or
// yields, goes on.
func (b *Bus) Direct(to ffa.EndpointID, payload [5]uint64) ([5]uint64, error) {
	m := ffa.DirectMessage{Source: b.id, Destination: to, Payload: payload}
	r := m.Registers()
	b.call(&r)
	for range maxRuns {
		f := ffa.FunctionOf(&r)
		if f != ffa.Interrupt32 && f != ffa.Yield32 {
			break
		}
		run := ffa.Run{Function: ffa.Run32, Target: ffa.EndpointID(r[1] >> 16), VCPU: uint16(r[1])}
		if f == ffa.Yield32 {
			b.k.Elapse(1_000_000) // Linux sleeps one millisecond
		}
		if run.Target != to {
			return [5]uint64{}, ErrReply
		}
		r = run.Registers()
		b.call(&r)
	}
	if ffa.FunctionOf(&r) != ffa.MsgSendDirectResp32 || r[0]>>32 != 0 {
		return [5]uint64{}, refused(&r)
	}
	if uint32(r[1]) != uint32(to)<<16|uint32(b.id) || r[2] != 0 {
		return [5]uint64{}, ErrReply
	}
	for i := range payload {
		payload[i] = uint64(uint32(r[3+i]))
	}
	return payload, nil
}
