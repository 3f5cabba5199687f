package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"

	"gatehouse/ffa"
	"gatehouse/normalworld/conform"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/loader"
	"gatehouse/secureworld"
	"gatehouse/secureworld/firewall"
	"gatehouse/secureworld/memory"
	"gatehouse/secureworld/spmc"
	"gatehouse/smc/optee"
)

var conformCommand = command{
	name:     "conform",
	synopsis: "[-M virt[,KEY=VALUE]...] [-run REGEX] [-list] [-junit F]",
	summary:  "the ABI conformance suite: calls of a normal world, held against their specifications",
	details: `Each case starts from a cold reset of a machine with the Go secure world, makes calls at the SMC instruction and looks at memory
with the identities of non-secure masters. Standard output is TAP 14; a case that fails prints its calls decoded, what was expected,
and the rule. Cases about something that the configuration lacks are skipped.
-M takes abi, tzasc and tzasc-action; see gatehouse help boot.
Exit status: 0 when no case failed, 1 otherwise, 2 for the command line.`,
	run: conformance,
}

func conformance(c *call) (int, error) {
	o := machineOptions{keys: map[string]string{}}
	c.flags.Func("M", "`virt[,KEY=VALUE]...` the board: abi, tzasc and tzasc-action", o.setMachine)
	filter := c.flags.String("run", "", "`REGEX` run only cases whose group/name matches")
	list := c.flags.Bool("list", false, "print the names of the cases with their rules, and end")
	junit := c.flags.String("junit", "", "`F` write the results as JUnit XML to F as well")
	if err := c.parse(0); err != nil {
		return 0, err
	}
	for _, k := range machineKeys {
		if o.keys[k.name] != "" && k.name != "abi" && k.name != "tzasc" && k.name != "tzasc-action" && k.name != "gic-version" {
			return 0, fmt.Errorf("-M %s=%s: conform takes abi, tzasc and tzasc-action", k.name, o.keys[k.name])
		}
	}
	pattern, err := regexp.Compile(*filter)
	if err != nil {
		return 0, fmt.Errorf("-run %s: %w", *filter, err)
	}
	var cases []conform.Case
	for _, k := range conform.Cases() {
		if pattern.MatchString(k.ID()) {
			cases = append(cases, k)
		}
	}
	if len(cases) == 0 {
		return 0, fmt.Errorf("-run %s: matches no case; gatehouse conform -list prints their names", *filter)
	}
	out := bufio.NewWriter(c.stdout)
	if *list {
		for i := range cases {
			fmt.Fprintf(out, "%s\t%v\n", cases[i].ID(), cases[i].Rule)
		}
		return statusOK, out.Flush()
	}
	var report *os.File
	if *junit != "" {
		if report, err = os.Create(*junit); err != nil {
			return 0, fileError("junit", *junit, err)
		}
		defer report.Close()
	}
	board := conformBoard{options: &o}
	defer board.close()
	results, err := runCases(conform.NewSuite(board.target), cases, out)
	if err != nil {
		return 0, err
	}
	if report != nil {
		if err := errors.Join(conform.WriteJUnit(report, results), report.Close()); err != nil {
			return 0, fileError("junit", *junit, err)
		}
	}
	count := map[conform.Status]int{}
	for i := range results {
		count[results[i].Status]++
	}
	fmt.Fprintf(c.stderr, "%d passed, %d failed, %d skipped\n", count[conform.Passed], count[conform.Failed], count[conform.Skipped])
	if count[conform.Failed] > 0 {
		return statusFailed, nil
	}
	return statusOK, nil
}

// runCases runs cases and writes them as TAP.
func runCases(suite *conform.Suite, cases []conform.Case, out *bufio.Writer) ([]conform.Result, error) {
	tap, err := conform.NewTAP(out, len(cases))
	if err != nil {
		return nil, err
	}
	var results []conform.Result
	for i := range cases {
		r, err := suite.Run(&cases[i])
		if err != nil {
			return nil, errors.Join(err, out.Flush())
		}
		results = append(results, r)
		if err := tap.Write(&r); err != nil {
			return nil, err
		}
	}
	return results, out.Flush()
}

// The machines of the suite: small, because each case resets one.
const (
	conformCPUs = 2
	conformRAM  = 32 << 20
	// conformFree is where the suite's memory begins. Before it stand the device tree and the code of the boot processor.
	conformFree = 1 << 20
	// conformCarveout is the size of the static pool, at the end of the suite's memory.
	conformCarveout = 2 << 20
)

// partnerID is the identifier of the suite's partition; cases find it by its UUID.
const partnerID = 0x8002

// idleCode is what the boot processor executes while Go code makes its calls: wfi, b . - 4.
var idleCode = [8]byte{0x7F, 0x20, 0x03, 0xD5, 0xFF, 0xFF, 0xFF, 0x17}

// conformBoard makes the suite's targets.
type conformBoard struct {
	options  *machineOptions
	machines []*platform.Machine
}

func (b *conformBoard) close() {
	for _, m := range b.machines {
		m.Close()
	}
}

// world is the configuration of the secure world for a variant.
func (b *conformBoard) world(v conform.Variant) (secureworld.Config, error) {
	keys := b.options.keys
	abi := map[string]secureworld.ABI{"": secureworld.ABIBoth, "both": secureworld.ABIBoth, "ffa": secureworld.ABIFFA, "smc": secureworld.ABISMC}[keys["abi"]]
	w := secureworld.DefaultConfig()
	w.TZASC.Enabled, w.TZASC.Base = keys["tzasc"] != "off", platform.TZCBase
	if keys["tzasc-action"] == "raz" {
		w.TZASC.Action = firewall.ActionRAZ
	}
	switch v {
	case conform.WithoutFFA:
		abi &^= secureworld.ABIFFA
	case conform.WithoutSMC:
		abi &^= secureworld.ABISMC
	case conform.StaticPool:
		const top = platform.RAMBase + conformRAM - conformFree
		w.Carveout = memory.Range{Base: top - conformCarveout, Size: conformCarveout}
		w.CarveoutUse = optee.UseCaseSecureVideoPlay
	}
	if abi == 0 {
		return w, fmt.Errorf("%w: -M abi=%s", conform.ErrVariant, keys["abi"])
	}
	w.ABI = abi
	w.Partitions = append(w.Partitions, secureworld.Partition{
		ID: partnerID, UUIDs: []ffa.UUID{conform.PartnerUUID()}, New: func() spmc.Partition { return new(partner) },
		Properties: ffa.PropReceivesDirectReq | ffa.PropReceivesDirectReq2 | ffa.PropIndirectMessages | ffa.PropNotifications | ffa.PropAArch64,
	})
	return w, nil
}

// target makes a machine with the secure world of a variant.
func (b *conformBoard) target(v conform.Variant) (conform.Target, error) {
	w, err := b.world(v)
	if err != nil {
		return nil, err
	}
	board := conform.NewBoard(secureworld.New(w))
	idle := &loader.Image{Name: "idle", Entry: platform.RAMBase, Segments: []loader.Segment{
		{Addr: platform.RAMBase, Data: idleCode[:], MemSize: uint64(len(idleCode))}}}
	m, err := platform.New(platform.Config{
		CPUs: conformCPUs, RAM: conformRAM, TZASC: w.TZASC.Enabled, Firmware: board.Firmware(), Kernel: idle,
	})
	if err != nil {
		return nil, err
	}
	b.machines = append(b.machines, m)
	run := func(ctx context.Context) (bool, error) {
		exit := m.Run(ctx)
		if exit.Reason == platform.Failed {
			return false, errors.New(exit.Message)
		}
		return exit.Reason == platform.PoweredOff, nil
	}
	return board, board.Bind(m, run, conformProperties(&w))
}

// conformProperties is what the documentation of this board and its configuration say.
func conformProperties(w *secureworld.Config) conform.Properties {
	access := func(a memory.Access) conform.Access { return conform.Access{Read: a.Read, Write: a.Write} }
	p := conform.Properties{
		RAM: conform.Range{Base: platform.RAMBase + conformFree, Size: conformRAM - 2*conformFree},
		FFA: w.ABI&secureworld.ABIFFA != 0, SMC: w.ABI&secureworld.ABISMC != 0,
		Firewall: w.TZASC.Enabled, Silent: w.TZASC.Action == firewall.ActionRAZ,
		DMA: platform.DMABase, DMAID: bus.NSAIDDMA,
		Normal: conform.Access{Read: 0xFFFF, Write: 0xFFFF}, Pools: map[optee.UseCase]conform.Access{},
		Grants: map[optee.UseCase]conform.Access{}, Crypto: platform.CryptoBase, Input: platform.InputBase,
		Carveout:  conform.Range(w.Carveout),
		SecureRAM: conform.Range{Base: platform.SecureRAM, Size: platform.SecureRAMLen}, Device: platform.UART0Base,
	}
	if w.TZASC.Enabled {
		p.Frame, p.Normal = platform.TZCBase, access(w.TZASC.Normal)
	}
	for _, u := range w.OPTEE.UseCases {
		p.Pools[u.ID] = access(u.Access)
		if u.Grantable != (memory.Access{}) {
			p.Grants[u.ID] = access(u.Grantable)
		}
	}
	p.RAM.Size -= p.Carveout.Size
	return p
}

// partner is the suite's partition beside OP-TEE (package conform, partner.go).
type partner struct {
	spmc.Services
	// unfinished are the values that requests end with once their execution contexts run again.
	unfinished [platform.MaxCPUs]uint64
}

// Start is documented at spmc.Partition.
func (p *partner) Start(s spmc.Services) { p.Services = s }

// Offer takes any memory, and lets no master keep access.
func (p *partner) Offer(*spmc.Offer) (memory.Access, error) { return memory.Access{}, nil }

// Direct2 inverts.
func (p *partner) Direct2(_ ffa.EndpointID, _ ffa.UUID, payload [14]uint64) ([14]uint64, error) {
	for i := range payload {
		payload[i] = ^payload[i]
	}
	return payload, nil
}

// Run finishes a request.
func (p *partner) Run(vcpu uint16) ([14]uint64, error) {
	return [14]uint64{1: p.unfinished[vcpu]}, nil
}

// Direct does what it is told.
func (p *partner) Direct(_ ffa.EndpointID, payload [5]uint64) ([5]uint64, error) {
	x, offset, value := uint64(uint32(payload[1]))|payload[2]<<32, payload[3], payload[4]
	var reply [5]uint64
	var err error
	switch payload[0] {
	case conform.PartnerRetrieve:
		_, err = p.Retrieve(ffa.Handle(x))
	case conform.PartnerRelinquish:
		err = p.Relinquish(ffa.Handle(x))
	case conform.PartnerRead, conform.PartnerWrite:
		reply[1], err = p.access(ffa.Handle(x), payload[0] == conform.PartnerWrite, offset, byte(value))
	case conform.PartnerNotify:
		err = p.Notify(ffa.NonSecurePhysical, x)
	case conform.PartnerReceive:
		reply[1], reply[2], err = p.receive()
	case conform.PartnerSend:
		err = p.Send(ffa.NonSecurePhysical, ffa.UUID{}, bytes.Repeat([]byte{byte(value)}, int(min(offset, maxSend))), false)
	case conform.PartnerYield:
		p.unfinished[p.VCPU()] = value
		return reply, spmc.ErrYielded
	case conform.PartnerPreempt:
		p.unfinished[p.VCPU()] = value
		return reply, spmc.ErrPreempted
	default:
		err = ffa.InvalidParameters
	}
	code := ffa.CodeOf(err)
	if errors.Is(err, memory.ErrBounds) {
		code = ffa.InvalidParameters
	}
	reply[0] = uint64(uint32(code))
	return reply, nil
}

// maxSend bounds the messages of the partner, in bytes: no buffer holds as much.
const maxSend = 1 << 20

func (p *partner) access(h ffa.Handle, write bool, offset uint64, value byte) (uint64, error) {
	region, err := p.Access(h)
	if err != nil {
		return 0, err
	}
	b := []byte{value}
	if write {
		return 0, region.WriteAt(b, offset)
	}
	err = region.ReadAt(b, offset)
	return uint64(b[0]), err
}

func (p *partner) receive() (n, sum uint64, err error) {
	m, ok := p.Message()
	if !ok {
		return 0, 0, ffa.NoData
	}
	for _, b := range m.Payload {
		sum += uint64(b)
	}
	return uint64(len(m.Payload)), sum, p.Release()
}
