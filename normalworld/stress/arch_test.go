package stress_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/normalworld"
	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/lab"
	"gatehouse/normalworld/mem"
	"gatehouse/normalworld/smaf"
	"gatehouse/platform"
	"gatehouse/platform/bus"
	"gatehouse/secureworld"
	"gatehouse/secureworld/memory"
	wire "gatehouse/smc/optee"
)

const module = "gatehouse"

// source is one package of the module, without its tests.
type source struct {
	imports []string // of the module, and unsafe
	files   []*ast.File
	names   []string
}

// sources parses the module. All build tags count.
func sources(t *testing.T) (map[string]*source, *token.FileSet) {
	t.Helper()
	root, err := os.Getwd()
	must(t, err)
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			t.Fatal("there is no go.mod above")
		}
		root = up
	}
	all, set := map[string]*source{}, token.NewFileSet()
	for _, top := range []string{"normalworld", "secureworld", "devices", "ffa", "smc", "platform"} {
		must(t, filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			name := module + "/" + filepath.ToSlash(rel)
			p := all[name]
			if p == nil {
				p = &source{}
				all[name] = p
			}
			p.files, p.names = append(p.files, f), append(p.names, filepath.Base(path))
			for _, i := range f.Imports {
				what, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return err
				}
				if what == "unsafe" || what == "C" || strings.HasPrefix(what, module+"/") {
					p.imports = append(p.imports, what)
				}
			}
			return nil
		}))
	}
	return all, set
}

// below reports whether a package is one of the folder's.
func below(name, folder string) bool {
	folder = module + "/" + folder
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// deps are all packages of the module that one needs.
func deps(all map[string]*source, name string, seen map[string]bool) []string {
	var list []string
	p := all[name]
	if p == nil {
		return nil
	}
	for _, i := range p.imports {
		if !seen[i] {
			seen[i] = true
			list = append(append(list, i), deps(all, i, seen)...)
		}
	}
	return list
}

// Who may import whom: the normal world knows of the secure world and of devices only what SMCs and the bus say.
func TestImports(t *testing.T) {
	all, _ := sources(t)
	contracts := []string{module + "/platform/bus", module + "/platform/event", module + "/platform/firmware", module + "/platform/vtime"}
	contract := func(name string, some ...string) bool {
		return slices.ContainsFunc(some, func(s string) bool { return name == module+"/platform/"+s })
	}
	counted := map[string]int{}
	for name, p := range all {
		direct := func(ok func(string) bool) {
			for _, i := range p.imports {
				if !ok(i) {
					t.Errorf("%s imports %s", name, i)
				}
			}
		}
		switch {
		case below(name, "normalworld/internal/labtest"):
		case below(name, "normalworld"):
			counted["normalworld"]++
			direct(func(i string) bool {
				return i != "unsafe" && i != "C" && (!below(i, "platform") || slices.Contains(contracts, i))
			})
			for _, i := range deps(all, name, map[string]bool{}) {
				if below(i, "secureworld") || i == module+"/platform" || below(i, "devices") || below(i, "normalworld/internal/labtest") {
					t.Errorf("%s needs %s", name, i)
				}
			}
		case below(name, "secureworld"):
			counted["secureworld"]++
			direct(func(i string) bool {
				return below(i, "secureworld") || below(i, "ffa") || below(i, "smc") || slices.Contains(contracts, i)
			})
		case below(name, "devices"):
			counted["devices"]++
			direct(func(i string) bool { return below(i, "devices") || contract(i, "bus", "vtime", "event") })
		case below(name, "ffa"):
			counted["ffa"]++
			direct(func(i string) bool { return below(i, "ffa") })
		case below(name, "smc"):
			counted["smc"]++
			direct(func(i string) bool { return below(i, "smc") })
		}
	}
	for folder, least := range map[string]int{"normalworld": 12, "secureworld": 10, "devices": 10, "ffa": 1, "smc": 2} {
		if counted[folder] < least {
			t.Errorf("%d packages below %s were looked at", counted[folder], folder)
		}
	}
}

// The only place in the normal world that takes a place on the bus is the kernel, as the processor. Nothing else makes a port.
func TestPorts(t *testing.T) {
	all, set := sources(t)
	ports := 0
	for name, p := range all {
		if !below(name, "normalworld") || below(name, "normalworld/internal/labtest") || below(name, "normalworld/conform") {
			continue // the suite asks every master by its port
		}
		for i, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				s, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "Port" && s.Sel.Name != "NewPort" && s.Sel.Name != "Direct" {
					return true
				}
				if s.Sel.Name == "Direct" { // armffa's is a message
					if len(call.Args) > 0 && below(name, "normalworld/armffa") || below(name, "normalworld/tee/optee") {
						return true
					}
				}
				if name == module+"/normalworld" && p.names[i] == "kernel.go" {
					ports++
					return true
				}
				t.Errorf("%v: %s", set.Position(call.Pos()), s.Sel.Name)
				return true
			})
		}
	}
	if ports != 1 {
		t.Errorf("the kernel makes %d ports, want one", ports)
	}
}

// bouncer takes memory for devices with a narrow mask from the allocator.
type bouncer struct{ l *lab.Lab }

func (b bouncer) AllocBounce(size, mask uint64) (uint64, error) {
	return b.l.Pages.AllocContig(size, mem.Flags{Mask: mask})
}

func (b bouncer) FreeBounce(pa, size uint64) { _ = b.l.Pages.FreeContig(pa, size) }

// closed tries every way in which the processor can get at a buffer's memory.
func closed(t *testing.T, l *lab.Lab, b *dmabuf.Buffer, pa uint64) {
	t.Helper()
	refused := func(what string, err error, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v: %s: %v, want %v", b, what, err, want)
		}
	}
	_, err := b.MMap(0, page, dmabuf.ProtRead)
	if err == nil {
		t.Errorf("%v: mmap succeeds", b)
	}
	files := dmabuf.NewFiles(0)
	must(t, b.Get())
	fd, err := files.Install(b, 0)
	must(t, err)
	if _, err := files.MMap(fd, 0, page, dmabuf.ProtRead); err == nil {
		t.Errorf("%v: mmap of a descriptor succeeds", b)
	}
	if _, err := b.VMap(); err == nil {
		t.Errorf("%v: vmap succeeds", b)
	}
	for _, dir := range []dmabuf.Direction{dmabuf.Bidirectional, dmabuf.ToDevice, dmabuf.FromDevice} {
		if b.BeginCPUAccess(dir) == nil {
			t.Errorf("%v: the processor may access it, %v", b, dir)
		}
	}
	for _, f := range []uint64{dmabuf.SyncRead, dmabuf.SyncWrite, dmabuf.SyncRead | dmabuf.SyncWrite} {
		if b.Sync(f) == nil {
			t.Errorf("%v: DMA_BUF_IOCTL_SYNC with %d succeeds", b, f)
		}
	}
	// A fence of a writer that has ended does not open it.
	fence := l.Core.NewTimeline("test", "writes", nil).NewFence()
	must(t, b.Reservation().Add(fence, dmabuf.WriteUsage))
	if b.BeginCPUAccess(dmabuf.FromDevice) == nil {
		t.Errorf("%v: with a fence", b)
	}
	must(t, fence.Signal())
	must(t, b.Reservation().Wait(dmabuf.BookkeepUsage, 1))
	if b.BeginCPUAccess(dmabuf.FromDevice) == nil {
		t.Errorf("%v: after a fence", b)
	}
	must(t, files.Close(fd))

	p := make([]byte, 2*page)
	refused("read", l.Kernel.Read(pa, p), normalworld.EFAULT)
	if slices.ContainsFunc(p, func(c byte) bool { return c != 0 }) {
		t.Errorf("%v: a read that was refused gives %x", b, p[:16])
	}
	refused("write", l.Kernel.Write(pa, make([]byte, 16)), normalworld.EFAULT)
	refused("clear", l.Kernel.Zero(pa, 16), normalworld.EFAULT)
	for _, size := range []int{1, 2, 4, 8} {
		v, err := l.Kernel.Load(pa, size)
		refused("load", err, normalworld.EFAULT)
		if v != 0 {
			t.Errorf("%v: a load that was refused gives %#x", b, v)
		}
		refused("store", l.Kernel.Store(pa, size, 0), normalworld.EFAULT)
	}
	// A device that does not reach the memory does not get a copy of it.
	l.Core.Bounce = bouncer{l}
	before := l.Core.Stats().BouncedBytes
	narrow := dmabuf.Device{Name: "narrow", NSAID: bus.NSAIDDecoder, DMAMask: pa - 1}
	if a, err := b.Attach(narrow); err == nil {
		if _, err := a.Map(dmabuf.ToDevice); err == nil {
			t.Errorf("%v: bounced", b)
		}
		must(t, a.Detach())
	}
	// SMAF's memory is an ordinary buffer to the core: there it is the bus that refuses the copy.
	if n := l.Core.Stats().BouncedBytes - before; n != 0 && b.Restricted() {
		t.Errorf("%v: %d bytes were bounced", b, n)
	}
	l.Core.Bounce = nil
	// Shared memory that stands for it, and for the pool that it is in.
	ctx, err := l.OPTEE.Device().OpenKernel()
	must(t, err)
	if s, err := ctx.RegisterBuffer(b); err == nil {
		pool, at := s.Parent()
		for _, m := range []interface {
			Read(uint64, []byte) error
			Write(uint64, []byte) error
		}{s, pool} {
			clear(p)
			off := uint64(0)
			if m == any(pool) && pool != s {
				off = at
			}
			if m.Read(off, p[:16]) == nil || m.Write(off, p[:16]) == nil || slices.ContainsFunc(p, func(c byte) bool { return c != 0 }) {
				t.Errorf("%v: the processor accesses shared memory: %x", b, p[:16])
			}
		}
		s.Put()
	}
	ctx.Close()
}

// Every way of the processor's is closed, for each heap and under each policy, and for memory that SMAF has made secure: mappings from before
// too.
func TestProcessor(t *testing.T) {
	each(t, func(t *testing.T, abi lab.ABI, policy lab.Policy) {
		r := newRig(t, abi, policy, wire.UseCaseSecureVideoPlay, 1<<20)
		l, err := r.boot()
		must(t, err)
		tried := 0
		for _, name := range l.Heaps.Names() {
			h, err := l.Heaps.Open(name)
			must(t, err)
			b, err := h.Buffer(3*page, dmabuf.ORdWr)
			if errors.Is(err, normalworld.EOPNOTSUPP) {
				continue
			}
			must(t, err)
			if b.Restricted() {
				tried++
				ctx, err := l.OPTEE.Device().OpenKernel()
				must(t, err)
				s, err := ctx.RegisterBuffer(b)
				must(t, err)
				pa := s.Pages()[0]
				s.Put()
				ctx.Close()
				r.ports[bus.NSAIDDecoder].Write(pa, []byte(secretLine))
				closed(t, l, b, pa)
			}
			must(t, b.Put())
		}
		if tried == 0 {
			t.Error("there is no protected heap")
		}
		if abi == lab.FFA || policy != lab.Static {
			for _, name := range l.SMAF.Allocators() {
				b, err := l.SMAF.Create(3*page, smaf.RDWR, name)
				must(t, err)
				m, err := b.MMap(0, 3*page, dmabuf.ProtRead|dmabuf.ProtWrite)
				must(t, err)
				must(t, m.Write(0, []byte(secretLine)))
				untouched, err := b.MMap(0, 3*page, dmabuf.ProtRead)
				must(t, err)
				must(t, l.SMAF.SetSecure(b, true))
				var pa uint64
				must(t, visit(b, l.Decoder.Device, dmabuf.FromDevice, func(segs []dmabuf.Segment) error {
					pa = segs[0].Addr
					return r.inject(bus.NSAIDDecoder, segs)
				}))
				p := make([]byte, 16)
				for _, old := range []*dmabuf.Mapping{m, untouched} {
					if old.Read(0, p) == nil || old.Write(0, p) == nil || slices.ContainsFunc(p, func(c byte) bool { return c != 0 }) {
						t.Errorf("%v: a mapping from before goes on: %x", b, p)
					}
				}
				closed(t, l, b, pa)
				must(t, l.SMAF.SetSecure(b, false))
				must(t, m.Read(0, p))
				if slices.ContainsFunc(p, func(c byte) bool { return c != 0 }) {
					t.Errorf("%v: what was secure is readable: %q", b, p)
				}
				must(t, errors.Join(m.Unmap(), untouched.Unmap(), b.Put()))
			}
		}
		must(t, r.down(l))
		must(t, r.open())
	})
}

// The same for a heap that the device tree carves out.
func TestProcessorSecureHeap(t *testing.T) {
	world := secureworld.DefaultConfig()
	world.Carveout, world.CarveoutUse = memory.Range{Base: carveout, Size: carveSize}, wire.UseCaseSecureVideoPlay
	m, err := platform.New(platform.Config{TZASC: true, RAM: ramSize, Firmware: secureworld.New(world), Reserved: []platform.Reserved{
		{Name: "secure", Base: carveout, Size: carveSize, NoMap: true, Compatible: heap.SecureCompatible}}})
	must(t, err)
	t.Cleanup(m.Close)
	l, err := lab.New(m, lab.Options{ABI: lab.FFA, Policy: lab.Pool, CMA: cmaSize})
	must(t, err)
	h, err := l.Heaps.Open("secure")
	must(t, err)
	b, err := h.Buffer(3*page, dmabuf.ORdWr)
	must(t, err)
	a, err := b.Attach(l.Decoder.Device)
	must(t, err)
	segs, err := a.Map(dmabuf.FromDevice)
	must(t, err)
	closed(t, l, b, segs[0].Addr)
	must(t, errors.Join(a.Unmap(dmabuf.FromDevice), a.Detach(), b.Put(), l.Close()))
}
