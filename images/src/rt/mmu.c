#include "rt.h"

NOINIT u64 mmu_l0[512] __attribute__((aligned(4096)));
NOINIT u64 mmu_l1[512] __attribute__((aligned(4096)));

/* VMSAv8-64 descriptors (DDI 0487, D8.3). */
void mmu_tables(void)
{
	memset(mmu_l0, 0, sizeof mmu_l0);
	memset(mmu_l1, 0, sizeof mmu_l1);
	mmu_l0[0] = (u64)mmu_l1 | PTE_TABLE;
	mmu_l1[0] = PTE_BLOCK | PTE_DEVICE | PTE_AF | PTE_PXN | PTE_UXN;
	for (u64 i = 1; i < 4; i++)
		mmu_l1[i] = i << 30 | PTE_BLOCK | PTE_NORMAL | PTE_INNER | PTE_AF;
}

void mmu_on(void)
{
	mmu_tables();
	mmu_enable();
}

void tlb_flush(void) { __asm__ volatile("dsb ishst; tlbi vmalle1is; dsb ish; isb" : : : "memory"); }
