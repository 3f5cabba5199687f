package guesttest

import (
	"encoding/binary"
	"strings"
	"testing"
)

// Geometry of the disk: a partition table (MBR), and one partition with a FAT16 file system (Microsoft, FAT specification 1.03).
const (
	sector     = 512
	partStart  = 2048 // sectors
	fatSectors = 128
	rootFiles  = 512
	perCluster = 8 // sectors
)

type diskFile struct {
	name string // 8.3, upper case
	data []byte
}

// fatDisk makes a disk of the given number of MiB with files that lie one behind the other.
func fatDisk(t *testing.T, mib int, files ...diskFile) []byte {
	t.Helper()
	disk := make([]byte, mib<<20)
	put16, put32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	partSectors := uint32(len(disk)/sector - partStart)
	entry := disk[0x1be:]
	entry[4] = 0x0e // FAT16 with LBA
	put32(entry[8:], partStart)
	put32(entry[12:], partSectors)
	put32(disk[0x1b8:], 0x6761_7465)
	disk[510], disk[511] = 0x55, 0xaa

	part := disk[partStart*sector:]
	copy(part, "\xeb\x3c\x90GATEHSE ")
	put16(part[11:], sector)
	part[13] = perCluster
	put16(part[14:], 1) // reserved sectors
	part[16] = 2        // copies of the FAT
	put16(part[17:], rootFiles)
	part[21] = 0xf8
	put16(part[22:], fatSectors)
	put16(part[24:], 63)
	put16(part[26:], 255)
	put32(part[28:], partStart)
	put32(part[32:], partSectors)
	part[36], part[38] = 0x80, 0x29
	put32(part[39:], 0x1234_5678)
	copy(part[43:], "GATEHOUSE  FAT16   ")
	part[510], part[511] = 0x55, 0xaa

	fat := part[sector:]
	root := part[(1+2*fatSectors)*sector:]
	data := root[rootFiles*32:]
	put16(fat, 0xfff8)
	put16(fat[2:], 0xffff)
	copy(root, "GATEHOUSE  \x08")
	cluster := uint16(2)
	for i, f := range files {
		base, ext, _ := strings.Cut(f.name, ".")
		e := root[32*(i+1):]
		copy(e, "           \x20")
		copy(e[:8], base)
		copy(e[8:11], ext)
		put16(e[26:], cluster)
		put32(e[28:], uint32(len(f.data)))
		copy(data[int(cluster-2)*perCluster*sector:], f.data)
		n := (len(f.data) + perCluster*sector - 1) / (perCluster * sector)
		if int(cluster)+n > fatSectors*sector/2 || len(f.data) > len(data) {
			t.Fatalf("%s does not fit", f.name)
		}
		for range n {
			put16(fat[2*cluster:], cluster+1)
			cluster++
		}
		put16(fat[2*(cluster-1):], 0xffff)
	}
	copy(fat[fatSectors*sector:], fat[:fatSectors*sector])
	return disk
}
