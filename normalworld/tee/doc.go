// Package tee is the TEE subsystem: devices /dev/tee0 and /dev/teepriv0, contexts, shared memory, and the ioctls of
// include/uapi/linux/tee.h with their numbers and byte layouts.
//
// What enters is a [Driver] (package optee has one) and ioctls of processes, whose arguments stand in a user address space
// ([AddressSpace]) that lies in memory on the bus. What leaves is requests to the driver, in terms of [Param] and [SHM], and results
// in the process's memory. Restricted memory enters as a dma-buf of a protected heap (heap.go) and is named by the shared memory
// object that SHM_REGISTER_FD makes of it; its bytes never come by here.
//
// The model is Linux 6.18 and later (drivers/tee/tee_core.c, tee_shm.c, tee_heap.c). Read uapi.go, device.go, shm.go, file.go,
// user.go, then heap.go and pool.go.
package tee
