package manifest

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gatehouse/ffa"
)

// ErrManifest wraps all errors about a manifest.
var ErrManifest = errors.New("partition manifest")

// Service is a protocol that the partition speaks, with its messaging methods.
type Service struct {
	UUID    ffa.UUID
	Methods ffa.PartitionProperties
}

// Values of exception-level and ns-interrupts-action.
const (
	SEL0 = 1
	SEL1 = 2

	InterruptsQueued    = 0
	InterruptsSignalled = 2
)

// Manifest is one partition.
type Manifest struct {
	Description string
	Version     ffa.Version // that the partition expects
	ID          ffa.EndpointID
	Services    []Service // at least one
	// MP says that the partition has one execution context for each processor, else it has one that migrates.
	MP             bool
	ExceptionLevel uint32
	AArch64        bool
	NSInterrupts   uint32 // ns-interrupts-action
	Notifications  bool   // it can receive them
	VMCreated      bool   // it subscribes to the messages about VMs
	VMDestroyed    bool
	// Behaviour names the Go code behind the partition (gatehouse,behaviour).
	Behaviour string
	// MaxRegions bounds the memory transactions that the partition can be a receiver of at one time, and MaxPages their pages of
	// 4 KiB (gatehouse,max-regions and gatehouse,max-pages). 0 stands for no bound of its own.
	MaxRegions uint32
	MaxPages   uint64
}

// methods are the bits of messaging-method.
const methods = ffa.PropReceivesDirectReq | ffa.PropSendsDirectReq | ffa.PropIndirectMessages | ffa.PropReceivesDirectReq2 |
	ffa.PropSendsDirectReq2

// foreign are properties of the binding that a partition of Go code cannot have.
var foreign = [...]string{
	"auxiliary-id", "load-address", "entrypoint-offset", "xlat-granule", "boot-order", "rx-tx-buffer", "managed-exit",
	"managed-exit-virq", "other-s-interrupts-action", "sri-interrupts-policy", "has-primary-scheduler", "time-slice-mem",
	"gp-register-num", "power-management-messages", "lifecycle-support", "abort-action", "live-activation-support",
	"live-activation-register", "image-uuid", "live-state-buffer-info", "memory-regions", "device-regions",
}

// member is one property of an object, in the order of the file.
type member struct {
	name  string
	value json.RawMessage
}

// members reads an object. A name that stands twice is an error, as is anything behind the object.
func members(b []byte) (list []member, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	defer func() {
		if err == io.EOF {
			list, err = nil, errors.New("unexpected end")
		}
	}()
	open, err := d.Token()
	if err != nil {
		return nil, err
	}
	if open != json.Delim('{') {
		return nil, errors.New("want an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // the decoder lets no other key pass
		if slices.ContainsFunc(list, func(o member) bool { return o.name == m.name }) {
			return nil, fmt.Errorf("%s: stands twice", m.name)
		}
		if err := d.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		list = append(list, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more behind the object")
	}
	return list, nil
}

// number reads an unsigned number of at most bits bits. Hexadecimal ones are strings with the prefix 0x, since JSON has none.
func number(v json.RawMessage, bits int) (uint64, error) {
	var s string
	if json.Unmarshal(v, &s) == nil {
		if !strings.HasPrefix(s, "0x") {
			return 0, fmt.Errorf("%q: want a number, or a string like \"0x8001\"", s)
		}
	} else {
		s = string(v)
	}
	n, err := strconv.ParseUint(s, 0, bits)
	if err != nil || strings.Contains(s, "_") {
		return 0, fmt.Errorf("%s: want an unsigned number of at most %d bits", s, bits)
	}
	return n, nil
}

// oneOf reads a number that must be one of values.
func oneOf(v json.RawMessage, values ...uint32) (uint32, error) {
	n, err := number(v, 32)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(values, uint32(n)) {
		return 0, fmt.Errorf("%d: want one of %d", n, values)
	}
	return uint32(n), nil
}

// each calls f for the elements of an array, or for a value that stands alone.
func each(v json.RawMessage, f func(json.RawMessage) error) error {
	if len(v) == 0 || v[0] != '[' {
		return f(v)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(v, &list); err != nil {
		return err
	}
	for _, x := range list {
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

func uuid(v json.RawMessage) (ffa.UUID, error) {
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return ffa.UUID{}, errors.New("want a string like \"486178e0-e7f8-11e3-bc5e-0002a5d5c51b\"")
	}
	u, err := ffa.ParseUUID(s)
	switch {
	case err != nil:
		return u, fmt.Errorf("%q: want a UUID like \"486178e0-e7f8-11e3-bc5e-0002a5d5c51b\"", s)
	case u.IsNil():
		return u, fmt.Errorf("%q: the nil UUID names no protocol", s)
	}
	return u, nil
}

func messaging(v json.RawMessage) (ffa.PartitionProperties, error) {
	n, err := number(v, 32)
	if err == nil && ffa.PartitionProperties(n)&^methods != 0 {
		err = fmt.Errorf("%#x: want bits 0 to 2, 9 and 10 only", n)
	}
	return ffa.PartitionProperties(n), err
}

// Parse reads a manifest. Every error wraps ErrManifest.
func Parse(b []byte) (*Manifest, error) {
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return m, nil
}

// mandatory are the properties that every manifest has. The protocols stand in uuid and messaging-method, or in services.
var mandatory = [...]string{
	"compatible", "ffa-version", "id", "execution-ctx-count", "exception-level", "execution-state", "ns-interrupts-action",
	"gatehouse,behaviour",
}

func parse(b []byte) (*Manifest, error) {
	list, err := members(b)
	if err != nil {
		return nil, err
	}
	p := parser{m: new(Manifest)}
	for _, x := range list {
		if err := p.property(x); err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	for _, name := range mandatory {
		if !slices.ContainsFunc(list, func(x member) bool { return x.name == name }) {
			return nil, fmt.Errorf("%s: missing", name)
		}
	}
	return p.m, p.services()
}

// parser holds what is put together once all properties are read.
type parser struct {
	m        *Manifest
	binding  string
	uuids    []ffa.UUID
	methods  []ffa.PartitionProperties
	children []Service // of services
	nested   bool
}

func (p *parser) property(x member) error {
	m, v := p.m, x.value
	text := func(to *string) error {
		if err := json.Unmarshal(v, to); err != nil || *to == "" {
			return errors.New("want a string")
		}
		return nil
	}
	// empty is a property without value, which says yes by being there.
	empty := func(to *bool) error {
		if err := json.Unmarshal(v, to); err != nil || string(v) == "null" {
			return errors.New("want true or false")
		}
		return nil
	}
	small := func(to *uint32, values ...uint32) (err error) {
		*to, err = oneOf(v, values...)
		return err
	}
	var n uint64
	var w uint32
	var err error
	switch x.name {
	case "compatible":
		if err = text(&p.binding); err == nil && p.binding != "arm,ffa-manifest-1.0" && p.binding != "arm,ffa-manifest-1.1" {
			err = fmt.Errorf("%q: want \"arm,ffa-manifest-1.0\" or \"arm,ffa-manifest-1.1\"", p.binding)
		}
	case "description":
		err = text(&m.Description)
	case "gatehouse,behaviour":
		err = text(&m.Behaviour)
	case "ffa-version":
		n, err = number(v, 32)
		m.Version = ffa.Version(n)
		if err == nil && (m.Version < ffa.Version1_0 || m.Version > ffa.Version1_2) {
			err = fmt.Errorf("%#x: want 0x00010000 to 0x00010002", n)
		}
	case "id":
		n, err = number(v, 16)
		m.ID = ffa.EndpointID(n)
		if err == nil && !m.ID.Secure() {
			err = fmt.Errorf("%#x: want an identifier of a secure partition, with bit 15", n)
		}
	case "execution-ctx-count":
		n, err = number(v, 16)
		m.MP = n > 1
		if err == nil && n == 0 {
			err = errors.New("want at least 1")
		}
	case "exception-level":
		err = small(&m.ExceptionLevel, SEL0, SEL1)
	case "execution-state":
		err = small(&w, 0, 1)
		m.AArch64 = w == 0
	case "ns-interrupts-action":
		err = small(&m.NSInterrupts, InterruptsQueued, InterruptsSignalled)
	case "notification-support":
		err = empty(&m.Notifications)
	case "vm-availability-messages":
		err = small(&w, 0, 1, 2, 3)
		m.VMCreated, m.VMDestroyed = w&1 != 0, w&2 != 0
	case "gatehouse,max-regions":
		n, err = number(v, 32)
		m.MaxRegions = uint32(n)
	case "gatehouse,max-pages":
		m.MaxPages, err = number(v, 52)
	case "uuid":
		err = each(v, func(v json.RawMessage) error {
			u, err := uuid(v)
			p.uuids = append(p.uuids, u)
			return err
		})
	case "messaging-method":
		err = each(v, func(v json.RawMessage) error {
			w, err := messaging(v)
			p.methods = append(p.methods, w)
			return err
		})
	case "services":
		p.nested = true
		err = p.node(v)
	default:
		if slices.Contains(foreign[:], x.name) {
			return errors.New("not for a partition of Go code")
		}
		return errors.New("unknown property")
	}
	return err
}

// node reads the services node of bindings after 1.0.
func (p *parser) node(v json.RawMessage) error {
	list, err := members(v)
	if err != nil {
		return err
	}
	compatible := ""
	for _, x := range list {
		if x.name == "compatible" {
			if err := json.Unmarshal(x.value, &compatible); err != nil {
				return fmt.Errorf("compatible: %w", err)
			}
			continue
		}
		s, err := service(x.value)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		p.children = append(p.children, s)
	}
	if compatible != "arm,ffa-manifest-services" {
		return fmt.Errorf("compatible: %q: want \"arm,ffa-manifest-services\"", compatible)
	}
	return nil
}

func service(v json.RawMessage) (s Service, err error) {
	list, err := members(v)
	if err != nil {
		return s, err
	}
	found := 0
	for _, x := range list {
		switch x.name {
		case "uuid":
			s.UUID, err = uuid(x.value)
			found |= 1
		case "messaging-method":
			s.Methods, err = messaging(x.value)
			found |= 2
		default:
			err = errors.New("unknown property")
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	if found != 3 {
		return s, errors.New("want uuid and messaging-method")
	}
	return s, nil
}

// services puts the protocols together: in binding 1.0 one list of UUIDs and one of methods, which holds one value for all of
// them or one for each; after it the children of a node.
func (p *parser) services() error {
	if p.binding == "arm,ffa-manifest-1.0" {
		switch {
		case p.nested:
			return errors.New("services: not in binding 1.0, which has uuid and messaging-method")
		case len(p.uuids) == 0:
			return errors.New("uuid: missing")
		case len(p.methods) != 1 && len(p.methods) != len(p.uuids):
			return fmt.Errorf("messaging-method: %d values for %d UUIDs", len(p.methods), len(p.uuids))
		}
		for i, u := range p.uuids {
			p.m.Services = append(p.m.Services, Service{u, p.methods[min(i, len(p.methods)-1)]})
		}
	} else {
		if len(p.uuids) != 0 || len(p.methods) != 0 {
			return errors.New("uuid, messaging-method: only in binding 1.0, later ones have services")
		}
		if len(p.children) == 0 {
			return errors.New("services: missing or without children")
		}
		p.m.Services = p.children
	}
	for i, s := range p.m.Services {
		if slices.ContainsFunc(p.m.Services[:i], func(o Service) bool { return o.UUID == s.UUID }) {
			return fmt.Errorf("UUID %v: stands twice", s.UUID)
		}
		if s.Methods&(ffa.PropReceivesDirectReq2|ffa.PropSendsDirectReq2) != 0 && p.m.Version < ffa.Version1_2 {
			return fmt.Errorf("messaging-method: %#x is of FF-A 1.2, the partition is of %v", uint32(s.Methods), p.m.Version)
		}
		if s.Methods&ffa.PropIndirectMessages != 0 && p.m.Version < ffa.Version1_1 {
			return fmt.Errorf("messaging-method: indirect messages are of FF-A 1.1, the partition is of %v", p.m.Version)
		}
	}
	if p.m.Notifications && p.m.Version < ffa.Version1_1 {
		return fmt.Errorf("notification-support: notifications are of FF-A 1.1, the partition is of %v", p.m.Version)
	}
	return nil
}

//go:embed *.json
var files embed.FS

// builtin reads an embedded file. That all of them are well formed is tested.
func builtin(name string) *Manifest {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("BUG: manifest: " + err.Error())
	}
	m, err := Parse(b)
	if err != nil {
		panic("BUG: manifest: " + name + ": " + err.Error())
	}
	return m
}

// OPTEE is the manifest of the OP-TEE service.
func OPTEE() *Manifest { return builtin("optee.json") }

// Test are the manifests of the two test partitions (package testsp).
func Test() []*Manifest { return []*Manifest{builtin("test-first.json"), builtin("test-second.json")} }
