package cpu

import "fmt"

// Numbers of system registers and system instructions, as a64.Sys packs them: op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2
// (DDI 0487, D18.2 to D18.4).
const (
	sysMIDREL1          = 0xc000 // S3_0_C0_C0_0
	sysMPIDREL1         = 0xc005 // S3_0_C0_C0_5
	sysREVIDREL1        = 0xc006 // S3_0_C0_C0_6
	sysIDAA64PFR0EL1    = 0xc020 // S3_0_C0_C4_0
	sysIDAA64PFR1EL1    = 0xc021 // S3_0_C0_C4_1
	sysIDAA64DFR0EL1    = 0xc028 // S3_0_C0_C5_0
	sysIDAA64DFR1EL1    = 0xc029 // S3_0_C0_C5_1
	sysIDAA64ISAR0EL1   = 0xc030 // S3_0_C0_C6_0
	sysIDAA64ISAR1EL1   = 0xc031 // S3_0_C0_C6_1
	sysIDAA64ISAR2EL1   = 0xc032 // S3_0_C0_C6_2
	sysIDAA64MMFR0EL1   = 0xc038 // S3_0_C0_C7_0
	sysIDAA64MMFR1EL1   = 0xc039 // S3_0_C0_C7_1
	sysIDAA64MMFR2EL1   = 0xc03a // S3_0_C0_C7_2
	sysSCTLREL1         = 0xc080 // S3_0_C1_C0_0
	sysACTLREL1         = 0xc081 // S3_0_C1_C0_1
	sysCPACREL1         = 0xc082 // S3_0_C1_C0_2
	sysTTBR0EL1         = 0xc100 // S3_0_C2_C0_0
	sysTTBR1EL1         = 0xc101 // S3_0_C2_C0_1
	sysTCREL1           = 0xc102 // S3_0_C2_C0_2
	sysAPIAKeyLoEL1     = 0xc108 // S3_0_C2_C1_0
	sysAPIAKeyHiEL1     = 0xc109 // S3_0_C2_C1_1
	sysAPIBKeyLoEL1     = 0xc10a // S3_0_C2_C1_2
	sysAPIBKeyHiEL1     = 0xc10b // S3_0_C2_C1_3
	sysAPDAKeyLoEL1     = 0xc110 // S3_0_C2_C2_0
	sysAPDAKeyHiEL1     = 0xc111 // S3_0_C2_C2_1
	sysAPDBKeyLoEL1     = 0xc112 // S3_0_C2_C2_2
	sysAPDBKeyHiEL1     = 0xc113 // S3_0_C2_C2_3
	sysAPGAKeyLoEL1     = 0xc118 // S3_0_C2_C3_0
	sysAPGAKeyHiEL1     = 0xc119 // S3_0_C2_C3_1
	sysSPSREL1          = 0xc200 // S3_0_C4_C0_0
	sysELREL1           = 0xc201 // S3_0_C4_C0_1
	sysSPEL0            = 0xc208 // S3_0_C4_C1_0
	sysSPSel            = 0xc210 // S3_0_C4_C2_0
	sysCurrentEL        = 0xc212 // S3_0_C4_C2_2
	sysPAN              = 0xc213 // S3_0_C4_C2_3
	sysUAO              = 0xc214 // S3_0_C4_C2_4
	sysICCPMREL1        = 0xc230 // S3_0_C4_C6_0
	sysAFSR0EL1         = 0xc288 // S3_0_C5_C1_0
	sysAFSR1EL1         = 0xc289 // S3_0_C5_C1_1
	sysESREL1           = 0xc290 // S3_0_C5_C2_0
	sysFAREL1           = 0xc300 // S3_0_C6_C0_0
	sysPAREL1           = 0xc3a0 // S3_0_C7_C4_0
	sysPMINTENSETEL1    = 0xc4f1 // S3_0_C9_C14_1
	sysPMINTENCLREL1    = 0xc4f2 // S3_0_C9_C14_2
	sysPMMIREL1         = 0xc4f6 // S3_0_C9_C14_6
	sysMAIREL1          = 0xc510 // S3_0_C10_C2_0
	sysAMAIREL1         = 0xc518 // S3_0_C10_C3_0
	sysLORSAEL1         = 0xc520 // S3_0_C10_C4_0
	sysLORIDEL1         = 0xc527 // S3_0_C10_C4_7
	sysVBAREL1          = 0xc600 // S3_0_C12_C0_0
	sysRVBAREL1         = 0xc601 // S3_0_C12_C0_1
	sysRMREL1           = 0xc602 // S3_0_C12_C0_2
	sysICCIAR0EL1       = 3<<14 | 0<<11 | 12<<7 | 8<<3
	sysICCEOIR0EL1      = 3<<14 | 0<<11 | 12<<7 | 8<<3 | 1
	sysICCHPPIR0EL1     = 3<<14 | 0<<11 | 12<<7 | 8<<3 | 2
	sysICCDIREL1        = 3<<14 | 0<<11 | 12<<7 | 11<<3 | 1
	sysICCRPREL1        = 3<<14 | 0<<11 | 12<<7 | 11<<3 | 3
	sysICCSGI1REL1      = 3<<14 | 0<<11 | 12<<7 | 11<<3 | 5
	sysICCASGI1REL1     = 3<<14 | 0<<11 | 12<<7 | 11<<3 | 6
	sysICCSGI0REL1      = 3<<14 | 0<<11 | 12<<7 | 11<<3 | 7
	sysICCIAR1EL1       = 3<<14 | 0<<11 | 12<<7 | 12<<3
	sysICCEOIR1EL1      = 3<<14 | 0<<11 | 12<<7 | 12<<3 | 1
	sysICCHPPIR1EL1     = 3<<14 | 0<<11 | 12<<7 | 12<<3 | 2
	sysISREL1           = 0xc608 // S3_0_C12_C1_0
	sysCONTEXTIDREL1    = 0xc681 // S3_0_C13_C0_1
	sysTPIDREL1         = 0xc684 // S3_0_C13_C0_4
	sysCNTKCTLEL1       = 0xc708 // S3_0_C14_C1_0
	sysCCSIDREL1        = 0xc800 // S3_1_C0_C0_0
	sysCLIDREL1         = 0xc801 // S3_1_C0_C0_1
	sysAIDREL1          = 0xc807 // S3_1_C0_C0_7
	sysCSSELREL1        = 0xd000 // S3_2_C0_C0_0
	sysCTREL0           = 0xd801 // S3_3_C0_C0_1
	sysDCZIDEL0         = 0xd807 // S3_3_C0_C0_7
	sysNZCV             = 0xda10 // S3_3_C4_C2_0
	sysDAIF             = 0xda11 // S3_3_C4_C2_1
	sysSSBS             = 0xda16 // S3_3_C4_C2_6
	sysFPCR             = 0xda20 // S3_3_C4_C4_0
	sysFPSR             = 0xda21 // S3_3_C4_C4_1
	sysDSPSREL0         = 0xda28 // S3_3_C4_C5_0
	sysDLREL0           = 0xda29 // S3_3_C4_C5_1
	sysPMCREL0          = 0xdce0 // S3_3_C9_C12_0
	sysPMCNTENSETEL0    = 0xdce1 // S3_3_C9_C12_1
	sysPMCNTENCLREL0    = 0xdce2 // S3_3_C9_C12_2
	sysPMOVSCLREL0      = 0xdce3 // S3_3_C9_C12_3
	sysPMSWINCEL0       = 0xdce4 // S3_3_C9_C12_4
	sysPMSELREL0        = 0xdce5 // S3_3_C9_C12_5
	sysPMCEID0EL0       = 0xdce6 // S3_3_C9_C12_6
	sysPMCEID1EL0       = 0xdce7 // S3_3_C9_C12_7
	sysPMCCNTREL0       = 0xdce8 // S3_3_C9_C13_0
	sysPMXEVTYPEREL0    = 0xdce9 // S3_3_C9_C13_1
	sysPMXEVCNTREL0     = 0xdcea // S3_3_C9_C13_2
	sysPMUSERENREL0     = 0xdcf0 // S3_3_C9_C14_0
	sysPMOVSSETEL0      = 0xdcf3 // S3_3_C9_C14_3
	sysTPIDREL0         = 0xde82 // S3_3_C13_C0_2
	sysTPIDRROEL0       = 0xde83 // S3_3_C13_C0_3
	sysCNTFRQEL0        = 0xdf00 // S3_3_C14_C0_0
	sysCNTPCTEL0        = 0xdf01 // S3_3_C14_C0_1
	sysCNTVCTEL0        = 0xdf02 // S3_3_C14_C0_2
	sysCNTPTVALEL0      = 0xdf10 // S3_3_C14_C2_0
	sysCNTPCTLEL0       = 0xdf11 // S3_3_C14_C2_1
	sysCNTPCVALEL0      = 0xdf12 // S3_3_C14_C2_2
	sysCNTVTVALEL0      = 0xdf18 // S3_3_C14_C3_0
	sysCNTVCTLEL0       = 0xdf19 // S3_3_C14_C3_1
	sysCNTVCVALEL0      = 0xdf1a // S3_3_C14_C3_2
	sysPMCCFILTREL0     = 0xdf7f // S3_3_C14_C15_7
	sysVPIDREL2         = 0xe000 // S3_4_C0_C0_0
	sysVMPIDREL2        = 0xe005 // S3_4_C0_C0_5
	sysSCTLREL2         = 0xe080 // S3_4_C1_C0_0
	sysACTLREL2         = 0xe081 // S3_4_C1_C0_1
	sysHCREL2           = 0xe088 // S3_4_C1_C1_0
	sysMDCREL2          = 0xe089 // S3_4_C1_C1_1
	sysCPTREL2          = 0xe08a // S3_4_C1_C1_2
	sysHSTREL2          = 0xe08b // S3_4_C1_C1_3
	sysHACREL2          = 0xe08f // S3_4_C1_C1_7
	sysTTBR0EL2         = 0xe100 // S3_4_C2_C0_0
	sysTCREL2           = 0xe102 // S3_4_C2_C0_2
	sysVTTBREL2         = 0xe108 // S3_4_C2_C1_0
	sysVTCREL2          = 0xe10a // S3_4_C2_C1_2
	sysDACR32EL2        = 0xe180 // S3_4_C3_C0_0
	sysSPSREL2          = 0xe200 // S3_4_C4_C0_0
	sysELREL2           = 0xe201 // S3_4_C4_C0_1
	sysSPEL1            = 0xe208 // S3_4_C4_C1_0
	sysSPSRirq          = 0xe218 // S3_4_C4_C3_0
	sysSPSRabt          = 0xe219 // S3_4_C4_C3_1
	sysSPSRund          = 0xe21a // S3_4_C4_C3_2
	sysSPSRfiq          = 0xe21b // S3_4_C4_C3_3
	sysIFSR32EL2        = 0xe281 // S3_4_C5_C0_1
	sysAFSR0EL2         = 0xe288 // S3_4_C5_C1_0
	sysAFSR1EL2         = 0xe289 // S3_4_C5_C1_1
	sysESREL2           = 0xe290 // S3_4_C5_C2_0
	sysFPEXC32EL2       = 0xe298 // S3_4_C5_C3_0
	sysFAREL2           = 0xe300 // S3_4_C6_C0_0
	sysHPFAREL2         = 0xe304 // S3_4_C6_C0_4
	sysMAIREL2          = 0xe510 // S3_4_C10_C2_0
	sysAMAIREL2         = 0xe518 // S3_4_C10_C3_0
	sysVBAREL2          = 0xe600 // S3_4_C12_C0_0
	sysRVBAREL2         = 0xe601 // S3_4_C12_C0_1
	sysRMREL2           = 0xe602 // S3_4_C12_C0_2
	sysTPIDREL2         = 0xe682 // S3_4_C13_C0_2
	sysCNTVOFFEL2       = 0xe703 // S3_4_C14_C0_3
	sysCNTHCTLEL2       = 0xe708 // S3_4_C14_C1_0
	sysCNTHPTVALEL2     = 0xe710 // S3_4_C14_C2_0
	sysCNTHPCTLEL2      = 0xe711 // S3_4_C14_C2_1
	sysCNTHPCVALEL2     = 0xe712 // S3_4_C14_C2_2
	sysSCTLREL3         = 0xf080 // S3_6_C1_C0_0
	sysACTLREL3         = 0xf081 // S3_6_C1_C0_1
	sysSCREL3           = 0xf088 // S3_6_C1_C1_0
	sysSDER32EL3        = 0xf089 // S3_6_C1_C1_1
	sysCPTREL3          = 0xf08a // S3_6_C1_C1_2
	sysMDCREL3          = 0xf099 // S3_6_C1_C3_1
	sysTTBR0EL3         = 0xf100 // S3_6_C2_C0_0
	sysTCREL3           = 0xf102 // S3_6_C2_C0_2
	sysSPSREL3          = 0xf200 // S3_6_C4_C0_0
	sysELREL3           = 0xf201 // S3_6_C4_C0_1
	sysSPEL2            = 0xf208 // S3_6_C4_C1_0
	sysAFSR0EL3         = 0xf288 // S3_6_C5_C1_0
	sysAFSR1EL3         = 0xf289 // S3_6_C5_C1_1
	sysESREL3           = 0xf290 // S3_6_C5_C2_0
	sysFAREL3           = 0xf300 // S3_6_C6_C0_0
	sysMAIREL3          = 0xf510 // S3_6_C10_C2_0
	sysAMAIREL3         = 0xf518 // S3_6_C10_C3_0
	sysVBAREL3          = 0xf600 // S3_6_C12_C0_0
	sysRVBAREL3         = 0xf601 // S3_6_C12_C0_1
	sysRMREL3           = 0xf602 // S3_6_C12_C0_2
	sysTPIDREL3         = 0xf682 // S3_6_C13_C0_2
	sysCNTPSTVALEL1     = 0xff10 // S3_7_C14_C2_0
	sysCNTPSCTLEL1      = 0xff11 // S3_7_C14_C2_1
	sysCNTPSCVALEL1     = 0xff12 // S3_7_C14_C2_2
	sysOSDTRRXEL1       = 0x8002 // S2_0_C0_C0_2
	sysMDCCINTEL1       = 0x8010 // S2_0_C0_C2_0
	sysMDSCREL1         = 0x8012 // S2_0_C0_C2_2
	sysOSDTRTXEL1       = 0x801a // S2_0_C0_C3_2
	sysOSECCREL1        = 0x8032 // S2_0_C0_C6_2
	sysMDCCSREL0        = 0x9808 // S2_3_C0_C1_0
	sysDBGDTREL0        = 0x9820 // S2_3_C0_C4_0
	sysDBGDTRRXEL0      = 0x9828 // S2_3_C0_C5_0
	sysDBGVCR32EL2      = 0xa038 // S2_4_C0_C7_0
	sysMDRAREL1         = 0x8080 // S2_0_C1_C0_0
	sysOSLAREL1         = 0x8084 // S2_0_C1_C0_4
	sysOSLSREL1         = 0x808c // S2_0_C1_C1_4
	sysOSDLREL1         = 0x809c // S2_0_C1_C3_4
	sysDBGPRCREL1       = 0x80a4 // S2_0_C1_C4_4
	sysDBGCLAIMSETEL1   = 0x83c6 // S2_0_C7_C8_6
	sysDBGCLAIMCLREL1   = 0x83ce // S2_0_C7_C9_6
	sysDBGAUTHSTATUSEL1 = 0x83f6 // S2_0_C7_C14_6
	sysICIALLUIS        = 0x4388 // S1_0_C7_C1_0
	sysICIALLU          = 0x43a8 // S1_0_C7_C5_0
	sysICIVAU           = 0x5ba9 // S1_3_C7_C5_1
	sysDCIVAC           = 0x43b1 // S1_0_C7_C6_1
	sysDCISW            = 0x43b2 // S1_0_C7_C6_2
	sysDCCSW            = 0x43d2 // S1_0_C7_C10_2
	sysDCCISW           = 0x43f2 // S1_0_C7_C14_2
	sysDCCVAC           = 0x5bd1 // S1_3_C7_C10_1
	sysDCCVAU           = 0x5bd9 // S1_3_C7_C11_1
	sysDCCVAP           = 0x5be1 // S1_3_C7_C12_1
	sysDCCVADP          = 0x5be9 // S1_3_C7_C13_1
	sysDCCIVAC          = 0x5bf1 // S1_3_C7_C14_1
	sysDCZVA            = 0x5ba1 // S1_3_C7_C4_1
	sysATS1E1R          = 0x43c0 // S1_0_C7_C8_0
	sysATS1E1W          = 0x43c1 // S1_0_C7_C8_1
	sysATS1E0R          = 0x43c2 // S1_0_C7_C8_2
	sysATS1E0W          = 0x43c3 // S1_0_C7_C8_3
	sysATS1E1RP         = 0x43c8 // S1_0_C7_C9_0
	sysATS1E1WP         = 0x43c9 // S1_0_C7_C9_1
	sysATS1E2R          = 0x63c0 // S1_4_C7_C8_0
	sysATS1E2W          = 0x63c1 // S1_4_C7_C8_1
	sysATS12E1R         = 0x63c4 // S1_4_C7_C8_4
	sysATS12E1W         = 0x63c5 // S1_4_C7_C8_5
	sysATS12E0R         = 0x63c6 // S1_4_C7_C8_6
	sysATS12E0W         = 0x63c7 // S1_4_C7_C8_7
	sysATS1E3R          = 0x73c0 // S1_6_C7_C8_0
	sysATS1E3W          = 0x73c1 // S1_6_C7_C8_1
	sysTLBIVMALLE1IS    = 0x4418 // S1_0_C8_C3_0
	sysTLBIVAE1IS       = 0x4419 // S1_0_C8_C3_1
	sysTLBIASIDE1IS     = 0x441a // S1_0_C8_C3_2
	sysTLBIVAAE1IS      = 0x441b // S1_0_C8_C3_3
	sysTLBIVALE1IS      = 0x441d // S1_0_C8_C3_5
	sysTLBIVAALE1IS     = 0x441f // S1_0_C8_C3_7
	sysTLBIVMALLE1      = 0x4438 // S1_0_C8_C7_0
	sysTLBIVAE1         = 0x4439 // S1_0_C8_C7_1
	sysTLBIASIDE1       = 0x443a // S1_0_C8_C7_2
	sysTLBIVAAE1        = 0x443b // S1_0_C8_C7_3
	sysTLBIVALE1        = 0x443d // S1_0_C8_C7_5
	sysTLBIVAALE1       = 0x443f // S1_0_C8_C7_7
	sysTLBIIPAS2E1IS    = 0x6401 // S1_4_C8_C0_1
	sysTLBIIPAS2LE1IS   = 0x6405 // S1_4_C8_C0_5
	sysTLBIALLE2IS      = 0x6418 // S1_4_C8_C3_0
	sysTLBIVAE2IS       = 0x6419 // S1_4_C8_C3_1
	sysTLBIALLE1IS      = 0x641c // S1_4_C8_C3_4
	sysTLBIVALE2IS      = 0x641d // S1_4_C8_C3_5
	sysTLBIVMALLS12E1IS = 0x641e // S1_4_C8_C3_6
	sysTLBIIPAS2E1      = 0x6421 // S1_4_C8_C4_1
	sysTLBIIPAS2LE1     = 0x6425 // S1_4_C8_C4_5
	sysTLBIALLE2        = 0x6438 // S1_4_C8_C7_0
	sysTLBIVAE2         = 0x6439 // S1_4_C8_C7_1
	sysTLBIALLE1        = 0x643c // S1_4_C8_C7_4
	sysTLBIVALE2        = 0x643d // S1_4_C8_C7_5
	sysTLBIVMALLS12E1   = 0x643e // S1_4_C8_C7_6
	sysTLBIALLE3IS      = 0x7418 // S1_6_C8_C3_0
	sysTLBIVAE3IS       = 0x7419 // S1_6_C8_C3_1
	sysTLBIVALE3IS      = 0x741d // S1_6_C8_C3_5
	sysTLBIALLE3        = 0x7438 // S1_6_C8_C7_0
	sysTLBIVAE3         = 0x7439 // S1_6_C8_C7_1
	sysTLBIVALE3        = 0x743d // S1_6_C8_C7_5
)

var sysNames = map[uint16]string{
	sysMIDREL1:          "MIDR_EL1",
	sysMPIDREL1:         "MPIDR_EL1",
	sysREVIDREL1:        "REVIDR_EL1",
	sysIDAA64PFR0EL1:    "ID_AA64PFR0_EL1",
	sysIDAA64PFR1EL1:    "ID_AA64PFR1_EL1",
	sysIDAA64DFR0EL1:    "ID_AA64DFR0_EL1",
	sysIDAA64DFR1EL1:    "ID_AA64DFR1_EL1",
	sysIDAA64ISAR0EL1:   "ID_AA64ISAR0_EL1",
	sysIDAA64ISAR1EL1:   "ID_AA64ISAR1_EL1",
	sysIDAA64ISAR2EL1:   "ID_AA64ISAR2_EL1",
	sysIDAA64MMFR0EL1:   "ID_AA64MMFR0_EL1",
	sysIDAA64MMFR1EL1:   "ID_AA64MMFR1_EL1",
	sysIDAA64MMFR2EL1:   "ID_AA64MMFR2_EL1",
	sysSCTLREL1:         "SCTLR_EL1",
	sysACTLREL1:         "ACTLR_EL1",
	sysCPACREL1:         "CPACR_EL1",
	sysTTBR0EL1:         "TTBR0_EL1",
	sysTTBR1EL1:         "TTBR1_EL1",
	sysTCREL1:           "TCR_EL1",
	sysAPIAKeyLoEL1:     "APIAKeyLo_EL1",
	sysAPIAKeyHiEL1:     "APIAKeyHi_EL1",
	sysAPIBKeyLoEL1:     "APIBKeyLo_EL1",
	sysAPIBKeyHiEL1:     "APIBKeyHi_EL1",
	sysAPDAKeyLoEL1:     "APDAKeyLo_EL1",
	sysAPDAKeyHiEL1:     "APDAKeyHi_EL1",
	sysAPDBKeyLoEL1:     "APDBKeyLo_EL1",
	sysAPDBKeyHiEL1:     "APDBKeyHi_EL1",
	sysAPGAKeyLoEL1:     "APGAKeyLo_EL1",
	sysAPGAKeyHiEL1:     "APGAKeyHi_EL1",
	sysSPSREL1:          "SPSR_EL1",
	sysELREL1:           "ELR_EL1",
	sysSPEL0:            "SP_EL0",
	sysSPSel:            "SPSel",
	sysCurrentEL:        "CurrentEL",
	sysPAN:              "PAN",
	sysUAO:              "UAO",
	sysICCPMREL1:        "ICC_PMR_EL1",
	sysAFSR0EL1:         "AFSR0_EL1",
	sysAFSR1EL1:         "AFSR1_EL1",
	sysESREL1:           "ESR_EL1",
	sysFAREL1:           "FAR_EL1",
	sysPAREL1:           "PAR_EL1",
	sysPMINTENSETEL1:    "PMINTENSET_EL1",
	sysPMINTENCLREL1:    "PMINTENCLR_EL1",
	sysPMMIREL1:         "PMMIR_EL1",
	sysMAIREL1:          "MAIR_EL1",
	sysAMAIREL1:         "AMAIR_EL1",
	sysLORSAEL1:         "LORSA_EL1",
	sysLORIDEL1:         "LORID_EL1",
	sysVBAREL1:          "VBAR_EL1",
	sysRVBAREL1:         "RVBAR_EL1",
	sysRMREL1:           "RMR_EL1",
	sysICCIAR0EL1:       "ICC_IAR0_EL1",
	sysICCEOIR0EL1:      "ICC_EOIR0_EL1",
	sysICCHPPIR0EL1:     "ICC_HPPIR0_EL1",
	sysICCDIREL1:        "ICC_DIR_EL1",
	sysICCRPREL1:        "ICC_RPR_EL1",
	sysICCSGI1REL1:      "ICC_SGI1R_EL1",
	sysICCASGI1REL1:     "ICC_ASGI1R_EL1",
	sysICCSGI0REL1:      "ICC_SGI0R_EL1",
	sysICCIAR1EL1:       "ICC_IAR1_EL1",
	sysICCEOIR1EL1:      "ICC_EOIR1_EL1",
	sysICCHPPIR1EL1:     "ICC_HPPIR1_EL1",
	sysISREL1:           "ISR_EL1",
	sysCONTEXTIDREL1:    "CONTEXTIDR_EL1",
	sysTPIDREL1:         "TPIDR_EL1",
	sysCNTKCTLEL1:       "CNTKCTL_EL1",
	sysCCSIDREL1:        "CCSIDR_EL1",
	sysCLIDREL1:         "CLIDR_EL1",
	sysAIDREL1:          "AIDR_EL1",
	sysCSSELREL1:        "CSSELR_EL1",
	sysCTREL0:           "CTR_EL0",
	sysDCZIDEL0:         "DCZID_EL0",
	sysNZCV:             "NZCV",
	sysDAIF:             "DAIF",
	sysSSBS:             "SSBS",
	sysFPCR:             "FPCR",
	sysFPSR:             "FPSR",
	sysDSPSREL0:         "DSPSR_EL0",
	sysDLREL0:           "DLR_EL0",
	sysPMCREL0:          "PMCR_EL0",
	sysPMCNTENSETEL0:    "PMCNTENSET_EL0",
	sysPMCNTENCLREL0:    "PMCNTENCLR_EL0",
	sysPMOVSCLREL0:      "PMOVSCLR_EL0",
	sysPMSWINCEL0:       "PMSWINC_EL0",
	sysPMSELREL0:        "PMSELR_EL0",
	sysPMCEID0EL0:       "PMCEID0_EL0",
	sysPMCEID1EL0:       "PMCEID1_EL0",
	sysPMCCNTREL0:       "PMCCNTR_EL0",
	sysPMXEVTYPEREL0:    "PMXEVTYPER_EL0",
	sysPMXEVCNTREL0:     "PMXEVCNTR_EL0",
	sysPMUSERENREL0:     "PMUSERENR_EL0",
	sysPMOVSSETEL0:      "PMOVSSET_EL0",
	sysTPIDREL0:         "TPIDR_EL0",
	sysTPIDRROEL0:       "TPIDRRO_EL0",
	sysCNTFRQEL0:        "CNTFRQ_EL0",
	sysCNTPCTEL0:        "CNTPCT_EL0",
	sysCNTVCTEL0:        "CNTVCT_EL0",
	sysCNTPTVALEL0:      "CNTP_TVAL_EL0",
	sysCNTPCTLEL0:       "CNTP_CTL_EL0",
	sysCNTPCVALEL0:      "CNTP_CVAL_EL0",
	sysCNTVTVALEL0:      "CNTV_TVAL_EL0",
	sysCNTVCTLEL0:       "CNTV_CTL_EL0",
	sysCNTVCVALEL0:      "CNTV_CVAL_EL0",
	sysPMCCFILTREL0:     "PMCCFILTR_EL0",
	sysVPIDREL2:         "VPIDR_EL2",
	sysVMPIDREL2:        "VMPIDR_EL2",
	sysSCTLREL2:         "SCTLR_EL2",
	sysACTLREL2:         "ACTLR_EL2",
	sysHCREL2:           "HCR_EL2",
	sysMDCREL2:          "MDCR_EL2",
	sysCPTREL2:          "CPTR_EL2",
	sysHSTREL2:          "HSTR_EL2",
	sysHACREL2:          "HACR_EL2",
	sysTTBR0EL2:         "TTBR0_EL2",
	sysTCREL2:           "TCR_EL2",
	sysVTTBREL2:         "VTTBR_EL2",
	sysVTCREL2:          "VTCR_EL2",
	sysDACR32EL2:        "DACR32_EL2",
	sysSPSREL2:          "SPSR_EL2",
	sysELREL2:           "ELR_EL2",
	sysSPEL1:            "SP_EL1",
	sysSPSRirq:          "SPSR_irq",
	sysSPSRabt:          "SPSR_abt",
	sysSPSRund:          "SPSR_und",
	sysSPSRfiq:          "SPSR_fiq",
	sysIFSR32EL2:        "IFSR32_EL2",
	sysAFSR0EL2:         "AFSR0_EL2",
	sysAFSR1EL2:         "AFSR1_EL2",
	sysESREL2:           "ESR_EL2",
	sysFPEXC32EL2:       "FPEXC32_EL2",
	sysFAREL2:           "FAR_EL2",
	sysHPFAREL2:         "HPFAR_EL2",
	sysMAIREL2:          "MAIR_EL2",
	sysAMAIREL2:         "AMAIR_EL2",
	sysVBAREL2:          "VBAR_EL2",
	sysRVBAREL2:         "RVBAR_EL2",
	sysRMREL2:           "RMR_EL2",
	sysTPIDREL2:         "TPIDR_EL2",
	sysCNTVOFFEL2:       "CNTVOFF_EL2",
	sysCNTHCTLEL2:       "CNTHCTL_EL2",
	sysCNTHPTVALEL2:     "CNTHP_TVAL_EL2",
	sysCNTHPCTLEL2:      "CNTHP_CTL_EL2",
	sysCNTHPCVALEL2:     "CNTHP_CVAL_EL2",
	sysSCTLREL3:         "SCTLR_EL3",
	sysACTLREL3:         "ACTLR_EL3",
	sysSCREL3:           "SCR_EL3",
	sysSDER32EL3:        "SDER32_EL3",
	sysCPTREL3:          "CPTR_EL3",
	sysMDCREL3:          "MDCR_EL3",
	sysTTBR0EL3:         "TTBR0_EL3",
	sysTCREL3:           "TCR_EL3",
	sysSPSREL3:          "SPSR_EL3",
	sysELREL3:           "ELR_EL3",
	sysSPEL2:            "SP_EL2",
	sysAFSR0EL3:         "AFSR0_EL3",
	sysAFSR1EL3:         "AFSR1_EL3",
	sysESREL3:           "ESR_EL3",
	sysFAREL3:           "FAR_EL3",
	sysMAIREL3:          "MAIR_EL3",
	sysAMAIREL3:         "AMAIR_EL3",
	sysVBAREL3:          "VBAR_EL3",
	sysRVBAREL3:         "RVBAR_EL3",
	sysRMREL3:           "RMR_EL3",
	sysTPIDREL3:         "TPIDR_EL3",
	sysCNTPSTVALEL1:     "CNTPS_TVAL_EL1",
	sysCNTPSCTLEL1:      "CNTPS_CTL_EL1",
	sysCNTPSCVALEL1:     "CNTPS_CVAL_EL1",
	sysOSDTRRXEL1:       "OSDTRRX_EL1",
	sysMDCCINTEL1:       "MDCCINT_EL1",
	sysMDSCREL1:         "MDSCR_EL1",
	sysOSDTRTXEL1:       "OSDTRTX_EL1",
	sysOSECCREL1:        "OSECCR_EL1",
	sysMDCCSREL0:        "MDCCSR_EL0",
	sysDBGDTREL0:        "DBGDTR_EL0",
	sysDBGDTRRXEL0:      "DBGDTRRX_EL0",
	sysDBGVCR32EL2:      "DBGVCR32_EL2",
	sysMDRAREL1:         "MDRAR_EL1",
	sysOSLAREL1:         "OSLAR_EL1",
	sysOSLSREL1:         "OSLSR_EL1",
	sysOSDLREL1:         "OSDLR_EL1",
	sysDBGPRCREL1:       "DBGPRCR_EL1",
	sysDBGCLAIMSETEL1:   "DBGCLAIMSET_EL1",
	sysDBGCLAIMCLREL1:   "DBGCLAIMCLR_EL1",
	sysDBGAUTHSTATUSEL1: "DBGAUTHSTATUS_EL1",
	sysICIALLUIS:        "IC_IALLUIS",
	sysICIALLU:          "IC_IALLU",
	sysICIVAU:           "IC_IVAU",
	sysDCIVAC:           "DC_IVAC",
	sysDCISW:            "DC_ISW",
	sysDCCSW:            "DC_CSW",
	sysDCCISW:           "DC_CISW",
	sysDCCVAC:           "DC_CVAC",
	sysDCCVAU:           "DC_CVAU",
	sysDCCVAP:           "DC_CVAP",
	sysDCCVADP:          "DC_CVADP",
	sysDCCIVAC:          "DC_CIVAC",
	sysDCZVA:            "DC_ZVA",
	sysATS1E1R:          "AT_S1E1R",
	sysATS1E1W:          "AT_S1E1W",
	sysATS1E0R:          "AT_S1E0R",
	sysATS1E0W:          "AT_S1E0W",
	sysATS1E1RP:         "AT_S1E1RP",
	sysATS1E1WP:         "AT_S1E1WP",
	sysATS1E2R:          "AT_S1E2R",
	sysATS1E2W:          "AT_S1E2W",
	sysATS12E1R:         "AT_S12E1R",
	sysATS12E1W:         "AT_S12E1W",
	sysATS12E0R:         "AT_S12E0R",
	sysATS12E0W:         "AT_S12E0W",
	sysATS1E3R:          "AT_S1E3R",
	sysATS1E3W:          "AT_S1E3W",
	sysTLBIVMALLE1IS:    "TLBI_VMALLE1IS",
	sysTLBIVAE1IS:       "TLBI_VAE1IS",
	sysTLBIASIDE1IS:     "TLBI_ASIDE1IS",
	sysTLBIVAAE1IS:      "TLBI_VAAE1IS",
	sysTLBIVALE1IS:      "TLBI_VALE1IS",
	sysTLBIVAALE1IS:     "TLBI_VAALE1IS",
	sysTLBIVMALLE1:      "TLBI_VMALLE1",
	sysTLBIVAE1:         "TLBI_VAE1",
	sysTLBIASIDE1:       "TLBI_ASIDE1",
	sysTLBIVAAE1:        "TLBI_VAAE1",
	sysTLBIVALE1:        "TLBI_VALE1",
	sysTLBIVAALE1:       "TLBI_VAALE1",
	sysTLBIIPAS2E1IS:    "TLBI_IPAS2E1IS",
	sysTLBIIPAS2LE1IS:   "TLBI_IPAS2LE1IS",
	sysTLBIALLE2IS:      "TLBI_ALLE2IS",
	sysTLBIVAE2IS:       "TLBI_VAE2IS",
	sysTLBIALLE1IS:      "TLBI_ALLE1IS",
	sysTLBIVALE2IS:      "TLBI_VALE2IS",
	sysTLBIVMALLS12E1IS: "TLBI_VMALLS12E1IS",
	sysTLBIIPAS2E1:      "TLBI_IPAS2E1",
	sysTLBIIPAS2LE1:     "TLBI_IPAS2LE1",
	sysTLBIALLE2:        "TLBI_ALLE2",
	sysTLBIVAE2:         "TLBI_VAE2",
	sysTLBIALLE1:        "TLBI_ALLE1",
	sysTLBIVALE2:        "TLBI_VALE2",
	sysTLBIVMALLS12E1:   "TLBI_VMALLS12E1",
	sysTLBIALLE3IS:      "TLBI_ALLE3IS",
	sysTLBIVAE3IS:       "TLBI_VAE3IS",
	sysTLBIVALE3IS:      "TLBI_VALE3IS",
	sysTLBIALLE3:        "TLBI_ALLE3",
	sysTLBIVAE3:         "TLBI_VAE3",
	sysTLBIVALE3:        "TLBI_VALE3",
}

// SysName gives the name of a system register or instruction, or its generic form S<op0>_<op1>_C<n>_C<m>_<op2>.
func SysName(key uint16) string {
	if n, ok := sysNames[key]; ok {
		return n
	}
	return fmt.Sprintf("S%d_%d_C%d_C%d_%d", key>>14, key>>11&7, key>>7&15, key>>3&15, key&7)
}
