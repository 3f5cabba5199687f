/*
 * The core of the conformance suite as a program of the normal world. Cases have the names and the rules of package
 * normalworld/conform; read main.c for how they run, call.c for how replies are compared and what is live is tracked, then the
 * cases.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include "rt.h"

enum { PAGE = 4096, MIB = 1 << 20 };

/* What a case needs, and how it starts. */
enum {
	NEED_SMCCC = 1 << 0,   /* SMCCC 1.1 or later */
	NEED_FFA = 1 << 1,
	NEED_FFA12 = 1 << 2,
	NEED_SMC = 1 << 3,     /* OP-TEE's SMC ABI */
	NEED_CPUS = 1 << 4,
	NEED_DMA = 1 << 5,     /* a PL080 */
	BUFFERS = 1 << 6,      /* RX and TX are mapped, one page each */
	OPTEE = 1 << 7,        /* OP-TEE's partition is known */
	POOLS = 1 << 8,        /* OP-TEE offers dynamic protected memory over the ABI of the case */
	OVER_SMC = 1 << 9,     /* messages go over the SMC ABI */
	LINUX = BUFFERS | OPTEE,
};

struct test {
	const char *name, *rule;
	void (*run)(const struct test *);
	u32 needs;
	u64 a, b, c, d; /* the case's own */
};

struct group {
	const char *name;
	const struct test *tests;
	u32 count, needs;
};

/* Rules: the document, then the heading. */
#define SMCCC(s)  "DEN0028, " s
#define PSCI(s)   "DEN0022, " s
#define FFA(s)    "DEN0077A, " s
#define MEM(s)    "DEN0140, " s
#define TZC(s)    "DDI 0504, " s
#define REGISTERS SMCCC("Register use in AArch64 SMC and HVC calls")
#define HINT      SMCCC("SVE, SME and SIMD hint bit")

extern struct group groups[];
extern const u32 ngroups;
#define GROUP(g) extern const struct test g[]; extern const u32 n##g
GROUP(smccc_tests);
GROUP(psci_tests);
GROUP(setup_tests);
GROUP(discovery_tests);
GROUP(message_tests);
GROUP(memory_tests);
GROUP(optee_ffa_tests);
GROUP(optee_smc_tests);
GROUP(protmem_tests);
GROUP(isolation_tests);
#define COUNT(list) (sizeof(list) / sizeof(list)[0])
const struct test *negative_tests(u32 *count); /* made from a table */

/* What was found. */
extern u32 smccc_version, ffa_version, smc_caps;
extern u64 mpidr[MAX_CPUS];
extern unsigned ncpus;
extern u16 optee_id;
extern bool have_dma, have_ffa, have_smc;

/* Fixed memory. The pages that the secure world reads and writes are cacheable as it maps them; what is lent and probed is not
 * cached, so that each access reaches the bus. */
extern u8 tx[], rx_area[], arg[], data[], list[];
#define RX_PAGES 16
#define rx       (rx_area + PAGE)
#define BUF      0x40800000ul /* 8 MiB of buffers */
#define POOL     0x41100000ul /* 4 MiB of pools, behind 1 MiB that stays open */
#define SIDE     0x41800000ul /* 1 MiB for what must stay as it is */
#define UNCACHED 0x40800000ul
#define UNCACHED_END 0x41a00000ul
#define POOL_PAGES 256u
#define POOL_SIZE  (POOL_PAGES * PAGE)
/* The virt board's secure RAM, where there is one, and a device. */
#define SECURE_RAM 0x0e000000ul
#define DEVICE     0x09000000ul
#define WILD       0xfffffffffffff000ul

/* Calls. doing says in words what is tried, for reports. */
extern u64 in[18], out[18];
extern const char *doing;
void call_n(unsigned n, const u64 *args);
#define CALL(...) call_n(sizeof((u64[]){ __VA_ARGS__ }) / 8, (u64[]){ __VA_ARGS__ })
#define TRY(what, ...) (doing = (what), CALL(__VA_ARGS__))
void repeat_full(u64 f, u64 first); /* with values in all registers */

/* What a reply has to be. Each ends the case where it is not. */
_Noreturn void reject(const char *expected, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *reason, ...) __attribute__((format(printf, 1, 2)));
void require(bool ok, const char *expected);
void kept(unsigned results);              /* registers from x(results) on are unchanged */
void returns(unsigned n, const u64 *values);
#define RETURNS(...) returns(sizeof((u64[]){ __VA_ARGS__ }) / 8, (u64[]){ __VA_ARGS__ })
void unknown(void);
#define CODE(code) (1u << -(code))
void result(u32 codes);                   /* a signed result in x0 */
void success(unsigned words);             /* FFA_SUCCESS_32; w2 and following may hold something */
void success_with(u64 w2);
void refused(u32 codes);                  /* FFA_ERROR with one of the codes */
bool is_error(void);
void chose(const char *what);             /* one of several things that are allowed: said in the output */
const char *ffa_code(int code);

enum { SUCCESS = 0, NOT_SUPPORTED = -1, NOT_REQUIRED = -2, INVALID_PARAMETER = -3 };
enum { PSCI_INVALID = -2, PSCI_DENIED = -3, PSCI_ALREADY_ON = -4, PSCI_ON_PENDING = -5, PSCI_BAD_ADDRESS = -9 };
enum { INVALID = -2, NO_MEMORY = -3, BUSY = -4, DENIED = -6, RETRY = -7, ABORTED = -8, NO_DATA = -9 };
#define ANY_CODE (CODE(NOT_SUPPORTED) | CODE(INVALID) | CODE(NO_MEMORY) | CODE(BUSY) | CODE(DENIED) | CODE(RETRY) | CODE(ABORTED) | CODE(NO_DATA))

/* Functions (DEN0028, DEN0022, DEN0077A, DEN0140). */
#define SMCCC_VERSION   0x80000000ul
#define ARCH_FEATURES   0x80000001ul
#define ARCH_SOC_ID     0x80000002ul
#define PSCI_CPU_SUSPEND64 0xc4000001ul
#define PSCI_CPU_ON32   0x84000003ul
#define PSCI_INFO32     0x84000004ul
#define PSCI_MIGRATE64  0xc4000005ul
#define PSCI_MIGRATE_TYPE 0x84000006ul
#define PSCI_FEATURES   0x8400000aul
#define TRNG_VERSION    0x84000050ul
#define FFA_ERROR       0x84000060ul
#define FFA_SUCCESS     0x84000061ul
#define FFA_SUCCESS64   0xc4000061ul
#define FFA_INTERRUPT   0x84000062ul
#define FFA_VERSION     0x84000063ul
#define FFA_FEATURES    0x84000064ul
#define FFA_RX_RELEASE  0x84000065ul
#define FFA_RXTX_MAP32  0x84000066ul
#define FFA_RXTX_MAP    0xc4000066ul
#define FFA_RXTX_UNMAP  0x84000067ul
#define FFA_INFO_GET    0x84000068ul
#define FFA_ID_GET      0x84000069ul
#define FFA_YIELD       0x8400006cul
#define FFA_RUN         0x8400006dul
#define FFA_REQ         0x8400006ful
#define FFA_REQ64       0xc400006ful
#define FFA_RESP        0x84000070ul
#define FFA_RESP64      0xc4000070ul
#define FFA_DONATE      0xc4000071ul
#define FFA_LEND        0xc4000072ul
#define FFA_SHARE       0xc4000073ul
#define FFA_RETRIEVE    0xc4000074ul
#define FFA_RELINQUISH  0x84000076ul
#define FFA_RECLAIM     0x84000077ul
#define FFA_FRAG_RX     0x8400007aul
#define FFA_FRAG_TX     0x8400007bul
#define FFA_SPM_ID_GET  0x84000085ul
#define FFA_SEND2       0x84000086ul
#define FFA_INFO_REGS   0xc400008bul
#define FFA_REQ2        0xc400008dul

/* Memory. */
void put16(u8 *p, u64 v);
void put32(u8 *p, u64 v);
void put64(u8 *p, u64 v);
u32 get32(const u8 *p);
u64 get64(const u8 *p);
u8 pattern(u64 addr);
void fill(u64 addr, u64 size);
void filled(const char *what, u64 addr, u64 size);
void contains(const char *what, u64 addr, const u8 *want, u32 size);

/* The kernel that cases play: FF-A. */
void map_buffers(void);
void unmap_buffers(void);
void info_size_is(const char *what, u64 size); /* a record's size tells the version in force */
u64 info_get(const u32 uuid[4], u64 flags);    /* the count; must succeed */
extern const u32 optee_uuid[4], nobody_uuid[4], no_uuid[4];
bool find_optee(void);
u16 free_id(void);
void request(u64 service, u64 a, u64 b, u64 c, u64 d); /* a direct request to OP-TEE that is answered */
void alive(void);

struct range {
	u64 addr;
	u32 pages;
};
enum kind { SHARE, LEND, DONATE };
#define KIND(k) (1u << (k))
extern u32 emad_size;
#define AT_EMAD      48u
#define AT_COMPOSITE (AT_EMAD + emad_size)
#define AT_RANGE     (AT_COMPOSITE + 16)
u64 function_of(enum kind k);
u32 build(enum kind k, const struct range *r, u32 n); /* a descriptor in TX; its length */
u32 build_one(enum kind k, u64 addr, u32 pages);
void send(const char *what, enum kind k, u32 length);
u64 handle(void); /* of the send that was made last; it must have succeeded */
u64 share(u64 addr, u32 pages);
u64 lend(u64 addr, u32 pages);
void reclaim(u64 h);
void reclaim_refused(const char *what, u64 h, u32 codes);
void taken(const char *what, u64 addr);
void released(const char *what, u64 addr, u32 pages); /* can be shared and comes back */
void gone(const char *what, u64 h);
void unregister(u64 h);
void release(u64 h);

/* OP-TEE's messages (optee_msg.h), over the ABI of the case. */
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
	struct param p[8];
};
enum { VALUE_IN = 1, VALUE_OUT = 2, VALUE_INOUT = 3, RMEM_IN = 5, RMEM_OUT = 6, RMEM_INOUT = 7, TMEM_IN = 9, TMEM_OUT = 0xa, TMEM_INOUT = 0xb, META = 0x100, NONCONTIG = 0x200 };
enum { CMD_OPEN = 0, CMD_INVOKE = 1, CMD_CLOSE = 2, CMD_CANCEL = 3, CMD_REGISTER = 4, CMD_UNREGISTER = 5, CMD_LEND = 8, CMD_RECLAIM = 9,
	CMD_CONFIG = 10, CMD_ASSIGN = 11 };
#define TEE_BAD_PARAMETERS  0xffff0006u
#define TEE_ITEM_NOT_FOUND  0xffff0008u
#define TEE_NOT_IMPLEMENTED 0xffff0009u
#define TEE_NOT_SUPPORTED   0xffff000au
#define TEE_OUT_OF_MEMORY   0xffff000cu
#define TEE_BUSY            0xffff000du
#define TEE_SECURITY        0xffff000fu
#define TEE_SHORT_BUFFER    0xffff0010u
/* OP-TEE's FF-A services. */
enum { API_VERSION = 0, OS_VERSION = 1, CAPABILITIES = 2, UNREGISTER_SHM = 3, ENABLE_ASYNC = 5, RELEASE_PROTMEM = 8 };
#define WITH_ARG 0x80000000ul
#define RESUME   0x80000001ul

extern bool over_smc;
extern u64 arg_handle;
#define MSG ((struct message *)arg)
struct message *new_message(u32 cmd, u32 params);
bool deliver(const char *what);                    /* whether the message layer took the message; then MSG->ret counts */
bool deliver_at(const char *what, u64 h_or_pa, u64 offset, u32 params);
u32 with_address(const char *what, u64 function, u64 pa);
u32 with_cookie(const char *what, u64 cookie, u64 offset);
void message(const char *what, u32 ret);
void message_any(const char *what, u32 n, const u32 *ret);
#define MESSAGE_ANY(what, ...) message_any(what, sizeof((u32[]){ __VA_ARGS__ }) / 4, (u32[]){ __VA_ARGS__ })
void bad_message(const char *what);                /* the message layer refuses it */
void new_open(void);
u32 open_session(void);
struct message *new_invoke(u32 session, u32 func, u32 params);
void null_ref(struct param *p, u64 attr);
u64 enumerate(u32 session);
struct shared {
	u64 addr, handle, cookie;
};
struct shared share_buffer(u64 addr, u32 pages);
void unshare(struct shared s);
void ref(struct param *p, u64 attr, struct shared s, u64 offset, u64 size);
u64 new_cookie(void);
void new_register(u64 cookie, u64 start, u64 size, const u64 *pages, u32 n);
struct pool {
	u64 addr, size, handle, cookie;
};
struct pool protect(u64 addr, u64 size, u64 use);
void unprotect(struct pool p);
void lend_message(u64 use, u64 addr, u64 size, u64 cookie);
void assign_message(u64 h, u64 use);
void unregister_message(u64 cookie);
void reclaim_message(u64 cookie);
enum { VIDEO = 1, TRUSTED_UI = 2 };

/* State that a case leaves, as far as it was seen to come about. */
extern bool mapped;
void clean(void);

/* Non-local ends. */
int checkpoint(u64 buf[14]) __attribute__((returns_twice));
_Noreturn void resume(u64 buf[14]);

/* Accesses that may abort. */
typedef void accessor(void *);
accessor load64, load32, load8, load_pair, load_exclusive, store64, store8, zero_line, execute;
extern const char secondary_probe[];

void find_dma(void);

#endif
