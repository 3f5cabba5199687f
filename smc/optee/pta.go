package optee

import "gatehouse/smc"

// Device enumeration pseudo-TA (pta_device.h).
const (
	DeviceCmdGetDevices     uint32 = 0 // devices that need no tee-supplicant
	DeviceCmdGetDevicesSupp uint32 = 1
	DeviceCmdGetDevicesRPMB uint32 = 2
)

var deviceUUID = smc.UUID{
	0x70, 0x11, 0xa6, 0x88, 0xdd, 0xde, 0x40, 0x53, 0xa5, 0xa9, 0x7b, 0x3c, 0x4d, 0xdf, 0x13, 0xb8,
}

// DeviceUUID is the UUID of the device enumeration pseudo-TA: 7011a688-ddde-4053-a5a9-7b3c4ddf13b8.
func DeviceUUID() smc.UUID { return deviceUUID }

// Numbers of the 2024 proposal (version 4, "restricted memory") where the merged interface differs.
const (
	// RSTMEMIoctlAlloc and RSTMEMIoctlFDInfo are ioctl numbers of /dev/tee0; 10 is OBJECT_INVOKE today.
	RSTMEMIoctlAlloc  = 10
	RSTMEMIoctlFDInfo = 11
	// RSTMEMGenCap is the bit in gen_caps of TEE_IOC_VERSION; it is OBJREF today.
	RSTMEMGenCap uint32 = 1 << 4
)
