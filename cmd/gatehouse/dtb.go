package main

import (
	"errors"
	"fmt"
	"os"

	"gatehouse/cmd/gatehouse/internal/dts"
	"gatehouse/platform"
)

// maxTree is what the arm64 boot protocol allows a device tree, in bytes (Linux, Documentation/arch/arm64/booting.rst).
const maxTree = 2 << 20

var dtbCommand = command{
	name:     "dtb",
	synopsis: "[-o F.dtb]  [flags]",
	summary:  "prints the board's device tree as source, or writes it as a blob",
	details:  machineDetails,
	run:      dtb,
}

func dtb(c *call) (int, error) {
	var o machineOptions
	o.register(c.flags)
	out := c.flags.String("o", "", "`FILE` for the blob; without it the source goes to standard output")
	if err := c.parse(0); err != nil {
		return 0, err
	}
	if o.keys["dumpdtb"] != "" {
		return 0, errors.New("-M dumpdtb: is for boot; here it is -o")
	}
	cfg, err := o.config()
	if err != nil {
		return 0, err
	}
	cfg.BIOS = []byte{} // a board whose firmware is to come
	if *out != "" {
		return statusOK, writeTree(cfg, "o", *out)
	}
	blob, err := boardTree(cfg)
	if err != nil {
		return 0, err
	}
	tree, err := dts.Parse(blob)
	if err != nil {
		return 0, err
	}
	return statusOK, dts.Print(c.stdout, tree)
}

// boardTree gives the device tree that a machine hands to its guest.
func boardTree(cfg platform.Config) ([]byte, error) {
	m, err := platform.New(cfg)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.DTB(), nil
}

func writeTree(cfg platform.Config, flag, path string) error {
	blob, err := boardTree(cfg)
	if err != nil {
		return err
	}
	return writeFile(flag, path, blob)
}

func writeFile(flag, path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o666); err != nil {
		return fileError(flag, path, err)
	}
	return nil
}

// readTree reads the blob that -dtb names.
func readTree(path string) ([]byte, error) {
	blob, err := readFile("dtb", path, maxTree)
	if err != nil {
		return nil, err
	}
	if _, err := dts.Parse(blob); err != nil {
		return nil, fmt.Errorf("-dtb %s: %w", path, err)
	}
	return blob, nil
}
