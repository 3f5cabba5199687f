package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"gatehouse/images"
)

var imagesCommand = command{
	name:     "images",
	synopsis: "[NAME -o FILE]",
	summary:  "lists the bundled images and how to get others, or writes a bundled one to a file",
	details:  "boot takes a bundled image by its name: gatehouse boot -kernel image:hello.\ndocs/images.md has the commands that fetch, build and boot the others.",
	run:      listImages,
}

// guest is unmodified software that is not bundled, and how to get it. The scripts are under images/scripts and take a directory.
type guest struct{ name, summary, source string }

var guests = []guest{
	{"linux", "a small Linux with the drivers for FF-A, OP-TEE and protected memory built in", "build-kernel.sh -r sid DIRECTORY"},
	{"debian", "Debian's stock arm64 kernel and its modules", "debian-kernel.sh DIRECTORY"},
	{"u-root", "an initial RAM disk with a shell", "uroot.sh DIRECTORY"},
	{"u-boot", "U-Boot for -bios", "apt-get install u-boot-qemu: /usr/lib/u-boot/qemu_arm64/u-boot.bin"},
}

func listImages(c *call) (int, error) {
	out := c.flags.String("o", "", "`FILE` for the image, which is ELF")
	// The name may stand before or behind the flag.
	if err := c.parse(len(c.args)); err != nil {
		return 0, err
	}
	name := c.flags.Arg(0)
	if c.flags.NArg() > 1 {
		c.args = c.flags.Args()[1:]
		if err := c.parse(0); err != nil {
			return 0, err
		}
	}
	switch {
	case name == "" && *out != "":
		return 0, fmt.Errorf("-o %s: wants the name of an image before it: %s", *out, strings.Join(imageNames(), ", "))
	case name != "" && *out == "":
		return 0, errors.New("-o: is missing: which file is the image to go to?")
	case name == "":
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, img := range images.All() {
			fmt.Fprintf(w, "%s\t%s\n", img.Name, img.Summary)
		}
		// A second table, with columns of its own.
		if err := w.Flush(); err != nil {
			return 0, err
		}
		fmt.Fprint(c.stdout, "\nNot bundled (docs/images.md; scripts are in images/scripts):\n")
		for _, g := range guests {
			fmt.Fprintf(w, "%s\t%s\t%s\n", g.name, g.summary, g.source)
		}
		return statusOK, w.Flush()
	}
	img, err := images.Get(name)
	if err != nil {
		return 0, fmt.Errorf("%q: no such image: want %s", name, strings.Join(imageNames(), ", "))
	}
	return statusOK, writeFile("o", *out, img.ELF)
}

func imageNames() (names []string) {
	for _, img := range images.All() {
		names = append(names, img.Name)
	}
	return names
}
