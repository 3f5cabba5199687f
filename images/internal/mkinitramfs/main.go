// Mkinitramfs builds a guest program and writes an initial RAM file system with it as /init.
//
//	go run ./images/internal/mkinitramfs -o initramfs.cpio [PACKAGE]
package main

import (
	"flag"
	"log"
	"os"

	"gatehouse/images/initramfs"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mkinitramfs: ")
	out := flag.String("o", "initramfs.cpio", "`FILE` to write")
	flag.Parse()
	pkg := "gatehouse/images/guest/init"
	switch flag.NArg() {
	case 0:
	case 1:
		pkg = flag.Arg(0)
	default:
		log.Fatal("want one package")
	}
	data, err := initramfs.Build(pkg)
	if err == nil {
		err = os.WriteFile(*out, data, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
