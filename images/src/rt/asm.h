/* Offsets that C and assembly share; rt.h checks them against struct cpu. */
#define MAX_CPUS      16
#define STACK_SIZE    0x4000

#define F_SP          248
#define F_ELR         256
#define F_SPSR        264
#define F_ESR         272
#define F_FAR         280
#define F_KIND        288
#define F_SIZE        296
#define C_EXC_SP      296
#define C_TRAP_SP     304
#define C_TRAP_RECORD 312
#define C_SIZE        384

/* EL1h with D, A, I and F masked. */
#define SPSR_EL1H     0x3c5
/* RES1 bits of Armv8.0, little-endian, stack alignment checked, MMU and caches off (DDI 0487, D19.2.136 SCTLR_EL1). */
#define SCTLR_OFF     0x30d00808
