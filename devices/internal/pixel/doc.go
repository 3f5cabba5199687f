// Package pixel is the picture formats of the media engines, and the integer arithmetic of their colour conversion.
//
// What enters is the planes of a picture, one dense row after the other; what leaves is one [Pixel] each, and the way back.
// Colour conversion follows Recommendations ITU-R BT.601-7 (2.5.1 to 2.5.4) and BT.709-6 (3.2 to 3.5), and JFIF 1.02 for the
// full range of BT.601. Every result is defined to the bit, so that an engine gives the same bytes on every host.
//
// Read format.go, then colour.go.
package pixel
