#include "rt.h"

/* GICv3 and GICv4 architecture (IHI 0069): 12.9 distributor, 12.11 redistributor, 12.2 CPU interface. */
enum { GICD = 0x08000000, GICD_CTLR = 0x0000, GICD_CTLR_GRP1 = 1 << 1, GICD_CTLR_ARE = 1 << 4, GICD_CTLR_RWP = 1u << 31 };
enum { GICR = 0x080a0000, GICR_STRIDE = 0x20000, GICR_CTLR = 0x0000, GICR_TYPER = 0x0008, GICR_WAKER = 0x0014 };
enum { GICR_SGI = 0x10000, GICR_IGROUPR0 = 0x0080, GICR_ISENABLER0 = 0x0100, GICR_ICENABLER0 = 0x0180, GICR_IPRIORITYR = 0x0400 };
enum { WAKER_SLEEP = 1 << 1, WAKER_ASLEEP = 1 << 2, CTLR_RWP = 1 << 3 };

#define ICC_PMR_EL1     "S3_0_C4_C6_0"
#define ICC_SGI1R_EL1   "S3_0_C12_C11_5"
#define ICC_IAR1_EL1    "S3_0_C12_C12_0"
#define ICC_EOIR1_EL1   "S3_0_C12_C12_1"
#define ICC_CTLR_EL1    "S3_0_C12_C12_4"
#define ICC_SRE_EL1     "S3_0_C12_C12_5"
#define ICC_IGRPEN1_EL1 "S3_0_C12_C12_7"

static u64 redistributor[MAX_CPUS];

bool gic_present(void) { return sysreg_read("id_aa64pfr0_el1") >> 24 & 0xf; }

void gic_init_distributor(void)
{
	mmio_write(GICD + GICD_CTLR, GICD_CTLR_GRP1 | GICD_CTLR_ARE);
	while (mmio_read(GICD + GICD_CTLR) & GICD_CTLR_RWP)
		;
}

bool gic_init_cpu(void)
{
	struct cpu *c = this_cpu();
	/* GICR_TYPER has the affinity in [63:32]: Aff3, Aff2, Aff1, Aff0; bit 4 marks the last frame. */
	u32 affinity = (u32)(c->mpidr >> 8 & 0xff000000) | (u32)(c->mpidr & 0xffffff);
	u64 base = GICR;
	for (;; base += GICR_STRIDE) {
		u64 typer = mmio_read64(base + GICR_TYPER);
		if ((u32)(typer >> 32) == affinity)
			break;
		if (typer & 1 << 4)
			return false;
	}
	redistributor[c->index] = base;
	mmio_write(base + GICR_WAKER, mmio_read(base + GICR_WAKER) & ~(u32)WAKER_SLEEP);
	while (mmio_read(base + GICR_WAKER) & WAKER_ASLEEP)
		;
	mmio_write(base + GICR_SGI + GICR_ICENABLER0, 0xffffffff);
	mmio_write(base + GICR_SGI + GICR_IGROUPR0, 0xffffffff);
	for (u32 i = 0; i < 32; i += 4)
		mmio_write(base + GICR_SGI + GICR_IPRIORITYR + i, 0xa0a0a0a0);
	while (mmio_read(base + GICR_CTLR) & CTLR_RWP)
		;
	sysreg_write(ICC_SRE_EL1, 7);
	isb();
	sysreg_write(ICC_PMR_EL1, 0xff);
	sysreg_write(ICC_CTLR_EL1, 0);
	sysreg_write(ICC_IGRPEN1_EL1, 1);
	isb();
	return true;
}

/* Enables an SGI or PPI of this processor. */
void gic_enable(u32 intid) { mmio_write(redistributor[this_cpu()->index] + GICR_SGI + GICR_ISENABLER0, 1u << intid); }

u32 gic_acknowledge(void)
{
	u32 intid = (u32)sysreg_read(ICC_IAR1_EL1) & 0xffffff;
	dsb();
	return intid;
}

void gic_end(u32 intid)
{
	sysreg_write(ICC_EOIR1_EL1, intid);
	isb();
}

/* ICC_SGI1R_EL1: Aff3 [55:48], RS [47:44], IRM [40], Aff2 [39:32], INTID [27:24], Aff1 [23:16], target list [15:0]. */
void gic_sgi(u32 intid, u64 mpidr)
{
	u64 aff0 = mpidr & 0xff;
	u64 v = (mpidr >> 32 & 0xff) << 48 | (aff0 >> 4) << 44 | (mpidr >> 16 & 0xff) << 32 | (u64)intid << 24 | (mpidr >> 8 & 0xff) << 16 |
		1ul << (aff0 & 15);
	dsb();
	sysreg_write(ICC_SGI1R_EL1, v);
	isb();
}

void gic_sgi_others(u32 intid)
{
	dsb();
	sysreg_write(ICC_SGI1R_EL1, 1ul << 40 | (u64)intid << 24);
	isb();
}
