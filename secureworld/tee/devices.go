package tee

import (
	"gatehouse/smc"
	"gatehouse/smc/optee"
)

// devices is the device enumeration pseudo-TA (pta_device.h).
type devices struct {
	list []smc.UUID
}

func (d *devices) UUID() smc.UUID          { return optee.DeviceUUID() }
func (d *devices) Properties() Properties  { return SecureDataPath } // the list is no secret
func (d *devices) Open(*Call) optee.Result { return optee.Success }
func (d *devices) Close(uint32)            {}

// Invoke lists the UUIDs of devices, 16 octets each in the order of RFC 4122. All of them are ready without a supplicant.
func (d *devices) Invoke(c *Call) optee.Result {
	list := d.list
	switch c.Command {
	case optee.DeviceCmdGetDevices:
	case optee.DeviceCmdGetDevicesSupp, optee.DeviceCmdGetDevicesRPMB:
		list = nil
	default:
		return optee.ErrorNotImplemented
	}
	if !c.Params.Are(optee.AttrRMemOutput) {
		return optee.ErrorBadParameters
	}
	m := &c.Params[0].Mem
	need := uint64(len(list)) * 16
	if m.Size < need {
		m.Size = need
		return optee.ErrorShortBuffer
	}
	m.Size = need
	for i := range list {
		if m.WriteAt(list[i][:], uint64(i)*16) != nil {
			return optee.ErrorBadParameters
		}
	}
	return optee.Success
}
