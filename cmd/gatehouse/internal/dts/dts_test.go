package dts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/dt"
)

func requireDTC(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("dtc"); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_TOOLS") != "" {
			t.Fatal("dtc is not installed")
		}
		t.Skip("dtc is not installed")
	}
}

// dtc compiles or prints a tree.
func dtc(t testing.TB, from, to string, in []byte) []byte {
	t.Helper()
	cmd := exec.Command("dtc", "-q", "-I", from, "-O", to)
	cmd.Stdin = bytes.NewReader(in)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("dtc: %v: %s\n%s", err, &msg, in)
	}
	return out.Bytes()
}

const example = `/dts-v1/;
/memreserve/ 0x40000000 0x1000;
/ {
	#address-cells = <2>;
	model = "a \"quoted\" \\ model";
	compatible = "one,board", "two,board";
	empty;
	bytes = [00 01 02];
	zero = [00];
	two-zeros = [00 00];
	cells = <0x1 0xdeadbeef 0>;
	looks-like-text = <0x41424300>;
	text-without-end = [41 42 43];
	control = [0a 41 00];
	high = [c3 a9 00];
	node@0 { a,b#c = "x"; child { }; };
	node@1 { phandle = <1>; };
};
`

// What is printed compiles to the same blob. dtc is the judge.
func TestPrint(t *testing.T) {
	requireDTC(t)
	blob := dtc(t, "dts", "dtb", []byte(example))
	tree, err := Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := Print(&text, tree); err != nil {
		t.Fatal(err)
	}
	if again := dtc(t, "dts", "dtb", text.Bytes()); !bytes.Equal(again, blob) {
		t.Errorf("another blob from\n%s", &text)
	}
	for _, want := range []string{
		"/memreserve/ 0x40000000 0x1000;\n", "\tcompatible = \"one,board\", \"two,board\";\n", "\tempty;\n", "\tzero = [00];\n",
		"\tcells = <0x1 0xdeadbeef 0x0>;\n", "\tmodel = \"a \\\"quoted\\\" \\\\ model\";\n", "\n\tnode@0 {\n\t\ta,b#c = \"x\";\n\n\t\tchild {\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}

// blob builds a device tree blob by hand (Devicetree Specification 0.4, 5.1 to 5.5).
func blob(structure []uint32, names string) []byte {
	var s []byte
	for _, w := range structure {
		s = binary.BigEndian.AppendUint32(s, w)
	}
	const reserve = 16
	header := []uint32{dt.Magic, uint32(headerSize + reserve + len(s) + len(names)), headerSize + reserve,
		uint32(headerSize + reserve + len(s)), headerSize, 17, 16, 0, uint32(len(names)), uint32(len(s))}
	var b []byte
	for _, w := range header {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return append(append(append(b, make([]byte, reserve)...), s...), names...)
}

func TestParse(t *testing.T) {
	good := []uint32{beginNode, 0, property, 4, 0, 7, nop, endNode, end}
	tree, err := Parse(blob(good, "reg\x00"))
	if err != nil || len(tree.RootNode.Properties) != 1 || tree.RootNode.Properties[0].Name != "reg" {
		t.Fatalf("%+v, %v", tree, err)
	}
	if _, err := Parse(blob([]uint32{beginNode, 0, endNode, end}, "")); err != nil {
		t.Errorf("no property at all: %v", err)
	}
	deep := []uint32{}
	for range maxDepth + 1 {
		deep = append(deep, beginNode, 0)
	}
	for name, tc := range map[string]struct {
		structure []uint32
		names     string
	}{
		"node without name":  {[]uint32{beginNode, 0, beginNode, 0, endNode, endNode, end}, ""},
		"node with a space":  {[]uint32{beginNode, 0, beginNode, 0x61206200, endNode, endNode, end}, ""},
		"node not ASCII":     {[]uint32{beginNode, 0, beginNode, 0xc3a90000, endNode, endNode, end}, ""},
		"empty name":         {[]uint32{beginNode, 0, property, 0, 0, endNode, end}, "\x00"},
		"property with {":    {[]uint32{beginNode, 0, property, 0, 0, endNode, end}, "a{\x00"},
		"no tokens":          {nil, ""},
		"no end":             {[]uint32{beginNode, 0, endNode}, ""},
		"no root":            {[]uint32{end}, ""},
		"end in a node":      {[]uint32{beginNode, 0, end}, ""},
		"two roots":          {[]uint32{beginNode, 0, endNode, beginNode, 0, endNode, end}, ""},
		"end before begin":   {[]uint32{endNode, end}, ""},
		"unknown token":      {[]uint32{beginNode, 0, 7, endNode, end}, ""},
		"name without end":   {[]uint32{beginNode, 0x61616161}, ""},
		"property outside":   {[]uint32{property, 0, 0, beginNode, 0, endNode, end}, "a\x00"},
		"long property":      {[]uint32{beginNode, 0, property, 0xfffffff0, 0, endNode, end}, "a\x00"},
		"property name":      {[]uint32{beginNode, 0, property, 0, 9, endNode, end}, "a\x00"},
		"name runs on":       {[]uint32{beginNode, 0, property, 0, 0, endNode, end}, "a"},
		"half a property":    {[]uint32{beginNode, 0, property, 4}, "a\x00"},
		"too deep":           {deep, ""},
		"property past end":  {[]uint32{beginNode, 0, property, 9, 0, 0, 0, endNode}, "a\x00"},
		"property unaligned": {[]uint32{beginNode, 0, property, 13, 0, 0, endNode, end}, "a\x00"},
	} {
		if _, err := Parse(blob(tc.structure, tc.names)); !errors.Is(err, ErrBlob) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := blob(good, "reg\x00")
	for n := range whole {
		if _, err := Parse(whole[:n]); !errors.Is(err, ErrBlob) {
			t.Errorf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
}

// A blob is refused, or it can be printed and parsed again to the same tree; nothing else happens.
func FuzzParse(f *testing.F) {
	f.Add(blob([]uint32{beginNode, 0, property, 4, 0, 7, beginNode, 0x61000000, endNode, endNode, end}, "reg\x00"))
	f.Add(blob([]uint32{beginNode, 0, property, 0xffff, 0, end}, ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrBlob) {
				t.Error(err)
			}
			return
		}
		var text, again bytes.Buffer
		if err := Print(&text, tree); err != nil {
			t.Fatal(err)
		}
		if _, err := tree.Write(&again); err != nil {
			t.Fatal(err)
		}
		second, err := Parse(again.Bytes())
		if err != nil {
			t.Fatalf("written, it does not parse: %v", err)
		}
		var same bytes.Buffer
		if err := Print(&same, second); err != nil || same.String() != text.String() {
			t.Errorf("%v\n%s\n%s", err, &text, &same)
		}
	})
}
