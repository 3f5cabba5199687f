package virtio

import "io"

// overlayBlock is the unit, in bytes, in which an overlay copies.
const overlayBlock = 4096

// Overlay is storage that takes what is written into memory and leaves what it lies on as it is.
type Overlay struct {
	base   io.ReaderAt
	blocks map[int64]*[overlayBlock]byte
}

// NewOverlay makes an overlay on base, which ends with zeros.
func NewOverlay(base io.ReaderAt) *Overlay {
	return &Overlay{base: base, blocks: map[int64]*[overlayBlock]byte{}}
}

// ReadAt reads what was written last. Beyond the end of base there are zeros.
func (o *Overlay) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, at := off/overlayBlock, int(off%overlayBlock)
		k := min(overlayBlock-at, len(p)-done)
		q := p[done : done+k]
		if b := o.blocks[n]; b != nil {
			copy(q, b[at:])
		} else if err := o.under(q, off); err != nil {
			return done, err
		}
		done += k
		off += int64(k)
	}
	return done, nil
}

// WriteAt keeps p.
func (o *Overlay) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, at := off/overlayBlock, int(off%overlayBlock)
		k := min(overlayBlock-at, len(p)-done)
		b := o.blocks[n]
		if b == nil {
			b = new([overlayBlock]byte)
			if k < overlayBlock {
				if err := o.under(b[:], n*overlayBlock); err != nil {
					return done, err
				}
			}
			o.blocks[n] = b
		}
		copy(b[at:], p[done:done+k])
		done += k
		off += int64(k)
	}
	return done, nil
}

// under reads from base.
func (o *Overlay) under(p []byte, off int64) error {
	n, err := o.base.ReadAt(p, off)
	if n < len(p) && err != io.EOF {
		return err
	}
	clear(p[n:])
	return nil
}
