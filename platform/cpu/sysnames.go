package cpu

import "fmt"

// Numbers of system registers and system instructions, as a64.Sys packs them: op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2
// (DDI 0487, D18.2 to D18.4).
const (
	sysMIDREL1          = 3<<14 | 0<<11 | 0<<7 | 0<<3 | 0
	sysMPIDREL1         = 3<<14 | 0<<11 | 0<<7 | 0<<3 | 5
	sysREVIDREL1        = 3<<14 | 0<<11 | 0<<7 | 0<<3 | 6
	sysIDAA64PFR0EL1    = 3<<14 | 0<<11 | 0<<7 | 4<<3 | 0
	sysIDAA64PFR1EL1    = 3<<14 | 0<<11 | 0<<7 | 4<<3 | 1
	sysIDAA64DFR0EL1    = 3<<14 | 0<<11 | 0<<7 | 5<<3 | 0
	sysIDAA64DFR1EL1    = 3<<14 | 0<<11 | 0<<7 | 5<<3 | 1
	sysIDAA64ISAR0EL1   = 3<<14 | 0<<11 | 0<<7 | 6<<3 | 0
	sysIDAA64ISAR1EL1   = 3<<14 | 0<<11 | 0<<7 | 6<<3 | 1
	sysIDAA64ISAR2EL1   = 3<<14 | 0<<11 | 0<<7 | 6<<3 | 2
	sysIDAA64MMFR0EL1   = 3<<14 | 0<<11 | 0<<7 | 7<<3 | 0
	sysIDAA64MMFR1EL1   = 3<<14 | 0<<11 | 0<<7 | 7<<3 | 1
	sysIDAA64MMFR2EL1   = 3<<14 | 0<<11 | 0<<7 | 7<<3 | 2
	sysSCTLREL1         = 3<<14 | 0<<11 | 1<<7 | 0<<3 | 0
	sysACTLREL1         = 3<<14 | 0<<11 | 1<<7 | 0<<3 | 1
	sysCPACREL1         = 3<<14 | 0<<11 | 1<<7 | 0<<3 | 2
	sysTTBR0EL1         = 3<<14 | 0<<11 | 2<<7 | 0<<3 | 0
	sysTTBR1EL1         = 3<<14 | 0<<11 | 2<<7 | 0<<3 | 1
	sysTCREL1           = 3<<14 | 0<<11 | 2<<7 | 0<<3 | 2
	sysSPSREL1          = 3<<14 | 0<<11 | 4<<7 | 0<<3 | 0
	sysELREL1           = 3<<14 | 0<<11 | 4<<7 | 0<<3 | 1
	sysSPEL0            = 3<<14 | 0<<11 | 4<<7 | 1<<3 | 0
	sysSPSel            = 3<<14 | 0<<11 | 4<<7 | 2<<3 | 0
	sysCurrentEL        = 3<<14 | 0<<11 | 4<<7 | 2<<3 | 2
	sysPAN              = 3<<14 | 0<<11 | 4<<7 | 2<<3 | 3
	sysUAO              = 3<<14 | 0<<11 | 4<<7 | 2<<3 | 4
	sysICCPMREL1        = 3<<14 | 0<<11 | 4<<7 | 6<<3 | 0
	sysAFSR0EL1         = 3<<14 | 0<<11 | 5<<7 | 1<<3 | 0
	sysAFSR1EL1         = 3<<14 | 0<<11 | 5<<7 | 1<<3 | 1
	sysESREL1           = 3<<14 | 0<<11 | 5<<7 | 2<<3 | 0
	sysFAREL1           = 3<<14 | 0<<11 | 6<<7 | 0<<3 | 0
	sysPAREL1           = 3<<14 | 0<<11 | 7<<7 | 4<<3 | 0
	sysPMINTENSETEL1    = 3<<14 | 0<<11 | 9<<7 | 14<<3 | 1
	sysPMINTENCLREL1    = 3<<14 | 0<<11 | 9<<7 | 14<<3 | 2
	sysPMMIREL1         = 3<<14 | 0<<11 | 9<<7 | 14<<3 | 6
	sysMAIREL1          = 3<<14 | 0<<11 | 10<<7 | 2<<3 | 0
	sysAMAIREL1         = 3<<14 | 0<<11 | 10<<7 | 3<<3 | 0
	sysLORSAEL1         = 3<<14 | 0<<11 | 10<<7 | 4<<3 | 0
	sysLORIDEL1         = 3<<14 | 0<<11 | 10<<7 | 4<<3 | 7
	sysVBAREL1          = 3<<14 | 0<<11 | 12<<7 | 0<<3 | 0
	sysRVBAREL1         = 3<<14 | 0<<11 | 12<<7 | 0<<3 | 1
	sysRMREL1           = 3<<14 | 0<<11 | 12<<7 | 0<<3 | 2
	sysISREL1           = 3<<14 | 0<<11 | 12<<7 | 1<<3 | 0
	sysCONTEXTIDREL1    = 3<<14 | 0<<11 | 13<<7 | 0<<3 | 1
	sysTPIDREL1         = 3<<14 | 0<<11 | 13<<7 | 0<<3 | 4
	sysCNTKCTLEL1       = 3<<14 | 0<<11 | 14<<7 | 1<<3 | 0
	sysCCSIDREL1        = 3<<14 | 1<<11 | 0<<7 | 0<<3 | 0
	sysCLIDREL1         = 3<<14 | 1<<11 | 0<<7 | 0<<3 | 1
	sysAIDREL1          = 3<<14 | 1<<11 | 0<<7 | 0<<3 | 7
	sysCSSELREL1        = 3<<14 | 2<<11 | 0<<7 | 0<<3 | 0
	sysCTREL0           = 3<<14 | 3<<11 | 0<<7 | 0<<3 | 1
	sysDCZIDEL0         = 3<<14 | 3<<11 | 0<<7 | 0<<3 | 7
	sysNZCV             = 3<<14 | 3<<11 | 4<<7 | 2<<3 | 0
	sysDAIF             = 3<<14 | 3<<11 | 4<<7 | 2<<3 | 1
	sysSSBS             = 3<<14 | 3<<11 | 4<<7 | 2<<3 | 6
	sysFPCR             = 3<<14 | 3<<11 | 4<<7 | 4<<3 | 0
	sysFPSR             = 3<<14 | 3<<11 | 4<<7 | 4<<3 | 1
	sysDSPSREL0         = 3<<14 | 3<<11 | 4<<7 | 5<<3 | 0
	sysDLREL0           = 3<<14 | 3<<11 | 4<<7 | 5<<3 | 1
	sysPMCREL0          = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 0
	sysPMCNTENSETEL0    = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 1
	sysPMCNTENCLREL0    = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 2
	sysPMOVSCLREL0      = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 3
	sysPMSWINCEL0       = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 4
	sysPMSELREL0        = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 5
	sysPMCEID0EL0       = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 6
	sysPMCEID1EL0       = 3<<14 | 3<<11 | 9<<7 | 12<<3 | 7
	sysPMCCNTREL0       = 3<<14 | 3<<11 | 9<<7 | 13<<3 | 0
	sysPMXEVTYPEREL0    = 3<<14 | 3<<11 | 9<<7 | 13<<3 | 1
	sysPMXEVCNTREL0     = 3<<14 | 3<<11 | 9<<7 | 13<<3 | 2
	sysPMUSERENREL0     = 3<<14 | 3<<11 | 9<<7 | 14<<3 | 0
	sysPMOVSSETEL0      = 3<<14 | 3<<11 | 9<<7 | 14<<3 | 3
	sysTPIDREL0         = 3<<14 | 3<<11 | 13<<7 | 0<<3 | 2
	sysTPIDRROEL0       = 3<<14 | 3<<11 | 13<<7 | 0<<3 | 3
	sysCNTFRQEL0        = 3<<14 | 3<<11 | 14<<7 | 0<<3 | 0
	sysCNTPCTEL0        = 3<<14 | 3<<11 | 14<<7 | 0<<3 | 1
	sysCNTVCTEL0        = 3<<14 | 3<<11 | 14<<7 | 0<<3 | 2
	sysCNTPTVALEL0      = 3<<14 | 3<<11 | 14<<7 | 2<<3 | 0
	sysCNTPCTLEL0       = 3<<14 | 3<<11 | 14<<7 | 2<<3 | 1
	sysCNTPCVALEL0      = 3<<14 | 3<<11 | 14<<7 | 2<<3 | 2
	sysCNTVTVALEL0      = 3<<14 | 3<<11 | 14<<7 | 3<<3 | 0
	sysCNTVCTLEL0       = 3<<14 | 3<<11 | 14<<7 | 3<<3 | 1
	sysCNTVCVALEL0      = 3<<14 | 3<<11 | 14<<7 | 3<<3 | 2
	sysPMCCFILTREL0     = 3<<14 | 3<<11 | 14<<7 | 15<<3 | 7
	sysVPIDREL2         = 3<<14 | 4<<11 | 0<<7 | 0<<3 | 0
	sysVMPIDREL2        = 3<<14 | 4<<11 | 0<<7 | 0<<3 | 5
	sysSCTLREL2         = 3<<14 | 4<<11 | 1<<7 | 0<<3 | 0
	sysACTLREL2         = 3<<14 | 4<<11 | 1<<7 | 0<<3 | 1
	sysHCREL2           = 3<<14 | 4<<11 | 1<<7 | 1<<3 | 0
	sysMDCREL2          = 3<<14 | 4<<11 | 1<<7 | 1<<3 | 1
	sysCPTREL2          = 3<<14 | 4<<11 | 1<<7 | 1<<3 | 2
	sysHSTREL2          = 3<<14 | 4<<11 | 1<<7 | 1<<3 | 3
	sysHACREL2          = 3<<14 | 4<<11 | 1<<7 | 1<<3 | 7
	sysTTBR0EL2         = 3<<14 | 4<<11 | 2<<7 | 0<<3 | 0
	sysTCREL2           = 3<<14 | 4<<11 | 2<<7 | 0<<3 | 2
	sysVTTBREL2         = 3<<14 | 4<<11 | 2<<7 | 1<<3 | 0
	sysVTCREL2          = 3<<14 | 4<<11 | 2<<7 | 1<<3 | 2
	sysDACR32EL2        = 3<<14 | 4<<11 | 3<<7 | 0<<3 | 0
	sysSPSREL2          = 3<<14 | 4<<11 | 4<<7 | 0<<3 | 0
	sysELREL2           = 3<<14 | 4<<11 | 4<<7 | 0<<3 | 1
	sysSPEL1            = 3<<14 | 4<<11 | 4<<7 | 1<<3 | 0
	sysSPSRirq          = 3<<14 | 4<<11 | 4<<7 | 3<<3 | 0
	sysSPSRabt          = 3<<14 | 4<<11 | 4<<7 | 3<<3 | 1
	sysSPSRund          = 3<<14 | 4<<11 | 4<<7 | 3<<3 | 2
	sysSPSRfiq          = 3<<14 | 4<<11 | 4<<7 | 3<<3 | 3
	sysIFSR32EL2        = 3<<14 | 4<<11 | 5<<7 | 0<<3 | 1
	sysAFSR0EL2         = 3<<14 | 4<<11 | 5<<7 | 1<<3 | 0
	sysAFSR1EL2         = 3<<14 | 4<<11 | 5<<7 | 1<<3 | 1
	sysESREL2           = 3<<14 | 4<<11 | 5<<7 | 2<<3 | 0
	sysFPEXC32EL2       = 3<<14 | 4<<11 | 5<<7 | 3<<3 | 0
	sysFAREL2           = 3<<14 | 4<<11 | 6<<7 | 0<<3 | 0
	sysHPFAREL2         = 3<<14 | 4<<11 | 6<<7 | 0<<3 | 4
	sysMAIREL2          = 3<<14 | 4<<11 | 10<<7 | 2<<3 | 0
	sysAMAIREL2         = 3<<14 | 4<<11 | 10<<7 | 3<<3 | 0
	sysVBAREL2          = 3<<14 | 4<<11 | 12<<7 | 0<<3 | 0
	sysRVBAREL2         = 3<<14 | 4<<11 | 12<<7 | 0<<3 | 1
	sysRMREL2           = 3<<14 | 4<<11 | 12<<7 | 0<<3 | 2
	sysTPIDREL2         = 3<<14 | 4<<11 | 13<<7 | 0<<3 | 2
	sysCNTVOFFEL2       = 3<<14 | 4<<11 | 14<<7 | 0<<3 | 3
	sysCNTHCTLEL2       = 3<<14 | 4<<11 | 14<<7 | 1<<3 | 0
	sysCNTHPTVALEL2     = 3<<14 | 4<<11 | 14<<7 | 2<<3 | 0
	sysCNTHPCTLEL2      = 3<<14 | 4<<11 | 14<<7 | 2<<3 | 1
	sysCNTHPCVALEL2     = 3<<14 | 4<<11 | 14<<7 | 2<<3 | 2
	sysSCTLREL3         = 3<<14 | 6<<11 | 1<<7 | 0<<3 | 0
	sysACTLREL3         = 3<<14 | 6<<11 | 1<<7 | 0<<3 | 1
	sysSCREL3           = 3<<14 | 6<<11 | 1<<7 | 1<<3 | 0
	sysSDER32EL3        = 3<<14 | 6<<11 | 1<<7 | 1<<3 | 1
	sysCPTREL3          = 3<<14 | 6<<11 | 1<<7 | 1<<3 | 2
	sysMDCREL3          = 3<<14 | 6<<11 | 1<<7 | 3<<3 | 1
	sysTTBR0EL3         = 3<<14 | 6<<11 | 2<<7 | 0<<3 | 0
	sysTCREL3           = 3<<14 | 6<<11 | 2<<7 | 0<<3 | 2
	sysSPSREL3          = 3<<14 | 6<<11 | 4<<7 | 0<<3 | 0
	sysELREL3           = 3<<14 | 6<<11 | 4<<7 | 0<<3 | 1
	sysSPEL2            = 3<<14 | 6<<11 | 4<<7 | 1<<3 | 0
	sysAFSR0EL3         = 3<<14 | 6<<11 | 5<<7 | 1<<3 | 0
	sysAFSR1EL3         = 3<<14 | 6<<11 | 5<<7 | 1<<3 | 1
	sysESREL3           = 3<<14 | 6<<11 | 5<<7 | 2<<3 | 0
	sysFAREL3           = 3<<14 | 6<<11 | 6<<7 | 0<<3 | 0
	sysMAIREL3          = 3<<14 | 6<<11 | 10<<7 | 2<<3 | 0
	sysAMAIREL3         = 3<<14 | 6<<11 | 10<<7 | 3<<3 | 0
	sysVBAREL3          = 3<<14 | 6<<11 | 12<<7 | 0<<3 | 0
	sysRVBAREL3         = 3<<14 | 6<<11 | 12<<7 | 0<<3 | 1
	sysRMREL3           = 3<<14 | 6<<11 | 12<<7 | 0<<3 | 2
	sysTPIDREL3         = 3<<14 | 6<<11 | 13<<7 | 0<<3 | 2
	sysCNTPSTVALEL1     = 3<<14 | 7<<11 | 14<<7 | 2<<3 | 0
	sysCNTPSCTLEL1      = 3<<14 | 7<<11 | 14<<7 | 2<<3 | 1
	sysCNTPSCVALEL1     = 3<<14 | 7<<11 | 14<<7 | 2<<3 | 2
	sysOSDTRRXEL1       = 2<<14 | 0<<11 | 0<<7 | 0<<3 | 2
	sysMDCCINTEL1       = 2<<14 | 0<<11 | 0<<7 | 2<<3 | 0
	sysMDSCREL1         = 2<<14 | 0<<11 | 0<<7 | 2<<3 | 2
	sysOSDTRTXEL1       = 2<<14 | 0<<11 | 0<<7 | 3<<3 | 2
	sysOSECCREL1        = 2<<14 | 0<<11 | 0<<7 | 6<<3 | 2
	sysMDCCSREL0        = 2<<14 | 3<<11 | 0<<7 | 1<<3 | 0
	sysDBGDTREL0        = 2<<14 | 3<<11 | 0<<7 | 4<<3 | 0
	sysDBGDTRRXEL0      = 2<<14 | 3<<11 | 0<<7 | 5<<3 | 0
	sysDBGVCR32EL2      = 2<<14 | 4<<11 | 0<<7 | 7<<3 | 0
	sysMDRAREL1         = 2<<14 | 0<<11 | 1<<7 | 0<<3 | 0
	sysOSLAREL1         = 2<<14 | 0<<11 | 1<<7 | 0<<3 | 4
	sysOSLSREL1         = 2<<14 | 0<<11 | 1<<7 | 1<<3 | 4
	sysOSDLREL1         = 2<<14 | 0<<11 | 1<<7 | 3<<3 | 4
	sysDBGPRCREL1       = 2<<14 | 0<<11 | 1<<7 | 4<<3 | 4
	sysDBGCLAIMSETEL1   = 2<<14 | 0<<11 | 7<<7 | 8<<3 | 6
	sysDBGCLAIMCLREL1   = 2<<14 | 0<<11 | 7<<7 | 9<<3 | 6
	sysDBGAUTHSTATUSEL1 = 2<<14 | 0<<11 | 7<<7 | 14<<3 | 6
	sysICIALLUIS        = 1<<14 | 0<<11 | 7<<7 | 1<<3 | 0
	sysICIALLU          = 1<<14 | 0<<11 | 7<<7 | 5<<3 | 0
	sysICIVAU           = 1<<14 | 3<<11 | 7<<7 | 5<<3 | 1
	sysDCIVAC           = 1<<14 | 0<<11 | 7<<7 | 6<<3 | 1
	sysDCISW            = 1<<14 | 0<<11 | 7<<7 | 6<<3 | 2
	sysDCCSW            = 1<<14 | 0<<11 | 7<<7 | 10<<3 | 2
	sysDCCISW           = 1<<14 | 0<<11 | 7<<7 | 14<<3 | 2
	sysDCCVAC           = 1<<14 | 3<<11 | 7<<7 | 10<<3 | 1
	sysDCCVAU           = 1<<14 | 3<<11 | 7<<7 | 11<<3 | 1
	sysDCCVAP           = 1<<14 | 3<<11 | 7<<7 | 12<<3 | 1
	sysDCCVADP          = 1<<14 | 3<<11 | 7<<7 | 13<<3 | 1
	sysDCCIVAC          = 1<<14 | 3<<11 | 7<<7 | 14<<3 | 1
	sysDCZVA            = 1<<14 | 3<<11 | 7<<7 | 4<<3 | 1
	sysATS1E1R          = 1<<14 | 0<<11 | 7<<7 | 8<<3 | 0
	sysATS1E1W          = 1<<14 | 0<<11 | 7<<7 | 8<<3 | 1
	sysATS1E0R          = 1<<14 | 0<<11 | 7<<7 | 8<<3 | 2
	sysATS1E0W          = 1<<14 | 0<<11 | 7<<7 | 8<<3 | 3
	sysATS1E1RP         = 1<<14 | 0<<11 | 7<<7 | 9<<3 | 0
	sysATS1E1WP         = 1<<14 | 0<<11 | 7<<7 | 9<<3 | 1
	sysATS1E2R          = 1<<14 | 4<<11 | 7<<7 | 8<<3 | 0
	sysATS1E2W          = 1<<14 | 4<<11 | 7<<7 | 8<<3 | 1
	sysATS12E1R         = 1<<14 | 4<<11 | 7<<7 | 8<<3 | 4
	sysATS12E1W         = 1<<14 | 4<<11 | 7<<7 | 8<<3 | 5
	sysATS12E0R         = 1<<14 | 4<<11 | 7<<7 | 8<<3 | 6
	sysATS12E0W         = 1<<14 | 4<<11 | 7<<7 | 8<<3 | 7
	sysATS1E3R          = 1<<14 | 6<<11 | 7<<7 | 8<<3 | 0
	sysATS1E3W          = 1<<14 | 6<<11 | 7<<7 | 8<<3 | 1
	sysTLBIVMALLE1IS    = 1<<14 | 0<<11 | 8<<7 | 3<<3 | 0
	sysTLBIVAE1IS       = 1<<14 | 0<<11 | 8<<7 | 3<<3 | 1
	sysTLBIASIDE1IS     = 1<<14 | 0<<11 | 8<<7 | 3<<3 | 2
	sysTLBIVAAE1IS      = 1<<14 | 0<<11 | 8<<7 | 3<<3 | 3
	sysTLBIVALE1IS      = 1<<14 | 0<<11 | 8<<7 | 3<<3 | 5
	sysTLBIVAALE1IS     = 1<<14 | 0<<11 | 8<<7 | 3<<3 | 7
	sysTLBIVMALLE1      = 1<<14 | 0<<11 | 8<<7 | 7<<3 | 0
	sysTLBIVAE1         = 1<<14 | 0<<11 | 8<<7 | 7<<3 | 1
	sysTLBIASIDE1       = 1<<14 | 0<<11 | 8<<7 | 7<<3 | 2
	sysTLBIVAAE1        = 1<<14 | 0<<11 | 8<<7 | 7<<3 | 3
	sysTLBIVALE1        = 1<<14 | 0<<11 | 8<<7 | 7<<3 | 5
	sysTLBIVAALE1       = 1<<14 | 0<<11 | 8<<7 | 7<<3 | 7
	sysTLBIIPAS2E1IS    = 1<<14 | 4<<11 | 8<<7 | 0<<3 | 1
	sysTLBIIPAS2LE1IS   = 1<<14 | 4<<11 | 8<<7 | 0<<3 | 5
	sysTLBIALLE2IS      = 1<<14 | 4<<11 | 8<<7 | 3<<3 | 0
	sysTLBIVAE2IS       = 1<<14 | 4<<11 | 8<<7 | 3<<3 | 1
	sysTLBIALLE1IS      = 1<<14 | 4<<11 | 8<<7 | 3<<3 | 4
	sysTLBIVALE2IS      = 1<<14 | 4<<11 | 8<<7 | 3<<3 | 5
	sysTLBIVMALLS12E1IS = 1<<14 | 4<<11 | 8<<7 | 3<<3 | 6
	sysTLBIIPAS2E1      = 1<<14 | 4<<11 | 8<<7 | 4<<3 | 1
	sysTLBIIPAS2LE1     = 1<<14 | 4<<11 | 8<<7 | 4<<3 | 5
	sysTLBIALLE2        = 1<<14 | 4<<11 | 8<<7 | 7<<3 | 0
	sysTLBIVAE2         = 1<<14 | 4<<11 | 8<<7 | 7<<3 | 1
	sysTLBIALLE1        = 1<<14 | 4<<11 | 8<<7 | 7<<3 | 4
	sysTLBIVALE2        = 1<<14 | 4<<11 | 8<<7 | 7<<3 | 5
	sysTLBIVMALLS12E1   = 1<<14 | 4<<11 | 8<<7 | 7<<3 | 6
	sysTLBIALLE3IS      = 1<<14 | 6<<11 | 8<<7 | 3<<3 | 0
	sysTLBIVAE3IS       = 1<<14 | 6<<11 | 8<<7 | 3<<3 | 1
	sysTLBIVALE3IS      = 1<<14 | 6<<11 | 8<<7 | 3<<3 | 5
	sysTLBIALLE3        = 1<<14 | 6<<11 | 8<<7 | 7<<3 | 0
	sysTLBIVAE3         = 1<<14 | 6<<11 | 8<<7 | 7<<3 | 1
	sysTLBIVALE3        = 1<<14 | 6<<11 | 8<<7 | 7<<3 | 5
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
