package gdb

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// Streams and what they mean, from "Debugging with GDB", E.1: the checksum is the sum of what stands between $ and # as it stands
// there, } makes the next byte itself with bit 5 changed.
func TestReadPacket(t *testing.T) {
	long := strings.Repeat("a", maxPacket+1)
	sum := func(s string) string {
		n := byte(0)
		for i := range len(s) {
			n += s[i]
		}
		return string([]byte{"0123456789abcdef"[n>>4], "0123456789abcdef"[n&15]})
	}
	for _, tc := range []struct {
		in   string
		want []packet
		err  error
	}{
		{"", nil, io.EOF},
		{"$#00", []packet{{command, nil}}, io.EOF},
		{"+$g#67-", []packet{{kind: ack}, {command, []byte("g")}, {kind: nack}}, io.EOF},
		{"$g#68", []packet{{kind: damaged}}, io.EOF},
		{"$g#6", nil, io.EOF},
		{"$g#6x$g#67", []packet{{kind: damaged}, {command, []byte("g")}}, io.EOF},
		{"$g", nil, io.EOF},
		{"\x03garbage\x03", []packet{{kind: interrupt}, {kind: interrupt}}, io.EOF},
		{"$cut off$g#67", []packet{{command, []byte("g")}}, io.EOF},
		{"$}\x03}\x04}\x5d#" + sum("}\x03}\x04}\x5d"), []packet{{command, []byte("#$}")}}, io.EOF},
		{"$}#7d", []packet{{kind: damaged}}, io.EOF},
		{"$\x03#03", []packet{{command, []byte{3}}}, io.EOF},
		{"$" + long + "#" + sum(long) + "$?#3f", []packet{{kind: oversized}, {command, []byte("?")}}, io.EOF},
		{"$" + long[:maxPacket] + "#" + sum(long[:maxPacket]), []packet{{command, []byte(long[:maxPacket])}}, io.EOF},
		{"$" + long + "#00", []packet{{kind: damaged}}, io.EOF},
	} {
		r := bufio.NewReader(strings.NewReader(tc.in))
		var got []packet
		for {
			p, err := readPacket(r)
			if err != nil {
				if !errors.Is(err, tc.err) {
					t.Errorf("%.40q: %v", tc.in, err)
				}
				break
			}
			got = append(got, p)
		}
		same := len(got) == len(tc.want)
		for i := 0; same && i < len(got); i++ {
			same = got[i].kind == tc.want[i].kind && bytes.Equal(got[i].data, tc.want[i].data)
		}
		if !same {
			t.Errorf("%.40q: %+v, want %+v", tc.in, got, tc.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "fF": 255, "ffffffffffffffff": 1<<64 - 1, "0000000000000000000001": 1} {
		if v, ok := parseHex([]byte(s)); !ok || v != want {
			t.Errorf("%q: %#x, %v", s, v, ok)
		}
	}
	for _, s := range []string{"", "g", "-1", "10000000000000000", "0x1", " 1"} {
		if v, ok := parseHex([]byte(s)); ok {
			t.Errorf("%q: %#x", s, v)
		}
	}
	if p, err := decodeHex([]byte("00ffAb")); err != nil || !bytes.Equal(p, []byte{0, 0xff, 0xab}) {
		t.Errorf("% x, %v", p, err)
	}
	for _, s := range []string{"0", "0g", "g0", "000"} {
		if _, err := decodeHex([]byte(s)); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

// FuzzReadPacket: nothing breaks the parser, and what is framed comes out as it went in, whatever was before it.
func FuzzReadPacket(f *testing.F) {
	f.Add([]byte("+$g#67"), []byte("m0,4"))
	f.Add([]byte("$}"), []byte("#$}*\x03"))
	f.Add([]byte("$a#6"), []byte{})
	f.Fuzz(func(t *testing.T, noise, data []byte) {
		r := bufio.NewReader(bytes.NewReader(noise))
		for {
			p, err := readPacket(r)
			if err != nil {
				break
			}
			if len(p.data) > maxPacket {
				t.Fatalf("%d bytes", len(p.data))
			}
		}
		if len(data) > maxPacket {
			return
		}
		p, err := readPacket(bufio.NewReader(bytes.NewReader(frame(data))))
		if err != nil || p.kind != command || !bytes.Equal(p.data, data) {
			t.Fatalf("%q: %+v, %v", data, p, err)
		}
	})
}
