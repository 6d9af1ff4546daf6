package sqltype

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"weir/engine/value"
	"weir/sqlerr"
)

// Network is an inet or cidr: an address, which may have bits outside of the
// network, and how many bits the network has.
type Network struct {
	Addr netip.Addr
	Bits int
}

// ParseNetwork reads an inet, or a cidr. The address of a network may be cut short.
func ParseNetwork(s string, cidr bool) (Network, bool) {
	text, bits, masked := strings.Cut(strings.Trim(s, space), "/")
	given := 4
	if !strings.Contains(text, ":") {
		if given = strings.Count(text, ".") + 1; (cidr || masked) && given < 4 {
			text += strings.Repeat(".0", 4-given)
		}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return Network{}, false
	}
	n := Network{addr, addr.BitLen()}
	switch {
	case masked:
		b, err := strconv.ParseUint(bits, 10, 8)
		if n.Bits = int(b); err != nil || n.Bits > addr.BitLen() {
			return n, false
		}
	case cidr && given < 4:
		n.Bits = max(8*given, classBits(addr))
	}
	return n, true
}

// classBits is the length of the network that the first byte of an address
// belonged to, before networks were written with their lengths.
func classBits(addr netip.Addr) int {
	switch first := addr.As4()[0]; {
	case first >= 240:
		return 32
	case first >= 224:
		return 8
	case first >= 192:
		return 24
	case first >= 128:
		return 16
	}
	return 8
}

// Prefix is the network without the bits outside of it.
func (n Network) Prefix() netip.Prefix { return netip.PrefixFrom(n.Addr, n.Bits).Masked() }

// Text prints an inet, or a cidr, which always has its length.
func (n Network) Text(cidr bool) string {
	if !cidr && n.Bits == n.Addr.BitLen() {
		return n.Addr.String()
	}
	return n.Addr.String() + "/" + strconv.Itoa(n.Bits)
}

// Key orders as PostgreSQL does: by family, the bits of the network, a network
// before what lies in it, then by all bits.
func (n Network) Key() string {
	b := []byte{byte('0' + n.Addr.BitLen()/32)}
	net := n.Prefix().Addr().AsSlice()
	for i := range n.Bits {
		b = append(b, '0'+net[i/8]>>(7-i%8)&1)
	}
	return string(b) + "!" + hex.EncodeToString(n.Addr.AsSlice())
}

func parseInet(s string, t OID) (value.Value, error) {
	n, ok := ParseNetwork(s, t == Cidr)
	if !ok {
		return value.Value{}, invalidSyntax(t.String(), s)
	}
	if t == Cidr && n.Prefix().Addr() != n.Addr {
		return value.Value{}, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid cidr value: %q", s).
			WithDetail("Value has bits set to right of mask.")
	}
	return value.String(n.Text(t == Cidr)), nil
}
