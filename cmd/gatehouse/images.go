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
	summary:  "lists the bundled images, or writes one of them to a file",
	details:  "boot takes a bundled image by its name: gatehouse boot -kernel image:hello.",
	run:      listImages,
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
