package usecase

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// What is recorded.
const (
	camWidth, camHeight = 320, 180
	recWidth, recHeight = 160, 90
	recQuality          = 80
	recStream           = 32 << 10
)

// RecordKey is the key that recordings are encrypted with: one for demonstrations.
var RecordKey = [16]byte([]byte("recording key ab"))

// recordIV is the initialisation vector of a frame.
func recordIV(frame int) (iv [16]byte) {
	binary.BigEndian.PutUint64(iv[:], 0x7265_636f_7264_0000)
	binary.BigEndian.PutUint64(iv[8:], uint64(frame))
	return iv
}

// Decrypt gives the bitstream of a recorded frame: what the owner of the key does.
func Decrypt(record []byte, frame int) ([]byte, error) {
	if len(record) < 4 || (len(record)-4)%aes.BlockSize != 0 {
		return nil, errors.New("a record is a length and whole blocks")
	}
	n, data := binary.LittleEndian.Uint32(record), append([]byte(nil), record[4:]...)
	if uint64(n) > uint64(len(data)) {
		return nil, errors.New("a record is longer than its blocks")
	}
	block, err := aes.NewCipher(RecordKey[:])
	if err != nil {
		return nil, err
	}
	iv := recordIV(frame)
	if len(data) > 0 {
		cipher.NewCBCDecrypter(block, iv[:]).CryptBlocks(data, data)
	}
	return data[:n], nil
}

// loadSlot has the key application load a wrapped key.
func (r *run) loadSlot(policy optee.KeysPolicy, key []byte) (*session, uint32, error) {
	blob, err := optee.WrapKey(r.o.DeviceKey, policy, key)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: device key: %w", ErrOption, err)
	}
	s, err := r.open("key application", optee.KeysUUID())
	if err != nil {
		return nil, 0, err
	}
	shm, err := r.share(blob)
	if err != nil {
		return nil, 0, errors.Join(err, s.close())
	}
	defer shm.Put()
	out, err := s.invoke("loading a wrapped key", optee.KeysCmdLoadWrapped,
		tee.Memref(tee.AttrMemrefInput, shm, 0, uint64(len(blob))), tee.Value(tee.AttrValueOutput, 0, 0, 0))
	if err != nil {
		return nil, 0, errors.Join(err, s.close())
	}
	return s, uint32(out[1].A), nil
}

// shutter takes the camera's frames.
type shutter struct{ shots []driver.Shot }

func (s *shutter) Shot(x driver.Shot) { s.shots = append(s.shots, x) }

// recording takes frames with the camera, scales and encodes them, and encrypts the bitstream: what leaves protected memory is encrypted.
func (r *run) recording() (err error) {
	n := r.o.InFlight
	cam := make([]*buffer, n)
	for i := range cam {
		if cam[i], err = r.alloc(fmt.Sprintf("camera%d", i), uint64(driver.NV12.Size(camWidth, camHeight)), nil); err != nil {
			return err
		}
	}
	small, err := r.alloc("scaled", uint64(driver.NV12.Size(recWidth, recHeight)), nil)
	if err != nil {
		return err
	}
	stream, err := r.alloc("bitstream", recStream, nil)
	if err != nil {
		return err
	}
	system, err := r.Heaps.Open(heap.System)
	if err != nil {
		return err
	}
	out, err := r.alloc("recorded", recStream, system)
	if err != nil {
		return err
	}
	for _, b := range append([]*buffer{small, stream}, cam...) {
		if err := r.look("allocated", 0, b); err != nil {
			return err
		}
	}
	keys, slot, err := r.loadSlot(optee.KeysEncrypt|optee.KeysChaining|optee.KeysDestinationOrdinary, RecordKey[:])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keys.close()) }()

	taken := &shutter{}
	r.Camera.Shots = taken
	defer func() { r.Camera.Shots = nil }()
	atts := make([]*dmabuf.Attachment, n)
	pictures := map[*driver.Picture]int{}
	defer func() {
		err = errors.Join(err, r.Camera.Stop())
		for _, a := range atts {
			if a != nil {
				if _, dir, mapped := a.Mapped(); mapped {
					err = errors.Join(err, a.Unmap(dir))
				}
				err = errors.Join(err, a.Detach())
			}
		}
	}()
	queue := func(i int) error {
		if _, err := atts[i].Map(dmabuf.FromDevice); err != nil {
			return err
		}
		p := driver.Frame(driver.NV12, driver.BT601Full, camWidth, camHeight, driver.Mapped(atts[i]))
		pictures[&p] = i
		return r.Camera.Queue(&p)
	}
	for i, b := range cam {
		if atts[i], err = b.Attach(r.Camera.Device); err != nil {
			return err
		}
		if err := queue(i); err != nil {
			return err
		}
	}
	if err := r.Camera.Start(r.o.Clip.Period); err != nil {
		return err
	}
	for frame := 0; frame < r.o.Frames; frame++ {
		for len(taken.shots) == 0 {
			if err := r.sleep(); err != nil {
				return err
			}
		}
		shot := taken.shots[0]
		taken.shots = taken.shots[1:]
		if shot.Err != nil {
			if refused(shot.Err) {
				r.note(false, "the camera writes its buffers", "%v", shot.Err)
				return nil
			}
			return shot.Err
		}
		i := pictures[shot.Picture]
		delete(pictures, shot.Picture)
		if err := r.look("taking", frame, cam[i]); err != nil {
			return err
		}
		if err := atts[i].Unmap(dmabuf.FromDevice); err != nil {
			return err
		}
		if err := r.look("taken", frame, cam[i]); err != nil {
			return err
		}
		length, err := r.encode(frame, cam[i], small, stream)
		if err == nil {
			err = r.export(frame, length, slot, stream, out)
		}
		if refused(err) {
			r.note(false, "every master reaches the buffers of its stage", "%v", err)
			return nil
		}
		if err != nil {
			return err
		}
		if err := queue(i); err != nil {
			return err
		}
		r.progress(frame+1, r.o.Frames)
	}
	r.note(true, "every master reaches the buffers of its stage", "")
	return nil
}

// encode makes the bitstream of a frame.
func (r *run) encode(frame int, cam, small, stream *buffer) (length uint32, err error) {
	err = r.through(r.Transform.Device, cam, small, func(src, dst driver.Buffer) error {
		s := driver.Frame(driver.NV12, driver.BT601Full, camWidth, camHeight, src)
		if err := r.Transform.Run(&driver.TransformJob{
			Source: &s, Dest: driver.Frame(driver.NV12, driver.BT601Full, recWidth, recHeight, dst), Bilinear: true}); err != nil {
			return err
		}
		return errors.Join(r.look("scaling", frame, cam), r.look("scaling", frame, small))
	})
	if err != nil {
		return 0, err
	}
	err = r.through(r.Encoder.Device, small, stream, func(src, dst driver.Buffer) error {
		dst.Length = recStream
		length, err = r.Encoder.Run(&driver.EncodeJob{
			Source: driver.Frame(driver.NV12, driver.BT601Full, recWidth, recHeight, src), Stream: dst, Quality: recQuality})
		if err != nil {
			return err
		}
		return errors.Join(r.look("encoding", frame, small), r.look("encoding", frame, stream))
	})
	return length, err
}

// export encrypts a bitstream into normal memory, and reads it there.
func (r *run) export(frame int, length, slot uint32, stream, out *buffer) error {
	whole := (length + aes.BlockSize - 1) &^ (aes.BlockSize - 1)
	err := r.through(r.Crypto.Device, stream, out, func(src, dst driver.Buffer) error {
		src.Length, dst.Length = whole, whole
		if err := r.Crypto.Run(&driver.CryptoJob{CBC: true, Slot: slot, Length: whole, IV: recordIV(frame),
			Source: src, Dest: dst}); err != nil {
			return err
		}
		return errors.Join(r.look("encrypting", frame, stream), r.look("encrypting", frame, out))
	})
	if err != nil {
		return err
	}
	m, err := out.MMap(0, out.Size(), dmabuf.ProtRead)
	if err != nil {
		return err
	}
	record := binary.LittleEndian.AppendUint32(nil, length)
	record = append(record, make([]byte, whole)...)
	if err := errors.Join(m.Read(0, record[4:]), m.Unmap()); err != nil {
		return err
	}
	r.result.Record = append(r.result.Record, record)
	return nil
}
