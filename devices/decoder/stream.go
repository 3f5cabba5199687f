package decoder

import (
	"encoding/binary"

	"gatehouse/devices/engine"
)

// MaxScans is how many scans a JPEG picture may have: one for each component, and one to spare.
const MaxScans = 4

// headers is what the headers of a bitstream say.
type headers struct {
	w, h      int
	sampling  uint32
	used      int
	headers   int
	quantiser uint32
	extra     uint32
	scans     uint32
}

// parse looks at the headers, as far as they decide what the decoder may be given.
func parse(codec uint32, p []byte) (h headers, r engine.Result) {
	if codec == JPEG {
		r = h.jpeg(p)
	} else {
		r = h.vp8(p)
	}
	if r == engine.OK && (h.w > engine.MaxSide || h.h > engine.MaxSide || h.w*h.h > engine.MaxPixels) {
		r = engine.Unsupported
	}
	return h, r
}

// Markers of T.81, table B.1.
const (
	sof0 = 0xC0 // baseline
	dht  = 0xC4
	jpg  = 0xC8
	dac  = 0xCC
	rst0 = 0xD0
	rst7 = 0xD7
	soi  = 0xD8
	eoi  = 0xD9
	sos  = 0xDA
	dqt  = 0xDB
	dri  = 0xDD
	tem  = 0x01
)

// jpeg goes from marker to marker (T.81, B.1.1), through the scans' data too.
func (h *headers) jpeg(p []byte) engine.Result {
	if len(p) < 2 || p[0] != 0xFF || p[1] != soi {
		return engine.Corrupt
	}
	tables := false
	for i := 2; ; {
		for i < len(p) && p[i] != 0xFF {
			i++
		}
		for i < len(p) && p[i] == 0xFF {
			i++
		}
		if i >= len(p) {
			return engine.Corrupt
		}
		marker := p[i]
		i++
		switch {
		case marker == 0 || marker == tem || marker >= rst0 && marker <= soi:
			continue
		case marker == eoi:
			h.used = i
			if h.w == 0 || h.scans == 0 {
				return engine.Corrupt
			}
			return engine.OK
		}
		if len(p)-i < 2 {
			return engine.Corrupt
		}
		n := int(binary.BigEndian.Uint16(p[i:]))
		if n < 2 || n > len(p)-i {
			return engine.Corrupt
		}
		segment := p[i+2 : i+n]
		i += n
		switch {
		case marker == sof0:
			if h.w != 0 {
				return engine.Corrupt
			}
			if r := h.frame(segment); r != engine.OK {
				return r
			}
		case marker > sof0 && marker <= 0xCF && marker != dht:
			return engine.Unsupported // other processes, and arithmetic coding
		case marker == dqt && !tables && len(segment) >= 65:
			tables = true
			entries := segment[1:]
			for k := range 64 {
				if segment[0]>>4 == 0 {
					h.quantiser += uint32(entries[k])
				} else if 2*k+1 < len(entries) {
					h.quantiser += uint32(binary.BigEndian.Uint16(entries[2*k:]))
				}
			}
		case marker == dri && len(segment) == 2:
			h.extra = uint32(binary.BigEndian.Uint16(segment))
		case marker == sos:
			if h.w == 0 || !tables {
				return engine.Corrupt
			}
			if h.scans == 0 {
				h.headers = i
			}
			if h.scans++; h.scans > MaxScans {
				return engine.Unsupported
			}
		}
	}
}

// frame reads the frame header (T.81, B.2.2).
func (h *headers) frame(s []byte) engine.Result {
	if len(s) < 6 || len(s) != 6+3*int(s[5]) {
		return engine.Corrupt
	}
	h.h, h.w = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	switch components := s[5]; {
	case h.w == 0:
		return engine.Corrupt
	case h.h == 0 || s[0] != 8: // the height comes later (DNL), or more than 8 bits
		return engine.Unsupported
	case components == 1:
		h.sampling = 0x400
		return engine.OK
	case components != 3:
		return engine.Unsupported
	}
	if s[10] != s[13] || s[10] == 0 || s[10]>>4 == 0 || s[10]&0xF == 0 {
		return engine.Unsupported
	}
	across, down := s[7]>>4/(s[10]>>4), s[7]&0xF/(s[10]&0xF)
	switch [2]uint8{across, down} {
	case [2]uint8{1, 1}:
		h.sampling = 0x444
	case [2]uint8{2, 1}:
		h.sampling = 0x422
	case [2]uint8{1, 2}:
		h.sampling = 0x440
	case [2]uint8{2, 2}:
		h.sampling = 0x420
	case [2]uint8{4, 1}:
		h.sampling = 0x411
	case [2]uint8{4, 2}:
		h.sampling = 0x410
	default:
		return engine.Unsupported
	}
	return engine.OK
}

// vp8 reads the frame's tag and what follows it in a key frame (RFC 6386, 9.1).
func (h *headers) vp8(p []byte) engine.Result {
	if len(p) < 3 {
		return engine.Corrupt
	}
	tag := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16
	version := tag >> 1 & 7
	if tag&1 != 0 || version > 3 {
		return engine.Unsupported
	}
	if len(p) < 10 || p[3] != 0x9D || p[4] != 0x01 || p[5] != 0x2A || tag>>5 > uint32(len(p)-10) {
		return engine.Corrupt
	}
	h.w, h.h = int(binary.LittleEndian.Uint16(p[6:])&0x3FFF), int(binary.LittleEndian.Uint16(p[8:])&0x3FFF)
	if h.w == 0 || h.h == 0 {
		return engine.Corrupt
	}
	h.sampling, h.used, h.headers, h.extra, h.scans = 0x420, len(p), 10, version, 1
	return engine.OK
}
