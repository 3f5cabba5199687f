/* What both lend images do to the memory that they lend: probe it as a CPU and as a DMA master. */
#ifndef LEND_H
#define LEND_H

#include "rt.h"

enum { MIB = 1 << 20, PAGE = 4096, POOL_MAX = 16 * MIB };

/* The pool begins 1 MiB into the arena and is 1 MiB, or as much as the secure world asks for. */
extern u8 arena[POOL_MAX + 2 * MIB];
extern u64 pool_size;
#define POOL ((u64)arena + MIB)

/* Checks what the secure world says is the least size that it protects, and takes it. */
bool pool_at_least(u64 least);

/* Use case "secure video playback" of OP-TEE's protected memory. */
enum { USE_CASE_VIDEO = 1 };
/* Where the virt board has secure RAM, and a device. */
#define SECURE_RAM 0x0e100000ul
#define DEVICE     0x09000000ul

/* MMU on with RAM non-cacheable: every access reaches the bus, no cache needs care. */
void lend_prepare(void);

/* The phases of probes. */
void probe_before(void);
void probe_denied(const char *phase); /* all kinds of access */
void probe_still_denied(const char *phase); /* one read */
void probe_after(void);

/* A step that compares numbers in hexadecimal. */
bool step_hex(const char *phase, const char *name, u64 want, u64 got);
bool step_is(const char *phase, const char *name, bool ok, const char *want, const char *saw);

/* One OP-TEE message with up to two parameters (OP-TEE, optee_msg.h). */
struct param {
	u64 attr;
	union {
		struct { u64 a, b, c; } value;
		struct { u64 buf_ptr, size, shm_ref; } tmem;
		struct { u64 offs, size, shm_ref; } rmem;
		struct { u32 offs_low; u16 offs_high, internal_offs; u64 size, global_id; } fmem;
	};
};
struct message {
	u32 cmd, func, session, cancel_id, pad, ret, ret_origin, num_params;
	struct param p[2];
};
enum { ATTR_VALUE_IN = 1, ATTR_VALUE_INOUT = 3, ATTR_RMEM_IN = 5, ATTR_FMEM_OUT = 6, ATTR_TMEM_IN = 9, ATTR_TMEM_OUT = 0xa, ATTR_NONCONTIG = 0x200 };
enum { CMD_REGISTER_SHM = 4, CMD_UNREGISTER_SHM = 5, CMD_LEND = 8, CMD_RECLAIM = 9, CMD_GET_CONFIG = 10, CMD_ASSIGN = 11 };
enum { TEE_SUCCESS = 0, TEE_SHORT_BUFFER = 0xffff0010u };

_Static_assert(sizeof(struct param) == 32, "param");
_Static_assert(sizeof(struct message) == 96, "message");

#endif
