// Package dts checks flattened device trees and prints them as source.
//
// What enters is a blob (Devicetree Specification 0.4, chapter 5); what leaves is text that dtc compiles to the same tree (chapter
// 6), or an error that says what is wrong with the blob.
package dts

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/u-root/u-root/pkg/dt"
)

// ErrBlob is wrapped by all errors about a blob.
var ErrBlob = errors.New("not a device tree blob")

// Tokens of the structure block (5.4.1).
const (
	beginNode = 1
	endNode   = 2
	property  = 3
	nop       = 4
	end       = 9
)

// headerSize is the size of version 17's header in bytes (5.2).
const headerSize = 40

// maxDepth bounds the nodes on the way to a node.
const maxDepth = 64

// Parse reads a blob. Every offset and length in it is checked against the blob's size first, so that a damaged one costs
// nothing.
func Parse(blob []byte) (*dt.FDT, error) {
	if err := check(blob); err != nil {
		return nil, err
	}
	// One byte more: package dt cannot read an empty strings block at the end of a blob.
	tree, err := dt.ReadFDT(bytes.NewReader(append(blob[:len(blob):len(blob)], 0)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	return tree, nil
}

func check(blob []byte) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrBlob, fmt.Sprintf(format, args...))
	}
	if len(blob) < headerSize {
		return bad("%d bytes, less than a header", len(blob))
	}
	word := func(off int) uint32 { return binary.BigEndian.Uint32(blob[off:]) }
	if word(0) != dt.Magic {
		return bad("magic %#08x, want %#08x", word(0), dt.Magic)
	}
	size := uint64(word(4))
	if size > uint64(len(blob)) {
		return bad("%d bytes, but its header says %d", len(blob), size)
	}
	structure, names := uint64(word(8)), uint64(word(12))
	namesSize, structureSize := uint64(word(32)), uint64(word(36))
	switch {
	case structure < headerSize || structure%4 != 0 || structure+structureSize > size:
		return bad("structure block at %#x with %#x bytes", structure, structureSize)
	case names < headerSize || names+namesSize > size:
		return bad("strings block at %#x with %#x bytes", names, namesSize)
	}
	return checkStructure(blob[structure:structure+structureSize], blob[names:names+namesSize])
}

// validName reports whether a name, which ends at the first zero byte of b, is one that source can have (2.2.1, 2.2.4). Length
// is not looked at: there are trees with long names.
func validName(b []byte) bool {
	for i, c := range b {
		switch {
		case c == 0:
			return i > 0
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(",._+*#?@-", c) >= 0:
		default:
			return false
		}
	}
	return false
}

// checkStructure follows the tokens: lengths within the block, nodes that end, one root, names of which source can be made.
func checkStructure(b, names []byte) error {
	bad := func(what string, at int) error {
		return fmt.Errorf("%w: %s at %#x of the structure block", ErrBlob, what, at)
	}
	depth, roots := 0, 0
	for at := 0; ; {
		if len(b)-at < 4 {
			return bad("no end", at)
		}
		token := binary.BigEndian.Uint32(b[at:])
		here := at
		at += 4
		switch token {
		case beginNode:
			n := bytes.IndexByte(b[at:], 0)
			if n < 0 {
				return bad("name without an end", here)
			}
			switch {
			case depth == 0:
				roots++
			case !validName(b[at:]):
				return bad("node with a strange name", here)
			}
			at += (n + 4) &^ 3
			if depth++; depth > maxDepth || roots > 1 {
				return bad("node that is too deep, or beside the root,", here)
			}
		case endNode:
			if depth--; depth < 0 {
				return bad("end of a node that did not begin", here)
			}
		case property:
			if len(b)-at < 8 || depth == 0 {
				return bad("misplaced property", here)
			}
			n, name := uint64(binary.BigEndian.Uint32(b[at:])), uint64(binary.BigEndian.Uint32(b[at+4:]))
			if n > uint64(len(b)-at-8) || name >= uint64(len(names)) {
				return bad("property that leaves its block", here)
			}
			if !validName(names[name:]) {
				return bad("property with a strange name", here)
			}
			at += 8 + (int(n)+3)&^3
		case nop:
		case end:
			if depth != 0 || roots != 1 {
				return bad("end within a node", here)
			}
			return nil
		default:
			return bad(fmt.Sprintf("unknown token %#x", token), here)
		}
		if at > len(b) {
			return bad("token that leaves its block", here)
		}
	}
}

// Print writes a tree as source (chapter 6).
func Print(w io.Writer, tree *dt.FDT) error {
	var b bytes.Buffer
	b.WriteString("/dts-v1/;\n\n")
	for _, r := range tree.ReserveEntries {
		fmt.Fprintf(&b, "/memreserve/ %#x %#x;\n", r.Address, r.Size)
	}
	if tree.Header.BootCpuidPhys != 0 {
		fmt.Fprintf(&b, "// boot cpu %#x\n", tree.Header.BootCpuidPhys)
	}
	printNode(&b, tree.RootNode, 0)
	_, err := w.Write(b.Bytes())
	return err
}

func printNode(b *bytes.Buffer, n *dt.Node, depth int) {
	indent := strings.Repeat("\t", depth)
	name := n.Name
	if depth == 0 {
		name = "/"
	}
	fmt.Fprintf(b, "%s%s {\n", indent, name)
	for _, p := range n.Properties {
		fmt.Fprintf(b, "%s\t%s%s;\n", indent, p.Name, value(p.Value))
	}
	for i, c := range n.Children {
		if i > 0 || len(n.Properties) > 0 {
			b.WriteByte('\n')
		}
		printNode(b, c, depth+1)
	}
	fmt.Fprintf(b, "%s};\n", indent)
}

// value gives a property's value with its equals sign: strings where it looks like them, else cells, else bytes. The blob does
// not say which it was; each form compiles to the same bytes.
func value(v []byte) string {
	switch {
	case len(v) == 0:
		return ""
	case isStrings(v):
		parts := strings.Split(string(v[:len(v)-1]), "\x00")
		for i, s := range parts {
			parts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		return " = " + strings.Join(parts, ", ")
	case len(v)%4 == 0:
		var cells []string
		for i := 0; i < len(v); i += 4 {
			cells = append(cells, fmt.Sprintf("%#x", binary.BigEndian.Uint32(v[i:])))
		}
		return " = <" + strings.Join(cells, " ") + ">"
	}
	return fmt.Sprintf(" = [% x]", v)
}

// isStrings reports whether v reads as strings, none of them empty, each ended by a zero byte.
func isStrings(v []byte) bool {
	last := byte(0)
	for _, c := range v {
		if c == 0 && last == 0 || c != 0 && (c < ' ' || c > '~') {
			return false
		}
		last = c
	}
	return last == 0
}
