package sqltype

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"

	"github.com/cockroachdb/apd/v3"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// AppendFloat prints a double as PostgreSQL does: the shortest form that reads
// back, with an exponent from 1e15 and below 1e-4.
func AppendFloat(dst []byte, f float64, size int, e *Env) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if e != nil && e.FewDigits > 0 {
		return appendRounded(dst, f, size, e.FewDigits)
	}
	high := 1e15
	if size == 32 {
		high = 1e6
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= high) {
		return strconv.AppendFloat(dst, f, 'e', -1, size)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, size)
}

// appendRounded is C's %.*g, which extra_float_digits below 1 asks for.
func appendRounded(dst []byte, f float64, size, digits int) []byte {
	if size == 32 {
		digits -= 9
	}
	digits = max(digits, 1)
	short, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'e', digits-1, size), 64)
	if a := math.Abs(short); a != 0 && (a < 1e-4 || a >= math.Pow10(digits)) {
		return strconv.AppendFloat(dst, short, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, short, 'f', -1, 64)
}

// Digits is a decimal number taken apart: its digits without leading zeros
// (none for zero), and the exponent of the last one.
type Digits struct {
	buf  [40]byte
	long []byte // the digits, if they are too many for buf
	n    int
	Exp  int
	Neg  bool
	Form byte // 0 finite, 'N' NaN, 'I' infinite
}

// set takes any number apart; doubles as their shortest form.
func (d *Digits) set(v value.Value) {
	switch v.Kind() {
	case bson.TypeDecimal128:
		if v.IsWide() {
			d.setWide(v.APD())
			return
		}
		d.setDecimal(v.AsDecimal128())
	case bson.TypeDouble:
		d.setDouble(v.AsDouble())
	default:
		i := v.AsInt64()
		d.Neg = i < 0
		d.setUint(0, abs64(i))
	}
}

func (d *Digits) setDecimal(x bson.Decimal128) {
	hi, lo := x.GetBytes()
	d.Neg = hi>>63 != 0
	switch {
	case hi>>58&0x1f == 0x1f:
		d.Form = 'N'
		return
	case hi>>58&0x1f == 0x1e:
		d.Form = 'I'
		return
	case hi>>61&3 == 3: // a coefficient that is too large reads as zero
		d.Exp = int(hi>>47&0x3fff) - 6176
		return
	}
	d.Exp = int(hi>>49&0x3fff) - 6176
	d.setUint(hi&0x1ffffffffffff, lo)
}

func (d *Digits) setWide(x *apd.Decimal) {
	d.Neg, d.Exp = x.Negative, int(x.Exponent)
	if x.Coeff.Sign() == 0 {
		return
	}
	d.long = x.Coeff.Append(nil, 10)
	for i := range d.long {
		d.long[i] -= '0'
	}
	d.n = len(d.long)
}

// all are the digits, as numbers.
func (d *Digits) all() []byte {
	if d.long != nil {
		return d.long
	}
	return d.buf[:d.n]
}

func (d *Digits) setUint(hi, lo uint64) {
	i := len(d.buf)
	for hi != 0 {
		var r uint64
		q := hi / 1e19
		lo, r = bits.Div64(hi%1e19, lo, 1e19)
		hi = q
		for range 19 {
			i--
			d.buf[i] = byte(r % 10)
			r /= 10
		}
	}
	for ; lo != 0; lo /= 10 {
		i--
		d.buf[i] = byte(lo % 10)
	}
	for i < len(d.buf) && d.buf[i] == 0 {
		i++
	}
	d.n = copy(d.buf[:], d.buf[i:])
}

func (d *Digits) setDouble(f float64) {
	switch {
	case math.IsNaN(f):
		d.Form = 'N'
		return
	case math.IsInf(f, 0):
		d.Form, d.Neg = 'I', f < 0
		return
	}
	var tmp [32]byte
	s := strconv.AppendFloat(tmp[:0], f, 'e', -1, 64)
	if s[0] == '-' {
		d.Neg, s = f != 0, s[1:]
	}
	frac := 0
	for i, c := range s {
		if c == 'e' {
			d.Exp, _ = strconv.Atoi(string(s[i+1:]))
			break
		}
		if c == '.' {
			continue
		}
		if i > 0 {
			frac++
		}
		if c != '0' || d.n > 0 {
			d.buf[d.n] = c - '0'
			d.n++
		}
	}
	d.Exp -= frac
	for d.Exp > 0 && d.n > 0 && d.n < len(d.buf) && d.n < 17 {
		d.buf[d.n] = 0
		d.n, d.Exp = d.n+1, d.Exp-1
	}
}

// appendNumeric prints in plain notation with its scale.
func (d *Digits) appendNumeric(dst []byte) []byte {
	switch d.Form {
	case 'N':
		return append(dst, "NaN"...)
	case 'I':
		if d.Neg {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	}
	if d.Neg && d.n > 0 {
		dst = append(dst, '-')
	}
	scale := max(-d.Exp, 0)
	whole := d.n - scale // digits before the point; may be negative
	if whole <= 0 && d.Exp <= 0 || d.n == 0 {
		dst = append(dst, '0')
	}
	for i, c := range d.all() {
		if i == max(whole, 0) && d.Exp < 0 {
			dst = append(dst, '.')
			dst = appendZeros(dst, -whole)
		}
		dst = append(dst, '0'+c)
	}
	if d.n == 0 {
		if scale > 0 {
			dst = appendZeros(append(dst, '.'), scale)
		}
		return dst
	}
	return appendZeros(dst, d.Exp)
}

func appendZeros(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}

// AppendNumeric prints any number as numeric does.
func AppendNumeric(dst []byte, v value.Value) []byte {
	var d Digits
	d.set(v)
	return d.appendNumeric(dst)
}

// appendNumericBinary is numeric_send: groups of four digits.
func appendNumericBinary(dst []byte, v value.Value) []byte {
	var d Digits
	d.set(v)
	switch {
	case d.Form == 'N':
		return append(dst, 0, 0, 0, 0, 0xC0, 0, 0, 0)
	case d.Form == 'I' && d.Neg:
		return append(dst, 0, 0, 0, 0, 0xF0, 0, 0, 0)
	case d.Form == 'I':
		return append(dst, 0, 0, 0, 0, 0xD0, 0, 0, 0)
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	groups, weight := 0, 0
	if d.n > 0 {
		dst, groups, weight = d.appendGroups(dst)
	}
	binary.BigEndian.PutUint16(dst[start:], uint16(groups))
	binary.BigEndian.PutUint16(dst[start+2:], uint16(int16(weight)))
	if d.Neg && d.n > 0 {
		binary.BigEndian.PutUint16(dst[start+4:], 0x4000)
	}
	binary.BigEndian.PutUint16(dst[start+6:], uint16(max(-d.Exp, 0)))
	return dst
}

// appendGroups appends the base-10000 digits without zero groups at the end.
func (d *Digits) appendGroups(dst []byte) ([]byte, int, int) {
	top := d.n + d.Exp - 1 // decimal position of the first digit
	weight := int(FloorDiv(int64(top), 4))
	pos := weight*4 + 3 // decimal position of the next digit to write
	start, last := len(dst), len(dst)
	low, digits := d.Exp, d.all()
	for pos >= low {
		g := uint16(0)
		for range 4 {
			g *= 10
			if i := top - pos; i >= 0 && i < d.n {
				g += uint16(digits[i])
			}
			pos--
		}
		dst = binary.BigEndian.AppendUint16(dst, g)
		if g != 0 {
			last = len(dst)
		}
	}
	dst = dst[:last]
	return dst, (last - start) / 2, weight
}

// integerOf gives the integer in a column of an integer type, whatever number
// the document holds there.
func integerOf(v value.Value, oid OID) (int64, error) {
	var i int64
	switch v.Kind() {
	case bson.TypeInt32:
		i = int64(v.AsInt32())
	case bson.TypeInt64:
		i = v.AsInt64()
	case bson.TypeBoolean:
		if v.AsBool() {
			i = 1
		}
	case bson.TypeDouble, bson.TypeDecimal128:
		n, ok := v.Integral()
		if !ok {
			return 0, misfit(v, oid)
		}
		i = n
	default:
		return 0, misfit(v, oid)
	}
	if !fitsInteger(i, oid) {
		return 0, misfit(v, oid)
	}
	return i, nil
}

func fitsInteger(i int64, oid OID) bool {
	switch oid {
	case Int2:
		return int64(int16(i)) == i
	case Int4:
		return int64(int32(i)) == i
	case Oid, Xid, Cid, Regproc, Regprocedure, Regoper, Regoperator, Regclass, Regtype, Regconfig, Regdictionary, Regnamespace, Regrole:
		return int64(uint32(i)) == i
	}
	return true
}

// misfit is the error for a document's value that its column's type cannot hold.
func misfit(v value.Value, oid OID) error {
	return sqlerr.New(sqlerr.DatatypeMismatch, "a document holds the %s %s where the column is of type %s",
		value.TypeName(v.Kind()), clip(string(AppendPlain(nil, v))), oid).
		WithHint("Run ANALYZE on the table, or pin the column: ALTER TABLE ... ALTER COLUMN ... TYPE ....")
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
