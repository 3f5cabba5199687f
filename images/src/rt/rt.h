/* The runtime that all images share. Everything runs at EL1; images entered at EL2 leave it first. */
#ifndef RT_H
#define RT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asm.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* What the vectors save. kind is the vector's number: group * 4 + {sync, IRQ, FIQ, SError}, with the groups current EL with
 * SP0, current EL with SPx, lower EL AArch64, lower EL AArch32 (DDI 0487, D1.3.1). */
struct frame {
	u64 x[31];
	u64 sp, elr, spsr, esr, far, kind;
};

/* One processor. The frame comes first, because the vectors find it through TPIDR_EL1. */
struct cpu {
	struct frame frame;
	u64 exc_sp;
	u64 trap_sp;
	struct frame *trap_record;
	u64 mpidr;
	void (*main)(struct cpu *);
	u32 index;
	volatile u32 state;
	volatile u32 irqs;
	volatile u32 last_intid;
	u64 spare[4];
};

_Static_assert(offsetof(struct frame, sp) == F_SP, "asm.h");
_Static_assert(offsetof(struct frame, elr) == F_ELR, "asm.h");
_Static_assert(offsetof(struct frame, spsr) == F_SPSR, "asm.h");
_Static_assert(offsetof(struct frame, esr) == F_ESR, "asm.h");
_Static_assert(offsetof(struct frame, far) == F_FAR, "asm.h");
_Static_assert(offsetof(struct frame, kind) == F_KIND, "asm.h");
_Static_assert(sizeof(struct frame) == F_SIZE, "asm.h");
_Static_assert(offsetof(struct cpu, exc_sp) == C_EXC_SP, "asm.h");
_Static_assert(offsetof(struct cpu, trap_sp) == C_TRAP_SP, "asm.h");
_Static_assert(offsetof(struct cpu, trap_record) == C_TRAP_RECORD, "asm.h");
_Static_assert(sizeof(struct cpu) == C_SIZE, "asm.h");

extern struct cpu cpus[MAX_CPUS];
extern unsigned boot_el; /* the exception level that the image was entered at */

/* An image. Its result is the exit code: 0 powers the machine off. */
int image_main(void);
_Noreturn void exit_machine(int code);

/* Memory and strings. */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
bool equal(const char *a, const char *b);
#define NOINIT __attribute__((section(".noinit")))

static inline u32 mmio_read(u64 addr)
{
	u32 v;
	__asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static inline void mmio_write(u64 addr, u32 v)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(v), "r"(addr) : "memory");
}

static inline u64 mmio_read64(u64 addr)
{
	u64 v;
	__asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

#define sysreg_read(name) ({ u64 v_; __asm__ volatile("mrs %0, " name : "=r"(v_) : : "memory"); v_; })
#define sysreg_write(name, v) __asm__ volatile("msr " name ", %0" : : "r"((u64)(v)) : "memory")
#define isb() __asm__ volatile("isb" : : : "memory")
#define dsb() __asm__ volatile("dsb sy" : : : "memory")
#define dmb() __asm__ volatile("dmb ish" : : : "memory")

static inline struct cpu *this_cpu(void) { return (struct cpu *)sysreg_read("tpidr_el1"); }

/* Console: PL011 at 0x09000000. Formats: %s %c %d %u %x %lx %lu %ld %%, with width and zero padding. */
void put_char(char c);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
int format_to(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void format_va(char *to, size_t size, const char *format, va_list ap);
void console_flush(void);

/* One line for each step, `step PHASE NAME expect=E saw=S [detail] ok|FAIL`, and the verdict that ends an image's output. */
bool step(bool ok, const char *phase, const char *name, const char *expect, const char *saw, const char *detail, ...)
	__attribute__((format(printf, 6, 7)));
int verdict(void);

/* Exceptions. */
int trap(void (*fn)(void *), void *arg, struct frame *record);
extern void (*irq_handler)(struct cpu *);
#define ESR_EC(esr)  ((u32)((esr) >> 26) & 0x3f)
#define ESR_IL(esr)  ((u32)((esr) >> 25) & 1)
#define ESR_ISS(esr) ((u32)(esr) & 0x1ffffff)

/* Calls to firmware. conduit is found before image_main. */
void smc18(u64 r[18]);
void hvc18(u64 r[18]);
enum conduit { CONDUIT_SMC, CONDUIT_HVC };
extern enum conduit conduit;
u64 psci(u32 function, u64 a, u64 b, u64 c);
void smccc(u64 r[18]);

enum {
	PSCI_VERSION = 0x84000000,
	PSCI_CPU_OFF = 0x84000002,
	PSCI_CPU_ON = 0xc4000003,
	PSCI_AFFINITY_INFO = 0xc4000004,
	PSCI_SYSTEM_OFF = 0x84000008,
};

void semihosting(u64 op, void *block);

/* Device tree at the start of RAM, where QEMU leaves it for ELF kernels. */
bool fdt_present(void);
const char *fdt_string(const char *path, const char *property); /* NULL if absent */
unsigned fdt_cpus(u64 *mpidr, unsigned max); /* the affinities of /cpus/cpu@*, in the tree's order */
u64 option(const char *name, u64 otherwise); /* name=NUMBER in /chosen/bootargs */

/* MMU: identity map, 48 bits of VA, 4 KiB granule; 0 to 1 GiB is Device-nGnRnE, 1 to 4 GiB is Normal write-back. */
extern u64 mmu_l0[512], mmu_l1[512];
void mmu_tables(void);
void mmu_enable(void);
void mmu_on(void);
void tlb_flush(void);
enum {
	PTE_VALID = 1, PTE_TABLE = 3, PTE_PAGE = 3, PTE_BLOCK = 1,
	PTE_DEVICE = 0 << 2, PTE_NORMAL = 1 << 2, PTE_UNCACHED = 2 << 2, PTE_ATTR = 7 << 2,
	PTE_USER = 1 << 6, PTE_RO = 1 << 7, PTE_INNER = 3 << 8, PTE_AF = 1 << 10,
};
#define PTE_PXN (1ul << 53)
#define PTE_UXN (1ul << 54)

/* Secondary processors. They arrive with the MMU on. */
extern const char rt_secondary_entry[];
u64 cpu_start(unsigned index, u64 mpidr, void (*main)(struct cpu *));

/* GICv3 through the system registers; group 1. */
bool gic_present(void);
void gic_init_distributor(void);
bool gic_init_cpu(void);
void gic_enable(u32 intid);
u32 gic_acknowledge(void);
void gic_end(u32 intid);
void gic_sgi(u32 intid, u64 mpidr);
void gic_sgi_others(u32 intid);
static inline void irq_unmask(void) { __asm__ volatile("msr daifclr, #2" : : : "memory"); }
static inline void irq_mask(void) { __asm__ volatile("msr daifset, #2" : : : "memory"); }

#endif
