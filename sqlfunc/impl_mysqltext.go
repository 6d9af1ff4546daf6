package sqlfunc

import (
	"encoding/base64"
	"encoding/hex"
	"hash/crc32"
	"strconv"
	"strings"

	"crypto/sha256"
	"crypto/sha512"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// locate finds without regard to case, as MySQL's default collation does.
func locate(_ *expr.Context, a []value.Value) (value.Value, error) {
	part, s := strings.ToLower(text(a[0])), strings.ToLower(text(a[1]))
	from := optional(a, 2, 1)
	if from < 1 || int(from) > textLen(s)+1 {
		return int4(0)
	}
	start := byteOffset(s, int(from)-1)
	i := strings.Index(s[start:], part)
	if i < 0 {
		return int4(0)
	}
	return int4(textLen(s[:start+i]) + 1)
}

func substringIndex(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, sep, n := text(a[0]), text(a[1]), int(a[2].AsInt64())
	if sep == "" || n == 0 {
		return str("")
	}
	parts := strings.Split(s, sep)
	switch {
	case n > 0 && n < len(parts):
		parts = parts[:n]
	case n < 0 && -n < len(parts):
		parts = parts[len(parts)+n:]
	}
	return str(strings.Join(parts, sep))
}

func fieldIndex(_ *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) == 0 || a[0].IsNullish() {
		return int4(0)
	}
	for i, v := range a[1:] {
		if !v.IsNullish() && text(v) == text(a[0]) {
			return int4(i + 1)
		}
	}
	return int4(0)
}

func findInSet(_ *expr.Context, a []value.Value) (value.Value, error) {
	for i, s := range strings.Split(text(a[1]), ",") {
		if s == text(a[0]) && text(a[1]) != "" {
			return int4(i + 1)
		}
	}
	return int4(0)
}

func elt(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	if n := a[0].AsInt64(); n >= 1 && int(n) < len(a) {
		return a[n], nil
	}
	return null()
}

func unhex(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	if len(s)%2 == 1 {
		s = "0" + s
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		return null()
	}
	return binary(b)
}

func conv(_ *expr.Context, a []value.Value) (value.Value, error) {
	from, to := int(a[1].AsInt64()), int(a[2].AsInt64())
	if from < 2 || from > 36 || to < 2 || to > 36 {
		return null()
	}
	n, err := strconv.ParseUint(strings.ToLower(strings.TrimSpace(text(a[0]))), from, 64)
	if err != nil {
		return str("0")
	}
	return str(strings.ToUpper(strconv.FormatUint(n, to)))
}

func sha2(_ *expr.Context, a []value.Value) (value.Value, error) {
	b := []byte(text(a[0]))
	var sum []byte
	switch a[1].AsInt64() {
	case 224:
		h := sha256.Sum224(b)
		sum = h[:]
	case 0, 256:
		h := sha256.Sum256(b)
		sum = h[:]
	case 384:
		h := sha512.Sum384(b)
		sum = h[:]
	case 512:
		h := sha512.Sum512(b)
		sum = h[:]
	default:
		return null()
	}
	return str(hex.EncodeToString(sum))
}

// formatNumber groups the whole part by thousands.
func formatNumber(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := new(apd.Decimal).Set(dec(a[0]))
	if d.Form != apd.Finite {
		return str(d.String())
	}
	sqltype.Rescale(d, int(min(max(a[1].AsInt64(), 0), 30)))
	s := d.Text('f')
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, frac, hasFrac := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if hasFrac {
		whole += "." + frac
	}
	return str(sign + whole)
}

func hexUpper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func inBase(base int) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return str(strings.ToUpper(strconv.FormatUint(uint64(a[0].AsInt64()), base)))
	}
}

var mysqlTextFuncs = map[string]evaluator{
	"locate": locate,
	"strpos_ci": func(c *expr.Context, a []value.Value) (value.Value, error) {
		return locate(c, []value.Value{a[1], a[0]})
	},
	"substring_index": substringIndex, "field": fieldIndex, "find_in_set": findInSet, "elt": elt, "unhex": unhex, "conv": conv,
	"space": func(c *expr.Context, a []value.Value) (value.Value, error) {
		return repeat(c, []value.Value{value.String(" "), a[0]})
	},
	"strcmp": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int4(strings.Compare(text(a[0]), text(a[1])))
	},
	"hex_int8": inBase(16), "bin": inBase(2), "oct": inBase(8),
	"hex_text":  func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(hexUpper([]byte(text(a[0])))) },
	"hex_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(hexUpper(bytesOf(a[0]))) },
	"quote_mysql": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if a[0].IsNullish() {
			return str("NULL")
		}
		return str("'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x1a", `\Z`).Replace(text(a[0])) + "'")
	},
	"to_base64_text": mapText(func(s string) string { return wrap76(base64.StdEncoding.EncodeToString([]byte(s))) }),
	"to_base64_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return str(wrap76(base64.StdEncoding.EncodeToString(bytesOf(a[0]))))
	},
	"from_base64": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		b, err := decodeBase64(text(a[0]))
		if err != nil {
			return null()
		}
		return binary(b)
	},
	"sha2": sha2, "format_number": formatNumber,
	"crc32": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int8(int64(crc32.ChecksumIEEE([]byte(text(a[0])))))
	},
}

// invalidMySQLPath is the error for a path that is none.
func invalidMySQLPath(p string) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "invalid JSON path expression: \"%s\"", p).
		WithHint("A path begins with $, such as '$.a.b[0]'.")
}
