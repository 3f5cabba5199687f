package monitor

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gatehouse/devices/tzc400"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/platform/cpu"
)

func topics() []entry {
	return []entry{
		{"cpus", "", "the processors", (*Monitor).infoCPUs},
		{"ffa", "", "the secure world: partitions, memory transactions, ownership of memory", (*Monitor).infoFFA},
		{"gic|irq", "", "interrupts that are enabled, pending or active", (*Monitor).infoGIC},
		{"mtree", "", "the address map", (*Monitor).infoMap},
		{"registers", "[-a | N]", "registers of the selected processor, of all (-a) or of processor N", (*Monitor).infoRegisters},
		{"status", "", "whether the machine runs", (*Monitor).infoStatus},
		{"tzc", "", "the TZC-400: gates, regions and failures", (*Monitor).infoTZC},
	}
}

func (mon *Monitor) info(w io.Writer, _, args string) error {
	name, args, _ := strings.Cut(args, " ")
	for _, t := range topics() {
		switch {
		case name == "":
			fmt.Fprintf(w, "info %-22s %s\n", strings.ReplaceAll(t.names, "|", ", ")+" "+t.args, t.help)
		case t.is(name):
			args = strings.TrimSpace(args)
			if t.args == "" && args != "" {
				return fmt.Errorf("%s: takes no argument", name)
			}
			return t.run(mon, w, "", args)
		}
	}
	if name != "" {
		return fmt.Errorf("no topic '%s': info alone lists them", printable(name))
	}
	return nil
}

func (mon *Monitor) infoStatus(w io.Writer, _, _ string) error {
	state := "running"
	if mon.m.Stopped() {
		state = "paused"
	}
	fmt.Fprintf(w, "VM status: %s\n", state)
	fmt.Fprintf(w, "virtual time %d ns, %d instructions", mon.m.Now(), mon.m.Retired())
	if n := mon.m.Resets() - 1; n > 0 {
		fmt.Fprintf(w, ", %d resets", n)
	}
	fmt.Fprintln(w)
	return nil
}

// activity says what a processor does.
func activity(c *cpu.CPU) string {
	switch {
	case !c.Powered():
		return "off"
	case !c.Runnable():
		return "halted"
	}
	return "running"
}

func (mon *Monitor) infoCPUs(w io.Writer, _, _ string) error {
	for i := range mon.m.NumCPUs() {
		c, mark := mon.m.CPU(i), ' '
		if i == mon.cpu {
			mark = '*'
		}
		fmt.Fprintf(w, "%c CPU #%d: pc=%#016x EL%d %s (%s)\n", mark, i, c.PC, c.EL(), security(c), activity(c))
	}
	return nil
}

func security(c *cpu.CPU) string {
	if c.Secure() {
		return "secure"
	}
	return "non-secure"
}

func (mon *Monitor) infoRegisters(w io.Writer, _, args string) error {
	switch args {
	case "":
		mon.registersOf(w, mon.cpu)
		return nil
	case "-a":
		for i := range mon.m.NumCPUs() {
			if i > 0 {
				fmt.Fprintln(w)
			}
			mon.registersOf(w, i)
		}
		return nil
	}
	n, err := mon.number(args)
	if err != nil {
		return err
	}
	mon.registersOf(w, n)
	return nil
}

// shown are the system registers that info registers shows, as far as the processor has them.
var shown = []string{
	"SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1", "VBAR_EL1", "ESR_EL1", "FAR_EL1", "ELR_EL1", "SPSR_EL1",
	"SP_EL0", "SP_EL1", "TPIDR_EL0", "TPIDR_EL1", "CONTEXTIDR_EL1", "CPACR_EL1",
	"CNTVCT_EL0", "CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTP_CTL_EL0", "CNTP_CVAL_EL0",
	"HCR_EL2", "SCTLR_EL2", "TCR_EL2", "TTBR0_EL2", "VTCR_EL2", "VTTBR_EL2", "VBAR_EL2", "ESR_EL2", "FAR_EL2", "HPFAR_EL2", "ELR_EL2", "SPSR_EL2", "SP_EL2",
	"SCR_EL3", "SCTLR_EL3", "TCR_EL3", "TTBR0_EL3", "VBAR_EL3", "ESR_EL3", "FAR_EL3", "ELR_EL3", "SPSR_EL3",
}

// registersOf shows the registers of one processor in QEMU's layout, with key system registers below.
func (mon *Monitor) registersOf(w io.Writer, n int) {
	c := mon.m.CPU(n)
	fmt.Fprintf(w, "CPU#%d (%s)\n PC=%016x X00=%016x X01=%016x\n", n, activity(c), c.PC, c.X[0], c.X[1])
	for i := 2; i < 31; i++ {
		fmt.Fprintf(w, "X%02d=%016x", i, c.X[i])
		if i%4 == 1 {
			fmt.Fprintln(w)
		} else {
			fmt.Fprint(w, " ")
		}
	}
	fmt.Fprintf(w, "SP=%016x\n%s\n", c.SP(), pstate(c))
	column := 0
	for _, name := range shown {
		if name[len(name)-1] == '2' && !exists(c, 2) || name[len(name)-1] == '3' && !exists(c, 3) {
			continue
		}
		v, ok := mon.systemRegister(c, name)
		if !ok {
			continue
		}
		text := fmt.Sprintf("%s=%016x", name, v)
		if column++; column%3 == 0 {
			fmt.Fprintln(w, text)
		} else {
			fmt.Fprintf(w, "%-33s", text)
		}
	}
	if column%3 != 0 {
		fmt.Fprintln(w)
	}
}

// idAA64PFR0 is ID_AA64PFR0_EL1, whose fields of 4 bits say which exception levels exist (DDI 0487, D19.2.65).
const idAA64PFR0 = 0xc020

func exists(c *cpu.CPU, el int) bool {
	v, ok := c.ReadSysDebug(idAA64PFR0)
	return ok && v>>(4*el)&15 != 0
}

// pstate decodes the process state (DDI 0487, C5.2.19).
func pstate(c *cpu.CPU) string {
	v := c.PSTATE()
	var b strings.Builder
	letters := func(names string, high int) {
		for i := range names {
			if v>>(high-i)&1 != 0 {
				b.WriteByte(names[i])
			} else {
				b.WriteByte('-')
			}
		}
	}
	fmt.Fprintf(&b, "PSTATE=%08x ", v)
	letters("NZCV", 31)
	b.WriteByte(' ')
	letters("DAIF", 9)
	for _, f := range []struct {
		bit  int
		name string
	}{{22, "PAN"}, {23, "UAO"}, {12, "SSBS"}, {21, "SS"}, {20, "IL"}} {
		if v>>f.bit&1 != 0 {
			b.WriteString(" " + f.name)
		}
	}
	stack := "t"
	if v&1 != 0 {
		stack = "h"
	}
	fmt.Fprintf(&b, " EL%d%s %s", c.EL(), stack, security(c))
	return b.String()
}

func (mon *Monitor) infoMap(w io.Writer, _, _ string) error {
	for _, r := range mon.m.Regions() {
		what := "device"
		switch {
		case r.Array != nil:
			what = "array"
		case r.Dev == nil:
			what = "ram"
		}
		var notes []string
		if r.SecureOnly {
			notes = append(notes, "secure only")
		}
		if r.Filter != nil {
			notes = append(notes, "behind the firewall")
		}
		if r.ReadOnly {
			notes = append(notes, "read-only")
		}
		line := fmt.Sprintf("%016x-%016x %-6s %-9s %s", r.Base, r.Base+(r.Size-1), what, r.Name, strings.Join(notes, ", "))
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	return nil
}

// describer is firmware that can tell of its state.
type describer interface{ Describe(w io.Writer) }

func (mon *Monitor) infoFFA(w io.Writer, _, _ string) error {
	d, ok := mon.m.Firmware().(describer)
	if !ok {
		return errors.New("ffa: EL3 does not belong to the Go secure world")
	}
	d.Describe(w)
	return nil
}

// secure reads registers of devices as secure software does.
func (mon *Monitor) secure() *bus.Port {
	return mon.m.Port(bus.Attr{Secure: true, Privileged: true, NSAID: bus.NSAIDAP})
}

func (mon *Monitor) has(base uint64) bool {
	for _, r := range mon.m.Regions() {
		if r.Base == base {
			return true
		}
	}
	return false
}

// infoTZC shows the controller's registers, of which none changes when it is read (DDI 0504, 3.2).
func (mon *Monitor) infoTZC(w io.Writer, _, _ string) error {
	if !mon.has(platform.TZCBase) {
		return errors.New("tzc: the board has no TZC-400: -M tzasc=on adds it")
	}
	port := mon.secure()
	get := func(off uint64) uint32 {
		v, _ := port.Load(platform.TZCBase+off, 4)
		return uint32(v)
	}
	pair := func(low uint64) uint64 { return uint64(get(low+4))<<32 | uint64(get(low)) }
	actions := [4]string{"OKAY", "DECERR", "OKAY, interrupt", "DECERR, interrupt"}
	action := get(tzc400.Action)
	fmt.Fprintf(w, "ACTION %d: %s\n", action, actions[action&3])
	gate := get(tzc400.GateKeeper)
	status := get(tzc400.IntStatus)
	for f := range tzc400.Filters {
		state := "closed"
		if gate>>(16+f)&1 != 0 {
			state = "open"
		}
		fmt.Fprintf(w, "filter %d: gate %s", f, state)
		if gate>>(16+f)&1 != gate>>f&1 {
			fmt.Fprint(w, " (a change is asked for)")
		}
		if status>>f&1 == 0 {
			fmt.Fprintln(w, ", no failure")
			continue
		}
		block := uint64(f * tzc400.FailStride)
		control := get(tzc400.FailControl + block)
		word := func(bit uint32, yes, no string) string {
			if control&bit != 0 {
				return yes
			}
			return no
		}
		id := get(tzc400.FailID + block)
		fmt.Fprintf(w, ", failed: %s %s %s at %#x, id %#x", word(tzc400.FailNonSecure, "non-secure", "secure"),
			word(tzc400.FailPrivileged, "privileged", "unprivileged"), word(tzc400.FailWrite, "write", "read"), pair(tzc400.FailAddressLow+block), id)
		if status>>(8+f)&1 != 0 {
			fmt.Fprint(w, ", and others after it")
		}
		if status>>(16+f)&1 != 0 {
			fmt.Fprint(w, ", in overlapping regions")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "region range                             filters secure non-secure read / write")
	for r := range uint64(tzc400.Regions) {
		block := r * tzc400.RegionStride
		attr, ids := get(tzc400.RegionAttributes+block), get(tzc400.RegionIDAccess+block)
		filters := ""
		for f := range tzc400.Filters {
			if attr>>f&1 != 0 {
				filters += fmt.Sprint(f)
			}
		}
		if filters == "" && r > 0 {
			continue // disabled
		}
		rights := [4]string{"none", "r", "w", "rw"}[attr>>30]
		fmt.Fprintf(w, "%6d %016x-%016x %-7s %-6s %s / %s\n", r, pair(tzc400.RegionBaseLow+block), pair(tzc400.RegionTopLow+block), filters, rights,
			bus.NSAIDSet(uint16(ids)), bus.NSAIDSet(uint16(ids>>16)))
	}
	return nil
}

// Registers of the GICv3 (IHI 0069, 12.8 and 12.10). Those that have a bit for each interrupt have the same offsets in the
// distributor and in the SGI frame of a redistributor. Reading them changes nothing.
const (
	gicIGROUPR    = 0x0080
	gicISENABLER  = 0x0100
	gicISPENDR    = 0x0200
	gicISACTIVER  = 0x0300
	gicIPRIORITYR = 0x0400
	gicIGRPMODR   = 0x0d00
	gicdTYPER     = 0x0004
	gicdIROUTER   = 0x6000
	gicrFrame     = 0x2_0000 // RD_base and SGI_base of one processor
	gicrSGI       = 0x1_0000
)

func (mon *Monitor) infoGIC(w io.Writer, _, _ string) error {
	port := mon.secure()
	show := func(frame uint64, id int, target string) {
		word := func(reg uint64) bool {
			v, _ := port.Load(frame+reg+uint64(id/32*4), 4)
			return v>>(id%32)&1 != 0
		}
		enabled, pending, active := word(gicISENABLER), word(gicISPENDR), word(gicISACTIVER)
		if !enabled && !pending && !active {
			return
		}
		prio, _ := port.Load(frame+gicIPRIORITYR+uint64(id&^3), 4)
		group := "0"
		switch {
		case word(gicIGROUPR):
			group = "1NS"
		case word(gicIGRPMODR):
			group = "1S"
		}
		var state []string
		for _, s := range []struct {
			on   bool
			name string
		}{{enabled, "enabled"}, {pending, "pending"}, {active, "active"}} {
			if s.on {
				state = append(state, s.name)
			}
		}
		fmt.Fprintf(w, "%5d %-6s group %-3s priority %02x %s\n", id, target, group, prio>>(id&3*8)&0xff, strings.Join(state, " "))
	}
	for i := range mon.m.NumCPUs() {
		c := mon.m.CPU(i)
		fmt.Fprintf(w, "CPU#%d:", i)
		for _, name := range []string{"ICC_PMR_EL1", "ICC_RPR_EL1", "ICC_IGRPEN0_EL1", "ICC_IGRPEN1_EL1"} {
			if v, ok := mon.systemRegister(c, name); ok {
				fmt.Fprintf(w, " %s=%x", name, v)
			}
		}
		fmt.Fprintln(w)
		for id := range 32 {
			show(platform.GICRBase+uint64(i)*gicrFrame+gicrSGI, id, fmt.Sprintf("CPU#%d", i))
		}
	}
	typer, _ := port.Load(platform.GICDBase+gicdTYPER, 4)
	for id := 32; id < 32*int(typer&31+1); id++ {
		router, _ := port.Load(platform.GICDBase+gicdIROUTER+8*uint64(id), 8)
		target := "any"
		if router>>31&1 == 0 {
			target = fmt.Sprintf("aff %x", router)
		}
		show(platform.GICDBase, id, target)
	}
	return nil
}
