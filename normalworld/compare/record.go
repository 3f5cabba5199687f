package compare

import (
	"strings"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/platform/event"
)

// Counts are what the event stream tells of. Bytes are bytes.
type Counts struct {
	SMCs       uint64 `json:"smcs"`                // calls at the SMC instruction, FF-A's among them
	Switches   uint64 `json:"world_switches"`      // changes of world: two for each call that is not EL3's own
	Messages   uint64 `json:"optee_messages"`      // OP-TEE messages that were answered
	Direct     uint64 `json:"ffa_direct_messages"` // FFA_MSG_SEND_DIRECT_REQ
	Marshalled uint64 `json:"bytes_marshalled"`    // memory transaction descriptors and OP-TEE's argument structures
	RPCs       uint64 `json:"rpcs"`                // requests of OP-TEE to the normal world within its calls
	Writes     uint64 `json:"controller_writes"`   // registers of the controller
	Updates    uint64 `json:"region_updates"`      // regions that were switched on or off, or changed their masters
	Closures   uint64 `json:"gate_closures"`       // times that all masters were locked out while a region moved
	Scrubbed   uint64 `json:"bytes_scrubbed"`      // zeroed by the secure world
	Denied     uint64 `json:"denied"`              // accesses that the controller refused
	NoRegion   uint64 `json:"refused_no_region"`   // lends and grants that the secure world had no room for
}

func (c *Counts) fields() []*uint64 {
	return []*uint64{&c.SMCs, &c.Switches, &c.Messages, &c.Direct, &c.Marshalled, &c.RPCs, &c.Writes, &c.Updates, &c.Closures, &c.Scrubbed,
		&c.Denied, &c.NoRegion}
}

// minus gives what has been counted since old.
func (c Counts) minus(old Counts) Counts {
	o := old.fields()
	for i, f := range c.fields() {
		*f -= *o[i]
	}
	return c
}

// recorder derives everything from events. What costs time it adds up until the clock takes it.
type recorder struct {
	Counts
	costs    *Costs
	mirror   mirror
	exposure integrator
	peak     int // regions

	allocs []uint64 // latency of each allocation of protected memory, ns
	bytes  uint64   // allocated

	normal, secure uint64 // ns that were worked, and have not passed
	copied         uint64 // bytes whose copying has not been counted in secure
}

func newRecorder(costs *Costs) *recorder {
	r := &recorder{costs: costs}
	r.exposure.mirror = &r.mirror
	return r
}

// field finds a field of an event; the zero value where it has none.
func field(e *event.Event, key string) event.Field {
	for i := range e.Fields {
		if e.Fields[i].Key == key {
			return e.Fields[i]
		}
	}
	return event.Field{}
}

// Emit is documented at event.Sink.
func (r *recorder) Emit(e *event.Event) {
	switch e.Category {
	case event.SMC:
		r.call(e.Phase == event.End, strings.HasPrefix(e.Name, "OPTEE_"))
	case event.FFA:
		if strings.HasPrefix(e.Source, "cpu") {
			r.ffa(e)
		}
	case event.OPTEE:
		r.optee(e)
	case event.Protmem:
		if e.Name == "SCRUB" {
			n := field(e, "size").Num
			r.Scrubbed += n
			r.secure += n / pageSize * r.costs.Scrub
			r.exposure.until(e.Time)
			r.exposure.forget(field(e, "base").Num, n)
		}
	case event.TZC:
		r.tzc(e)
	case event.DMABuf:
		r.dmabuf(e)
	case event.Int:
		if e.Phase == event.Restart {
			r.mirror = mirror{}
		}
	}
}

func (r *recorder) call(end, switches bool) {
	if !end {
		return
	}
	r.SMCs++
	if switches {
		r.Switches += 2
	}
}

func (r *recorder) marshal(n uint64) {
	r.Marshalled += n
	r.copied += n
}

func (r *recorder) ffa(e *event.Event) {
	if e.Phase != event.End {
		return
	}
	r.call(true, e.Name != "FFA_ID_GET" && e.Name != "FFA_SPM_ID_GET")
	r.secure += r.costs.FFA
	switch e.Name {
	case "FFA_MSG_SEND_DIRECT_REQ", "FFA_MSG_SEND_DIRECT_REQ2":
		r.Direct++
	case "FFA_MEM_SHARE", "FFA_MEM_LEND", "FFA_MEM_DONATE":
		r.marshal(field(e, "fragment").Num)
		if field(e, "ret.error").Text == "NO_MEMORY" {
			r.NoRegion++
		}
	case "FFA_MEM_FRAG_TX":
		r.marshal(field(e, "length").Num)
	}
}

func (r *recorder) optee(e *event.Event) {
	if e.Phase != event.End || !strings.HasPrefix(e.Name, "OPTEE_MSG_") {
		return
	}
	if field(e, "rpc").Text != "" {
		r.RPCs++
		return
	}
	r.Messages++
	r.marshal(field(e, "size").Num)
	r.secure += r.costs.Message
	switch ret := field(e, "ret").Text; {
	case ret == "OUT_OF_MEMORY" && e.Name == "OPTEE_MSG_LEND_PROTMEM", ret == "NO_RESOURCE" && e.Name == "OPTEE_MSG_INVOKE_COMMAND":
		r.NoRegion++
	}
}

func (r *recorder) tzc(e *event.Event) {
	if e.Name == "DENIED" {
		r.Denied++
		return
	}
	r.Writes++
	r.secure += r.costs.TZC
	r.exposure.until(e.Time)
	before := r.mirror
	r.mirror.write(e)
	switch e.Name {
	case "GATE_KEEPER":
		if before.open && !r.mirror.open {
			r.Closures++
		}
	case "REGION_ATTRIBUTES", "REGION_ID_ACCESS":
		if n := field(e, "region").Num; before.region(n) != r.mirror.region(n) && (before.region(n).enabled || r.mirror.region(n).enabled) {
			r.Updates++
		}
	}
	r.peak = max(r.peak, r.mirror.regions())
	r.exposure.reprogrammed()
}

func (r *recorder) dmabuf(e *event.Event) {
	x := &r.exposure
	switch serial := field(e, "buffer").Num; e.Name {
	case "EXPORT":
		r.normal += r.costs.Alloc
	case "ALLOC":
		base, size := field(e, "base").Num, field(e, "size").Num
		if base == 0 {
			return
		}
		r.allocs = append(r.allocs, field(e, "ns").Num)
		r.bytes += size
		x.until(e.Time)
		x.add(serial, base, size)
	case "RELEASE":
		r.normal += r.costs.Alloc
		x.until(e.Time)
		x.remove(serial)
	case "MAP", "UNMAP":
		r.normal += r.costs.Map
		by := 1
		if e.Name == "UNMAP" {
			by = -1
		}
		dir := field(e, "direction").Text
		both := dir == dmabuf.Bidirectional.String()
		x.until(e.Time)
		x.need(serial, uint8(field(e, "nsaid").Num), both || dir == dmabuf.ToDevice.String(), both || dir == dmabuf.FromDevice.String(), by)
	}
}

// takeNormal and takeSecure give the time that was worked since they were called last.
func (r *recorder) takeNormal() uint64 {
	n := r.normal
	r.normal = 0
	return n
}

func (r *recorder) takeSecure() uint64 {
	n := r.secure + r.copied*r.costs.Copy/1024
	r.secure, r.copied = 0, 0
	return n
}
