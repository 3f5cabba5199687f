package gdb

import (
	"bufio"
	"errors"
)

// maxPacket bounds, in bytes, what stands between $ and # of a packet, in both directions. qSupported tells it.
const maxPacket = 0x4000

// kind tells what came from the debugger.
type kind uint8

const (
	command   kind = iota // a packet with a good checksum
	damaged               // a packet with a bad one
	oversized             // a packet longer than maxPacket
	ack                   // +
	nack                  // -
	interrupt             // Ctrl-C
)

// packet is one thing that came from the debugger. data has its escapes resolved.
type packet struct {
	kind kind
	data []byte
}

// readPacket gives what comes next. Bytes between packets that mean nothing are skipped (E.1).
func readPacket(r *bufio.Reader) (packet, error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return packet{}, err
		}
		switch c {
		case '+':
			return packet{kind: ack}, nil
		case '-':
			return packet{kind: nack}, nil
		case 3:
			return packet{kind: interrupt}, nil
		case '$':
			return readBody(r)
		}
	}
}

func readBody(r *bufio.Reader) (packet, error) {
	var (
		data    []byte
		sum     byte
		long    bool
		escaped bool
	)
	for {
		c, err := r.ReadByte()
		if err != nil {
			return packet{}, err
		}
		switch {
		case c == '#':
			var check [2]byte
			for i := range check {
				if check[i], err = r.ReadByte(); err != nil {
					return packet{}, err
				}
			}
			n, ok := parseHex(check[:])
			switch {
			case !ok || byte(n) != sum || escaped:
				return packet{kind: damaged}, nil
			case long:
				return packet{kind: oversized}, nil
			}
			return packet{command, data}, nil
		case c == '$':
			// It never stands for itself: what was before it has been cut off.
			data, sum, long, escaped = data[:0], 0, false, false
			continue
		}
		sum += c
		switch {
		case escaped:
			escaped = false
			c ^= 0x20
		case c == '}':
			escaped = true
			continue
		}
		if len(data) < maxPacket {
			data = append(data, c)
		} else {
			long = true
		}
	}
}

// frame makes a packet of data, with what has a meaning of its own escaped.
func frame(data []byte) []byte {
	p := make([]byte, 1, len(data)+8)
	p[0] = '$'
	for _, c := range data {
		switch c {
		case '#', '$', '}', '*':
			p = append(p, '}', c^0x20)
		default:
			p = append(p, c)
		}
	}
	sum := byte(0)
	for _, c := range p[1:] {
		sum += c
	}
	return append(p, '#', hexDigits[sum>>4], hexDigits[sum&15])
}

const hexDigits = "0123456789abcdef"

func digit(c byte) (uint64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10, true
	}
	return 0, false
}

// parseHex reads a number of 1 to 16 digits, most significant first.
func parseHex(s []byte) (v uint64, ok bool) {
	if len(s) == 0 {
		return 0, false
	}
	for _, c := range s {
		d, ok := digit(c)
		if !ok || v>>60 != 0 {
			return 0, false
		}
		v = v<<4 | d
	}
	return v, true
}

var errHex = errors.New("not hexadecimal")

// decodeHex reads bytes of two digits each.
func decodeHex(s []byte) ([]byte, error) {
	if len(s)%2 != 0 {
		return nil, errHex
	}
	p := make([]byte, len(s)/2)
	for i := range p {
		hi, ok := digit(s[2*i])
		lo, ok2 := digit(s[2*i+1])
		if !ok || !ok2 {
			return nil, errHex
		}
		p[i] = byte(hi<<4 | lo)
	}
	return p, nil
}

func appendHex(dst, p []byte) []byte {
	for _, c := range p {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}
