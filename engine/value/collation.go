package value

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"weir/mongoerr"
)

// Collation orders strings by the rules of a locale. Safe for concurrent use.
type Collation struct {
	spec bson.Raw
	pool sync.Pool // of *collator
	// casing, when set, adds a level of upper and lower case to the key.
	casing func(r rune) byte
	// full, when set, is the key behind that level.
	full *Collation
	// identical: strings that are otherwise equal are ordered by their bytes.
	identical bool
}

type collator struct {
	c   *collate.Collator
	buf collate.Buffer
}

// collationSpec is MongoDB's collation document.
type collationSpec struct {
	locale, caseFirst, alternate  string
	variable                      string // maxVariable
	strength                      int64
	caseLevel, numeric, backwards bool
}

// ParseCollation reads MongoDB's collation document; the locale "simple" (or
// an empty document) gives nil, the order of bytes.
func ParseCollation(spec bson.Raw) (*Collation, error) {
	if len(spec) <= 5 {
		return nil, nil
	}
	s := collationSpec{strength: 3}
	for it := Walk(spec); it.Next(); {
		if err := s.set(it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	if Lookup(spec, "locale").IsMissing() {
		return nil, mongoerr.New(mongoerr.NoSuchKey, "Missing expected field \"locale\"")
	}
	if s.locale == "simple" {
		if Len(spec) > 1 && Lookup(spec, "version").IsMissing() { // but as the server shows it
			return nil, mongoerr.New(mongoerr.FailedToParse, "If \"locale\" is \"simple\", no other fields should be present in: %s", Document(spec))
		}
		return nil, nil
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	tag, err := s.tag()
	if err != nil || s.locale == "" {
		return nil, mongoerr.New(mongoerr.BadValue, "Field 'locale' is invalid in: %s", Document(spec))
	}
	col := s.build(tag)
	col.spec = append(bson.Raw(nil), spec...)
	return col, nil
}

// check refuses options that have no effect together, as the server does, and
// what the tables do not tell.
func (s *collationSpec) check() error {
	switch {
	case s.backwards && s.strength == 1:
		return mongoerr.New(mongoerr.BadValue, "'backwards' is invalid with 'strength' of 1")
	case s.caseFirst != "" && s.caseFirst != "off" && !s.caseLevel && s.strength < 3:
		return mongoerr.New(mongoerr.BadValue, "'caseFirst' is invalid unless 'caseLevel' is on or 'strength' is greater than 2")
	case s.alternate == "shifted" && s.variable == "space":
		return mongoerr.New(mongoerr.CommandNotSupported, "a collation that is shifted for spaces only (maxVariable: \"space\") is not supported")
	}
	return nil
}

func (s *collationSpec) set(key string, v Value) error {
	wrong := func(want string) error {
		return mongoerr.New(mongoerr.TypeMismatch, "\"%s\" had the wrong type. Expected %s, found %s", key, want, TypeName(v.kind))
	}
	switch key {
	case "locale", "caseFirst", "alternate", "maxVariable", "version":
		if !v.IsString() {
			return wrong("string")
		}
	case "caseLevel", "numericOrdering", "backwards", "normalization":
		if v.kind != bson.TypeBoolean {
			return wrong("bool")
		}
	}
	switch key {
	case "locale":
		s.locale = v.Str()
	case "strength":
		n, ok := v.Integral()
		if !v.IsNumber() {
			return wrong("number")
		}
		if !ok || n < 1 || n > 5 {
			return mongoerr.New(mongoerr.FailedToParse, "Field 'strength' must be an integer 1 through 5. Got: %s", v)
		}
		s.strength = n
	case "caseFirst":
		s.caseFirst = v.Str()
		return oneOf(key, v, "upper", "lower", "off")
	case "alternate":
		s.alternate = v.Str()
		return oneOf(key, v, "non-ignorable", "shifted")
	case "maxVariable":
		s.variable = v.Str()
		return oneOf(key, v, "punct", "space")
	case "caseLevel":
		s.caseLevel = v.AsBool()
	case "numericOrdering":
		s.numeric = v.AsBool()
	case "backwards":
		s.backwards = v.AsBool()
	case "normalization", "version":
	default:
		return mongoerr.New(mongoerr.FailedToParse, "Collation spec contains unknown field: %s", key)
	}
	return nil
}

func oneOf(key string, v Value, names ...string) error {
	if slices.Contains(names, v.Str()) {
		return nil
	}
	return mongoerr.New(mongoerr.FailedToParse, "Enumeration value '%s' for field 'collation.%s' is not a valid value.", v.Str(), key)
}

// tag is the locale with the settings that its extension can say.
func (s *collationSpec) tag() (language.Tag, error) {
	name := strings.SplitN(s.locale, "@", 2)[0]
	extension := ""
	if s.alternate == "shifted" {
		extension += "-ka-shifted"
	}
	if s.backwards {
		extension += "-kb-true"
	}
	if extension != "" && !strings.Contains(name, "-u-") {
		name += "-u" + extension
	}
	return language.Parse(name)
}

func (s *collationSpec) build(tag language.Tag) *Collation {
	col := &Collation{identical: s.strength == 5}
	strength := s.strength
	if s.caseFirst == "upper" && strength >= 3 {
		plain := *s
		plain.caseFirst = ""
		col.full = plain.build(tag)
		col.casing, strength = upperFirst, 2
	} else if s.caseLevel && strength <= 2 {
		if col.casing = lowerFirst; s.caseFirst == "upper" {
			col.casing = upperFirst
		}
	}
	opts := []collate.Option{collate.OptionsFromTag(tag)}
	if strength == 1 {
		opts = append(opts, collate.IgnoreDiacritics)
	}
	if strength <= 2 {
		opts = append(opts, collate.IgnoreCase, collate.IgnoreWidth)
	}
	if s.numeric {
		opts = append(opts, collate.Numeric)
	}
	col.pool.New = func() any { return &collator{c: collate.New(tag, opts...)} }
	return col
}

func lowerFirst(r rune) byte { return letterCase(r, 1, 2) }

func upperFirst(r rune) byte { return letterCase(r, 2, 1) }

// letterCase is 0 for what has no case level of its own, such as an accent.
func letterCase(r rune, lower, upper byte) byte {
	switch {
	case unicode.IsUpper(r):
		return upper
	case unicode.IsMark(r):
		return 0
	}
	return lower
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
	k := append([]byte(nil), x.c.KeyFromString(&x.buf, s)...)
	c.pool.Put(x)
	if c.casing != nil {
		k = append(k, 0, 0)
		for _, r := range s {
			if b := c.casing(r); b != 0 {
				k = append(k, b)
			}
		}
	}
	if c.full != nil {
		k = append(append(k, 0, 0), c.full.Key(s)...)
	}
	if c.identical {
		k = append(append(k, 0, 0), s...)
	}
	return string(k)
}
