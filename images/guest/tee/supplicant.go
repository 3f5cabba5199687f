//go:build linux

package tee

import "encoding/binary"

// maxSupplicant is the number of parameters that a supplicant has room for: what tee-supplicant uses, OP-TEE's limit.
const maxSupplicant = 6

const supplicantSize = 8 // struct tee_iocl_supp_recv_arg and tee_iocl_supp_send_arg

// Request is what the secure world asks of the supplicant: a number of optee.RPCCommand and parameters, which the answer changes.
type Request struct {
	Func   uint32
	Params []Param
}

// Receive waits for a request. The device is the supplicant's, and one goroutine receives and sends.
func (d *Device) Receive() (*Request, error) {
	arg := make([]byte, supplicantSize+maxSupplicant*paramSize)
	binary.LittleEndian.PutUint32(arg[4:], maxSupplicant)
	// A meta parameter offers to take requests before others are answered; the kernel puts the request's number there.
	putParams(arg[supplicantSize:], []Param{{Attr: Meta}})
	if err := ioctlBuf(d.fd, nrSupplRecv, arg); err != nil {
		return nil, err
	}
	r := &Request{Func: binary.LittleEndian.Uint32(arg)}
	n := min(binary.LittleEndian.Uint32(arg[4:]), maxSupplicant)
	r.Params = make([]Param, n)
	getParams(arg[supplicantSize:], r.Params)
	return r, nil
}

// User gives the parameters without those of the protocol.
func (r *Request) User() []Param {
	if len(r.Params) > 0 && r.Params[0].Attr&Meta != 0 {
		return r.Params[1:]
	}
	return r.Params
}

// Send answers a request.
func (d *Device) Send(r *Request, result uint32) error {
	arg := make([]byte, supplicantSize+len(r.Params)*paramSize)
	binary.LittleEndian.PutUint32(arg, result)
	binary.LittleEndian.PutUint32(arg[4:], uint32(len(r.Params)))
	putParams(arg[supplicantSize:], r.Params)
	return ioctlBuf(d.fd, nrSupplSend, arg)
}
