package images

import (
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:generate go run ./internal/build

//go:embed bin/*.elf
var binaries embed.FS

//go:embed golden/*.txt
var golden embed.FS

// Image is one bundled image.
type Image struct {
	Name    string
	Summary string
	// ELF is the file to give to -kernel. It must not be written to.
	ELF []byte
	// CPUs is the number of processors that Expect was written for. The image runs with any other number too.
	CPUs int
	// GIC says that the image wants a GICv3.
	GIC bool
	// SecureWorld is the ABI that the image calls: "ffa", "smc", "any" for what it finds, or "" for none but PSCI.
	SecureWorld string
	// Expect is all that the image prints where everything is as the specifications say. It is "" where the output depends on
	// the secure world's choices.
	Expect string
	// Verdict starts the last line of a good run.
	Verdict string
}

// entry is an image without its files.
type entry struct {
	name, summary string
	cpus          int
	gic           bool
	secureWorld   string
}

var entries = []entry{
	{name: "hello", summary: "prints one line as early as possible and powers off", cpus: 1},
	{name: "lend-ffa", summary: "lends memory to OP-TEE over FF-A and probes it before, during and after, by CPU and DMA", cpus: 1, secureWorld: "ffa"},
	{name: "lend-smc", summary: "the same over OP-TEE's SMC interface", cpus: 1, secureWorld: "smc"},
	{name: "fault", summary: "takes each kind of synchronous exception and checks ESR, FAR and ELR", cpus: 1},
	{name: "smp", summary: "starts all processors with PSCI: atomics, locks, barrier, interrupts between them", cpus: 4, gic: true},
	{name: "timer", summary: "generic timers, their interrupts, WFI and the PL031 clock", cpus: 1, gic: true},
	{name: "gic", summary: "the interrupt controller: registers, states, priorities, nesting, levels, routing between processors", cpus: 2, gic: true},
	{name: "bench", summary: "about 200 million instructions of mixed work with a known result", cpus: 1},
	{name: "conform", summary: "the core of the conformance suite as TAP: PSCI, FF-A, OP-TEE, isolation, as far as they are there", cpus: 2, secureWorld: "any"},
}

// ErrUnknown is wrapped by the error of Get.
var ErrUnknown = errors.New("no such image")

// All gives the images in the catalogue's order.
func All() []Image {
	all := make([]Image, len(entries))
	for i, e := range entries {
		all[i] = e.image()
	}
	return all
}

// Get finds an image by its name.
func Get(name string) (Image, error) {
	for _, e := range entries {
		if e.name == name {
			return e.image(), nil
		}
	}
	return Image{}, fmt.Errorf("%w: %q", ErrUnknown, name)
}

func (e entry) image() Image {
	img := Image{Name: e.name, Summary: e.summary, CPUs: e.cpus, GIC: e.gic, SecureWorld: e.secureWorld}
	var err error
	if img.ELF, err = binaries.ReadFile("bin/" + e.name + ".elf"); err != nil {
		panic("BUG: catalogue names an image that is not embedded: " + e.name)
	}
	img.Verdict = "verdict ok"
	if e.secureWorld == "any" {
		img.Verdict = "# verdict ok" // a comment of TAP
	}
	if text, err := golden.ReadFile("golden/" + e.name + ".txt"); err == nil {
		img.Expect = string(text)
		lines := strings.Split(strings.TrimSuffix(img.Expect, "\n"), "\n")
		img.Verdict = lines[len(lines)-1]
	}
	return img
}
