package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"gatehouse/cmd/gatehouse/internal/dts"
)

// needTool skips a test without the program, or fails it where GATEHOUSE_REQUIRE_TOOLS is set.
func needTool(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
}

// The blob of -o, that of dumpdtb and the printed source are the same tree for every kind of machine.
func TestDTB(t *testing.T) {
	needTool(t, "dtc")
	dir := t.TempDir()
	for _, tc := range []struct {
		args []string
		want []string
		not  []string
	}{
		{nil, []string{`method = "smc"`, "reg = <0x0 0x40000000 0x0 0x8000000>"}, []string{"cpu@1", "tzc400"}},
		{[]string{"-smp", "3", "-m", "1G", "-cpu", "cortex-a57"}, []string{"cpu@2", "reg = <0x0 0x40000000 0x0 0x40000000>", `"arm,cortex-a57"`}, []string{"cpu@3"}},
		{[]string{"-M", "virt,secure-world=none"}, []string{`method = "hvc"`}, nil},
		{[]string{"-M", "virt,secure=on,tzasc=on"}, []string{"tzc400@b000000", "secram@e000000", `secure-status = "okay"`}, []string{"psci {"}},
		{[]string{"-M", "virt,virtualization=on"}, []string{"interrupt-controller"}, nil},
	} {
		r := gatehouse(append([]string{"dtb"}, tc.args...)...)
		if r.status != statusOK || r.stderr != "" || !strings.HasPrefix(r.stdout, "/dts-v1/;\n") {
			t.Fatalf("%v: %+v", tc.args, r)
		}
		for _, w := range tc.want {
			if !strings.Contains(r.stdout, w) {
				t.Errorf("%v: no %q in\n%s", tc.args, w, r.stdout)
			}
		}
		for _, w := range tc.not {
			if strings.Contains(r.stdout, w) {
				t.Errorf("%v: %q in\n%s", tc.args, w, r.stdout)
			}
		}
		blob, dump := filepath.Join(dir, "o.dtb"), filepath.Join(dir, "dump.dtb")
		if r := gatehouse(append([]string{"dtb", "-o", blob}, tc.args...)...); r != (result{}) {
			t.Fatalf("%v -o: %+v", tc.args, r)
		}
		args := append([]string{"boot"}, tc.args...)
		if r := gatehouse(append(args, "-M", "virt,dumpdtb="+dump)...); r != (result{}) {
			t.Fatalf("%v dumpdtb: %+v", tc.args, r)
		}
		cmd := exec.Command("dtc", "-q", "-I", "dts", "-O", "dtb")
		cmd.Stdin = strings.NewReader(r.stdout)
		compiled, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: dtc: %v", tc.args, err)
		}
		want := source(t, compiled)
		for _, path := range []string{blob, dump} {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := source(t, data); got != want {
				t.Errorf("%v: %s is\n%s\nnot\n%s", tc.args, path, got, want)
			}
		}
	}
}

func source(t *testing.T, blob []byte) string {
	t.Helper()
	tree, err := dts.Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := dts.Print(&b, tree); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The guest gets the tree of -dtb, with the command line and the initrd's place put in as QEMU does.
func TestGuestTree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.dtb")
	if r := gatehouse("dtb", "-o", path, "-M", "virt,secure-world=none"); r != (result{}) {
		t.Fatalf("%+v", r)
	}
	// The guest sends its tree, which x0 points to and whose size is its second word, to the console.
	show := image(t, func(p *code) {
		p.word(0xb9400401)             // LDR W1, [X0, #4]
		p.word(0x5ac00821)             // REV W1, W1
		p.mov(9, 0x09000000)           //
		p.word(0x38401402)             // LDRB W2, [X0], #1
		p.word(0xb9000122)             // STR W2, [X9]
		p.word(0xf1000421, 0x54ffffa1) // SUBS X1, X1, #1; B.NE
		p.off(insHVC)
	})
	initrd := tempFile(t, "initrd", bytes.Repeat([]byte("x"), 5000))
	chosen := func(args ...string) *dt.Node {
		t.Helper()
		r := gatehouse(append([]string{"boot", "-kernel", show, "-timeout", "20s"}, args...)...)
		tree, err := dts.Parse([]byte(r.stdout))
		if r.status != statusOK || r.stderr != "" || err != nil {
			t.Fatalf("%v: status %d, %q, %v", args, r.status, r.stderr, err)
		}
		psci, ok := tree.RootNode.LookupChildByName("psci")
		if !ok {
			t.Fatal("no psci")
		}
		method, _ := psci.LookProperty("method")
		if own := len(args) > 0 && args[0] == "-dtb"; own != (string(method.Value) == "hvc\x00") {
			t.Errorf("%v: method %q", args, method.Value)
		}
		n, ok := tree.RootNode.LookupChildByName("chosen")
		if !ok {
			t.Fatal("no chosen")
		}
		return n
	}
	for _, own := range [][]string{nil, {"-dtb", path}} {
		n := chosen(own...)
		if _, ok := n.LookProperty("bootargs"); ok {
			t.Errorf("%v: bootargs", own)
		}
		n = chosen(append(own, "-append", "console=ttyAMA0 x", "-initrd", initrd)...)
		if p, ok := n.LookProperty("bootargs"); !ok || string(p.Value) != "console=ttyAMA0 x\x00" {
			t.Errorf("%v: bootargs %v", own, p)
		}
		start, ok1 := n.LookProperty("linux,initrd-start")
		end, ok2 := n.LookProperty("linux,initrd-end")
		if !ok1 || !ok2 {
			t.Fatalf("%v: %+v", own, n)
		}
		if s, e := binary.BigEndian.Uint64(start.Value), binary.BigEndian.Uint64(end.Value); e-s != 5000 || s < 0x4008_0000 {
			t.Errorf("%v: initrd %#x to %#x", own, s, e)
		}
	}
}
