package sqlfunc

import (
	"cmp"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func network(v value.Value) (sqltype.Network, error) {
	n, ok := sqltype.ParseNetwork(text(v), false)
	if !ok {
		return n, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type inet: %q", text(v))
	}
	return n, nil
}

func ofNetwork(f func(n sqltype.Network) (value.Value, error)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		n, err := network(a[0])
		if err != nil {
			return fail(err)
		}
		return f(n)
	}
}

func ofNetworks(f func(a, b sqltype.Network) (value.Value, error)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, err := network(a[0])
		if err != nil {
			return fail(err)
		}
		y, err := network(a[1])
		if err != nil {
			return fail(err)
		}
		return f(x, y)
	}
}

var inetFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		"host":             ofNetwork(func(n sqltype.Network) (value.Value, error) { return str(n.Addr.String()) }),
		"text_inet":        ofNetwork(func(n sqltype.Network) (value.Value, error) { return str(n.Text(true)) }),
		"abbrev_inet":      ofNetwork(func(n sqltype.Network) (value.Value, error) { return str(n.Text(false)) }),
		"abbrev_cidr":      ofNetwork(abbreviated),
		"masklen":          ofNetwork(func(n sqltype.Network) (value.Value, error) { return int4(n.Bits) }),
		"family":           ofNetwork(func(n sqltype.Network) (value.Value, error) { return int4(family(n)) }),
		"network":          ofNetwork(func(n sqltype.Network) (value.Value, error) { return str(n.Prefix().String()) }),
		"netmask":          ofNetwork(func(n sqltype.Network) (value.Value, error) { return str(mask(n, false).String()) }),
		"hostmask":         ofNetwork(func(n sqltype.Network) (value.Value, error) { return str(mask(n, true).String()) }),
		"broadcast":        ofNetwork(broadcast),
		"set_masklen_inet": setMaskLength(false),
		"set_masklen_cidr": setMaskLength(true),
		"inet_same_family": ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(family(a) == family(b)) }),
		"inet_merge":       ofNetworks(mergedNetwork),
		"network_sub":      ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(a.Bits > b.Bits && covers(b, a)) }),
		"network_subeq":    ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(covers(b, a)) }),
		"network_sup":      ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(b.Bits > a.Bits && covers(a, b)) }),
		"network_supeq":    ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(covers(a, b)) }),
		"network_overlap":  ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(covers(a, b) || covers(b, a)) }),
	}
	for op, test := range tests {
		m[op+"_inet"] = ofNetworks(func(a, b sqltype.Network) (value.Value, error) { return boolean(test(compareNetworks(a, b))) })
	}
	return m
}()

func family(n sqltype.Network) int {
	if n.Addr.Is4() {
		return 4
	}
	return 6
}

// covers tells whether the network of a holds that of b.
func covers(a, b sqltype.Network) bool {
	return a.Addr.BitLen() == b.Addr.BitLen() && a.Bits <= b.Bits && a.Prefix().Contains(b.Addr)
}

// compareNetworks orders by family, the bits that both networks have, their
// lengths, then all bits.
func compareNetworks(a, b sqltype.Network) int {
	if c := cmp.Compare(family(a), family(b)); c != 0 {
		return c
	}
	common := min(a.Bits, b.Bits)
	x, y := sqltype.Network{Addr: a.Addr, Bits: common}, sqltype.Network{Addr: b.Addr, Bits: common}
	return cmp.Or(x.Prefix().Addr().Compare(y.Prefix().Addr()), cmp.Compare(a.Bits, b.Bits), a.Addr.Compare(b.Addr))
}

func compareInets(a, b value.Value) int {
	x, err1 := network(a)
	y, err2 := network(b)
	if err1 != nil || err2 != nil {
		return compareValues(a, b)
	}
	return compareNetworks(x, y)
}

// castInetText prints the length of the network always.
func castInetText(_ *expr.Context, v value.Value, _ sqltype.Type, _ bool) (value.Value, error) {
	n, err := network(v)
	if err != nil {
		return fail(err)
	}
	return str(n.Text(true))
}

func castInetCidr(_ *expr.Context, v value.Value, _ sqltype.Type, _ bool) (value.Value, error) {
	n, err := network(v)
	if err != nil {
		return fail(err)
	}
	return str(n.Prefix().String())
}

// mask has ones in the network, or in what is left of it.
func mask(n sqltype.Network, host bool) netip.Addr {
	b := make([]byte, n.Addr.BitLen()/8)
	for i := range n.Addr.BitLen() {
		if (i >= n.Bits) == host {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

func broadcast(n sqltype.Network) (value.Value, error) {
	last, ones := n.Addr.AsSlice(), mask(n, true).AsSlice()
	for i := range last {
		last[i] |= ones[i]
	}
	addr, _ := netip.AddrFromSlice(last)
	return str(sqltype.Network{Addr: addr, Bits: n.Bits}.Text(false))
}

func setMaskLength(cidr bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		n, err := network(a[0])
		if err != nil {
			return fail(err)
		}
		want := int(a[1].AsInt64())
		if want == -1 {
			want = n.Addr.BitLen()
		}
		if want < 0 || want > n.Addr.BitLen() {
			return failf(sqlerr.InvalidParameterValue, "invalid mask length: %d", want)
		}
		if n.Bits = want; cidr {
			return str(n.Prefix().String())
		}
		return str(n.Text(false))
	}
}

func mergedNetwork(a, b sqltype.Network) (value.Value, error) {
	if family(a) != family(b) {
		return failf(sqlerr.InvalidParameterValue, "cannot merge addresses from different families")
	}
	x, y, common := a.Addr.AsSlice(), b.Addr.AsSlice(), 0
	for i := range x {
		zeros := bits.LeadingZeros8(x[i] ^ y[i])
		if common += zeros; zeros < 8 {
			break
		}
	}
	return str(sqltype.Network{Addr: a.Addr, Bits: min(common, a.Bits, b.Bits)}.Prefix().String())
}

// abbreviated leaves out bytes of an IPv4 network that are behind its end.
func abbreviated(n sqltype.Network) (value.Value, error) {
	if !n.Addr.Is4() {
		return str(n.Text(true))
	}
	parts := strings.Split(n.Addr.String(), ".")
	return str(strings.Join(parts[:max(1, (n.Bits+7)/8)], ".") + "/" + strconv.Itoa(n.Bits))
}
