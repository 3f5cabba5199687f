package usecase

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"

	"gatehouse/normalworld/dmabuf"
	"gatehouse/normalworld/driver"
	"gatehouse/normalworld/heap"
	"gatehouse/normalworld/tee"
	"gatehouse/smc/optee"
)

// cryptoKeys keeps key material in protected memory: a trusted application puts it there, and only the crypto engine reads it, to hand it
// out under another key. No processor of the normal world ever holds it in the clear.
func (r *run) cryptoKeys() (err error) {
	const size = 64
	secret := bytes.Repeat([]byte("sixty-four bytes"), size/16)
	b, err := r.alloc("keys", size, nil)
	if err != nil {
		return err
	}
	system, err := r.Heaps.Open(heap.System)
	if err != nil {
		return err
	}
	out, err := r.alloc("wrapped", size, system)
	if err != nil {
		return err
	}
	if err := r.look("allocated", 0, b); err != nil {
		return err
	}
	// In place of an application that makes or derives keys: one of OP-TEE's test suite that copies into protected memory.
	inject, err := r.open("SDP basic", optee.SDPUUID())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inject.close()) }()
	shm, err := r.register(b)
	if err != nil {
		return err
	}
	defer shm.Put()
	in, err := r.share(secret)
	if err != nil {
		return err
	}
	defer in.Put()
	if _, err := inject.invoke("putting keys into protected memory", optee.SDPCmdInject,
		tee.Memref(tee.AttrMemrefInput, in, 0, size), tee.Memref(tee.AttrMemrefOutput, shm, 0, size)); err != nil {
		return err
	}
	if err := r.look("kept", 0, b); err != nil {
		return err
	}
	keys, slot, err := r.loadSlot(optee.KeysEncrypt|optee.KeysChaining|optee.KeysDestinationOrdinary, RecordKey[:])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keys.close()) }()
	iv := recordIV(0)
	err = r.through(r.Crypto.Device, b, out, func(src, dst driver.Buffer) error {
		src.Length = size
		dst.Length = size
		if err := r.Crypto.Run(&driver.CryptoJob{CBC: true, Slot: slot, Length: size, IV: iv,
			Source: src, Dest: dst}); err != nil {
			return err
		}
		return r.look("wrapping", 0, b)
	})
	if refused(err) {
		r.note(false, "the crypto engine reads the keys", "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	r.note(true, "the crypto engine reads the keys", "")
	m, err := out.MMap(0, out.Size(), dmabuf.ProtRead)
	if err != nil {
		return err
	}
	got := make([]byte, size)
	if err := errors.Join(m.Read(0, got), m.Unmap()); err != nil {
		return err
	}
	want := bytes.Clone(secret)
	block, err := aes.NewCipher(RecordKey[:])
	if err != nil {
		return err
	}
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(want, want)
	r.note(bytes.Equal(got, want), "what leaves protected memory is the keys under the wrapping key", "it is something else")
	// Who has the wrong end of it: the engine does not hand them out in the clear, and no other engine reads them.
	err = r.through(r.Decoder.Device, b, out, func(src, dst driver.Buffer) error {
		src.Length = size
		dest := driver.Frame(driver.NV12, 0, 16, 16, dst)
		_, err := r.Decoder.Run(&driver.DecodeJob{Codec: driver.JPEG, Stream: src, Dest: &dest})
		return err
	})
	var job *driver.JobError
	r.note(errors.As(err, &job) || err != nil, "another engine has no use of the keys", "it took them for a picture")
	r.progress(1, 1)
	return nil
}
