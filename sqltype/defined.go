package sqltype

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Defined is a type that CREATE TYPE or CREATE DOMAIN made, or the row type of a
// table. It is not changed once it was given to Define.
type Defined struct {
	OID    OID
	Array  OID // of the type's arrays
	Schema string
	Name   string
	// Version grows with every change of the type.
	Version uint64
	// Labels are an enum's, in their order.
	Labels []string
	// Attributes are a composite type's.
	Attributes []Attribute
	// Base is what a domain's values are.
	Base Type
	Kind DefinedKind
}

// DefinedKind is what a defined type is.
type DefinedKind byte

// The kinds of defined types, as pg_type.typtype has them.
const (
	EnumKind      DefinedKind = 'e'
	CompositeKind DefinedKind = 'c'
	DomainKind    DefinedKind = 'd'
)

// Attribute is a field of a composite type. Its Type is never a domain: Domain
// tells of one.
type Attribute struct {
	Name   string
	Type   Type
	Domain OID
}

// defined are the types by their OIDs. OIDs of defined types are drawn at random
// when the types are made, so those of several catalogs in a process do not
// meet, and a type has one meaning wherever an OID is all that is at hand: in
// casts, in encoders, in operators of pipelines. Catalogs add what they read;
// nothing is ever taken away, as running statements may still use it.
var defined struct {
	write sync.Mutex
	types atomic.Pointer[map[OID]*definedEntry]
}

type definedEntry struct {
	def  *Defined
	info *Info
}

// Define makes a type known, or its new version.
func Define(d *Defined) {
	defined.write.Lock()
	defer defined.write.Unlock()
	old := map[OID]*definedEntry{}
	if p := defined.types.Load(); p != nil {
		old = *p
	}
	if e := old[d.OID]; e != nil && e.def.Version >= d.Version && e.def.Name == d.Name {
		return
	}
	next := make(map[OID]*definedEntry, len(old)+2)
	for k, v := range old {
		next[k] = v
	}
	info := d.info()
	next[d.OID] = &definedEntry{d, info}
	if d.Array != Invalid {
		next[d.Array] = &definedEntry{nil, arrayInfo(info)}
	}
	defined.types.Store(&next)
}

func (d *Defined) info() *Info {
	t := &Info{OID: d.OID, Name: d.Name, Display: quotedName(d.Name), Kind: byte(d.Kind), Array: d.Array, Len: -1, Align: 'd', Binary: true}
	switch d.Kind {
	case EnumKind:
		t.Category, t.Len, t.ByVal, t.Align, t.IO = 'E', 4, true, 'i', "enum_"
	case CompositeKind:
		t.Category, t.IO = 'C', "record_"
	case DomainKind:
		base := Lookup(d.Base.OID)
		if base == nil {
			break
		}
		t.Category, t.Len, t.ByVal, t.Align, t.Preferred = base.Category, base.Len, base.ByVal, base.Align, false
		t.IO = "domain_"
	}
	return t
}

// quotedName writes a name as format_type does.
func quotedName(s string) string {
	for i, c := range s {
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '$')) {
			return `"` + s + `"`
		}
	}
	return s
}

func definedOf(oid OID) *definedEntry {
	if p := defined.types.Load(); p != nil {
		return (*p)[oid]
	}
	return nil
}

// Def is the definition of a defined type; nil for others and for arrays.
func (o OID) Def() *Defined {
	if e := definedOf(o); e != nil {
		return e.def
	}
	return nil
}

// IsEnum tells whether the type is an enum.
func (o OID) IsEnum() bool {
	d := o.Def()
	return d != nil && d.Kind == EnumKind
}

// IsComposite tells whether the type is a row with named fields.
func (o OID) IsComposite() bool {
	d := o.Def()
	return d != nil && d.Kind == CompositeKind
}

// Involves tells whether a type or its elements are defined.
func (o OID) Involves() bool { return definedOf(o) != nil }

// Attribute finds a field of a composite type; -1 if there is none.
func (d *Defined) Attribute(name string) int {
	return slices.IndexFunc(d.Attributes, func(a Attribute) bool { return a.Name == name })
}

// Position is the place of an enum's label in its order; -1 if there is none.
func (d *Defined) Position(label string) int { return slices.Index(d.Labels, label) }
