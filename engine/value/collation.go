package value

import (
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"weir/mongoerr"
)

// Collation orders strings by the rules of a locale. Safe for concurrent use.
type Collation struct {
	spec  bson.Raw
	pool  sync.Pool // of *collator
	ident bool      // after the collation's own order, compare by bytes
}

type collator struct {
	c   *collate.Collator
	buf collate.Buffer
}

// ParseCollation reads MongoDB's collation document; the locale "simple" (or
// an empty document) gives nil, the order of bytes.
func ParseCollation(spec bson.Raw) (*Collation, error) {
	locale, strength, caseLevel, numeric := "", int64(3), false, false
	for it := Walk(spec); it.Next(); {
		v := it.Value()
		switch it.Key() {
		case "locale":
			if !v.IsString() {
				return nil, mongoerr.New(mongoerr.TypeMismatch, "Field 'locale' should be a string value")
			}
			locale = v.Str()
		case "strength":
			n, ok := v.Integral()
			if !ok || n < 1 || n > 5 {
				return nil, mongoerr.New(mongoerr.FailedToParse, "Enumeration value '%s' for field 'collation.strength' is not a valid value.", v)
			}
			strength = n
		case "caseLevel":
			caseLevel = v.AsBool()
		case "numericOrdering":
			numeric = v.AsBool()
		case "caseFirst", "alternate", "maxVariable", "normalization", "backwards", "version":
		default:
			return nil, mongoerr.New(40415, "BSON field 'collation.%s' is an unknown field.", it.Key())
		}
	}
	if locale == "" {
		if len(spec) <= 5 {
			return nil, nil
		}
		return nil, mongoerr.New(40414, "BSON field 'collation.locale' is missing but a required field")
	}
	if locale == "simple" {
		return nil, nil
	}
	tag, err := language.Parse(strings.SplitN(locale, "@", 2)[0])
	if err != nil {
		return nil, mongoerr.New(mongoerr.BadValue, "Field 'locale' is invalid in: %s", Document(spec))
	}
	opts := collationOptions(strength, caseLevel, numeric)
	col := &Collation{spec: append(bson.Raw(nil), spec...), ident: strength == 5}
	col.pool.New = func() any { return &collator{c: collate.New(tag, opts...)} }
	return col, nil
}

func collationOptions(strength int64, caseLevel, numeric bool) []collate.Option {
	var opts []collate.Option
	if strength == 1 {
		opts = append(opts, collate.IgnoreDiacritics)
	}
	if strength <= 2 && !caseLevel {
		opts = append(opts, collate.IgnoreCase, collate.IgnoreWidth)
	}
	if numeric {
		opts = append(opts, collate.Numeric)
	}
	return opts
}

// Spec is the document that the collation was made of.
func (c *Collation) Spec() bson.Raw { return c.spec }

// CompareStrings orders two strings.
func (c *Collation) CompareStrings(a, b string) int {
	if a == b {
		return 0
	}
	return strings.Compare(c.Key(a), c.Key(b))
}

// Key is a byte string whose order is the order of CompareStrings.
func (c *Collation) Key(s string) string {
	x := c.pool.Get().(*collator)
	x.buf.Reset()
	k := string(x.c.KeyFromString(&x.buf, s))
	c.pool.Put(x)
	if c.ident {
		k += "\x00" + s
	}
	return k
}
