package sqlfunc

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// numberFormat is a template of to_char for numbers, taken apart.
type numberFormat struct {
	nodes           []string // 9 0 . , and signs, or a literal behind a NUL
	pre, post       int
	zeroAt          int // first 0 among the places before the point, -1: none
	lastZero        int // last 0 after the point
	fill            bool
	sign            byte // S before (<) or after (>) the digits, or 0
	minus, plus, sg bool
	brackets        bool
	scientific      bool
	roman           bool
	shift           int // V: digits after it multiply
	hasPoint        bool
	hasV            bool
}

var numberKeys = []string{"EEEE", "MI", "PL", "PR", "RN", "SG", "SP", "TH", "FM", "9", "0", ".", ",", "D", "G", "L", "S", "V", "B", "C"}

func parseNumberFormat(s string) (*numberFormat, error) {
	if len(s) > maxTemplate {
		return nil, tooLong()
	}
	f := &numberFormat{zeroAt: -1, lastZero: -1}
	for s != "" {
		if s[0] == '"' {
			lit, rest := quotedLiteral(s[1:])
			f.nodes, s = append(f.nodes, "\x00"+lit), rest
			continue
		}
		key := ""
		for _, k := range numberKeys {
			if prefixFold(s, k) {
				key = k
				break
			}
		}
		if key == "" {
			n := byteOffset(s, 1)
			f.nodes, s = append(f.nodes, "\x00"+s[:n]), s[n:]
			continue
		}
		written := s[:len(key)]
		s = s[len(key):]
		if err := f.add(key, written); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *numberFormat) add(key, written string) error {
	switch key {
	case "9", "0":
		switch {
		case f.brackets:
			return sqlerr.New(sqlerr.SyntaxError, "\"%s\" must be ahead of \"PR\"", key)
		case f.hasV:
			f.shift++
			f.pre++
		case f.hasPoint:
			if key == "0" {
				f.lastZero = f.post
			}
			f.post++
		default:
			if key == "0" && f.zeroAt < 0 {
				f.zeroAt = f.pre
			}
			f.pre++
		}
	case ".", "D":
		if f.hasPoint {
			return sqlerr.New(sqlerr.SyntaxError, "multiple decimal points")
		}
		f.hasPoint, key = true, "."
	case "G":
		key = ","
	case "FM":
		f.fill = true
		return nil
	case "S":
		if f.sign != 0 {
			return sqlerr.New(sqlerr.SyntaxError, "cannot use \"S\" twice")
		}
		f.sign = '<'
		if f.pre+f.post > 0 {
			f.sign = '>'
		}
	case "MI":
		f.minus = true
	case "PL":
		f.plus = true
	case "SG":
		f.sg = true
	case "PR":
		f.brackets = true
		return nil
	case "EEEE":
		f.scientific = true
	case "RN":
		f.roman = true
		key = written
	case "V":
		f.hasV = true
		return nil
	case "TH":
		key = written
	case "L":
		key = "\x00 "
	case "B", "C", "SP":
		return nil
	}
	f.nodes = append(f.nodes, key)
	return nil
}

func toCharNumber(_ *expr.Context, a []value.Value) (value.Value, error) {
	f, err := parseNumberFormat(text(a[1]))
	if err != nil {
		return fail(err)
	}
	d := dec(a[0])
	switch {
	case f.roman:
		return str(f.romanNumber(d))
	case f.scientific:
		return str(f.exponent(d))
	case d.Form != apd.Finite:
		return str(f.special(d))
	}
	return str(f.print(d))
}

// special is NaN or an infinity, if its name has room among the digits.
func (f *numberFormat) special(d *apd.Decimal) string {
	name, sign := "NaN", " "
	if d.Form == apd.Infinite {
		name = "Infinity"
	}
	if d.Form == apd.Infinite && d.Negative {
		sign = "-"
	}
	if len(name) > f.pre {
		name = strings.Repeat("#", max(f.pre, 1))
		if f.post > 0 {
			name += "." + strings.Repeat("#", f.post)
		}
		return sign + name
	}
	if f.fill {
		return strings.TrimSpace(sign) + name
	}
	return strings.Repeat(" ", f.pre-len(name)) + sign + name
}

func (f *numberFormat) romanNumber(d *apd.Decimal) string {
	r := new(apd.Decimal).Set(d)
	if d.Form == apd.Finite {
		sqltype.Rescale(r, 0)
	}
	n, err := r.Int64()
	if err != nil || n < 1 || n > 3999 {
		return strings.Repeat("#", 15)
	}
	var b strings.Builder
	for _, p := range []struct {
		v int64
		s string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for n >= p.v {
			b.WriteString(p.s)
			n -= p.v
		}
	}
	s := b.String()
	for _, n := range f.nodes {
		if n == "rn" {
			s = strings.ToLower(s)
		}
	}
	if f.fill {
		return s
	}
	return fmt.Sprintf("%15s", s)
}

func (f *numberFormat) exponent(d *apd.Decimal) string {
	if d.Form != apd.Finite {
		return " #." + strings.Repeat("#", f.post) + "####"
	}
	exp := int(d.NumDigits()) - 1 + int(d.Exponent)
	if d.IsZero() {
		exp = 0
	}
	m := new(apd.Decimal).Set(d)
	m.Exponent -= int32(exp)
	sqltype.Rescale(m, f.post)
	if m.NumDigits() > int64(f.post)+1 && !m.IsZero() {
		m.Exponent--
		exp++
		sqltype.Rescale(m, f.post)
	}
	s := m.Text('f')
	if m.Negative {
		return s + fmt.Sprintf("e%+03d", exp)
	}
	if f.fill {
		return s + fmt.Sprintf("e%+03d", exp)
	}
	return " " + s + fmt.Sprintf("e%+03d", exp)
}

// print lays the digits out along the template.
func (f *numberFormat) print(d *apd.Decimal) string {
	d = new(apd.Decimal).Set(d)
	if f.hasV {
		d.Exponent += int32(f.shift)
	}
	sqltype.Rescale(d, f.post)
	negative := d.Negative
	d.Negative = false
	whole, frac, _ := strings.Cut(d.Text('f'), ".")
	switch {
	case len(whole) > f.pre:
		whole, frac = strings.Repeat("#", f.pre), strings.Repeat("#", f.post)
	case whole == "0" && f.post > 0 && !(f.fill && d.IsZero() && f.lastZero < 0):
		whole = "" // the zero before a fraction is only written for a 0
	}
	w := numberWriter{f: f, whole: whole, frac: frac, negative: negative}
	return w.run()
}

type numberWriter struct {
	f           *numberFormat
	b           strings.Builder
	whole, frac string
	negative    bool
	place       int // of the digits before the point
	fracAt      int
	started     bool // the first digit or the point was written
	inFraction  bool
}

// wantsSign tells whether the sign is written before the first digit.
func (w *numberWriter) wantsSign() bool {
	f := w.f
	return !f.minus && !f.sg && f.sign != '>'
}

// begin writes the sign in front of the first digit.
func (w *numberWriter) begin() {
	if w.started {
		return
	}
	w.started = true
	f := w.f
	if !w.wantsSign() {
		return
	}
	switch {
	case f.brackets && w.negative:
		w.b.WriteByte('<')
	case f.sign == '<' && !w.negative:
		w.b.WriteByte('+')
	case w.negative:
		w.b.WriteByte('-')
	case !f.fill:
		w.b.WriteByte(' ')
	}
}

func (w *numberWriter) run() string {
	f := w.f
	for _, n := range f.nodes {
		switch {
		case n[0] == 0:
			w.b.WriteString(n[1:])
		case n == "9" || n == "0":
			w.digit(n)
		case n == ".":
			w.point()
		case n == ",":
			w.group()
		default:
			w.signKey(n)
		}
	}
	if f.brackets {
		if w.negative {
			w.b.WriteByte('>')
		} else if !f.fill {
			w.b.WriteByte(' ')
		}
	}
	return w.b.String()
}

func (w *numberWriter) digit(n string) {
	f := w.f
	if w.inFraction {
		w.fraction(n)
		return
	}
	i := w.place - (f.pre - len(w.whole))
	w.place++
	switch {
	case i >= 0:
		w.begin()
		w.b.WriteByte(w.whole[i])
	case f.zeroAt >= 0 && w.place > f.zeroAt:
		w.begin()
		w.b.WriteByte('0')
	case !f.fill:
		w.b.WriteByte(' ')
	}
}

// fraction writes a digit after the point; FM drops zeros at the end that the
// template writes as 9.
func (w *numberWriter) fraction(n string) {
	i := w.fracAt
	w.fracAt++
	if w.f.fill && n == "9" && i > w.f.lastZero && strings.Trim(w.frac[i:], "0") == "" {
		return
	}
	w.b.WriteByte(w.frac[i])
}

func (w *numberWriter) point() {
	w.begin()
	w.inFraction = true
	if w.f.post > 0 {
		w.b.WriteByte('.')
	}
}

func (w *numberWriter) group() {
	switch {
	case w.started || w.inFraction:
		w.b.WriteByte(',')
	case !w.f.fill:
		w.b.WriteByte(' ')
	}
}

func (w *numberWriter) signKey(n string) {
	pick := func(neg, pos string) {
		if w.negative {
			w.b.WriteString(neg)
		} else {
			w.b.WriteString(pos)
		}
	}
	blank := " "
	if w.f.fill {
		blank = ""
	}
	switch n {
	case "MI":
		pick("-", blank)
	case "PL":
		pick(blank, "+")
	case "SG":
		pick("-", "+")
	case "S":
		if w.f.sign == '>' {
			pick("-", "+")
		}
	case "TH", "th":
		if !w.negative && w.frac == "" {
			w.b.WriteString(ordinalSuffix(w.whole, n))
		}
	}
}

// toNumber reads a number by a template: digits, the point, groups and signs.
func toNumber(_ *expr.Context, a []value.Value) (value.Value, error) {
	f, err := parseNumberFormat(text(a[1]))
	if err != nil {
		return fail(err)
	}
	var digits strings.Builder
	negative, points, before, after := false, 0, 0, 0
read:
	for _, r := range text(a[0]) {
		switch {
		case r >= '0' && r <= '9' && points == 0 && before >= f.pre, r == '.' && !f.hasPoint:
			break read
		case r >= '0' && r <= '9':
			if points == 0 || after < f.post || !f.hasPoint {
				digits.WriteRune(r)
			}
			if points > 0 {
				after++
			} else {
				before++
			}
		case r == '.' && f.hasPoint && points == 0:
			points++
			digits.WriteByte('.')
		case r == '-' || r == '<':
			negative = true
		}
	}
	s := strings.TrimSuffix(digits.String(), ".")
	if s == "" {
		return failf(sqlerr.InvalidTextRepresentation, "invalid input syntax for type numeric: \"%s\"", text(a[0]))
	}
	d, err := sqltype.ParseAPD(s)
	if err != nil {
		return fail(err)
	}
	d.Negative = negative && !d.IsZero()
	if f.hasV {
		d.Exponent -= int32(f.shift)
	}
	return numeric(d)
}

var formatFuncs = map[string]evaluator{
	"to_char_timestamp": toCharTimestamp, "to_char_timestamptz": toCharTimestamptz, "to_char_interval": toCharInterval,
	"to_char_numeric": toCharNumber, "to_timestamp": toTimestamp, "to_date": toDate, "to_number": toNumber,
}
