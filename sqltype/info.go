package sqltype

// Info is what pg_type tells of a type.
type Info struct {
	OID       OID
	Name      string // as in pg_type.typname: int4, _text
	Display   string // as in messages and format_type: integer, text[]
	Len       int16
	ByVal     bool
	Kind      byte // b: base, p: pseudo, e: enum, c: composite, d: domain
	Category  byte
	Preferred bool
	Align     byte
	Elem      OID // arrays and vectors
	Array     OID // its array type, 0 if none
	// IO is the stem of the names of its I/O functions: IO+in, IO+out and, when
	// Binary, IO+recv and IO+send.
	IO     string
	Binary bool
}

// Delim is the separator of array elements.
const Delim = ','

type registry struct {
	byOID  map[OID]*Info
	byName map[string]*Info
	list   []*Info
}

// types is filled once and read only.
var types = buildRegistry()

func buildRegistry() *registry {
	r := &registry{byOID: make(map[OID]*Info, 2*len(builtins)), byName: make(map[string]*Info, 2*len(builtins))}
	for i := range builtins {
		t := &builtins[i]
		r.add(t)
		if t.Array != 0 {
			r.add(arrayInfo(t))
		}
	}
	return r
}

func arrayInfo(t *Info) *Info {
	align := byte('i')
	if t.Align == 'd' {
		align = 'd'
	}
	kind := byte('b')
	if t.Kind == 'p' {
		kind = 'p'
	}
	return &Info{OID: t.Array, Name: "_" + t.Name, Display: t.Display + "[]", Len: -1, Kind: kind,
		Category: arrayCategory(kind), Align: align, Elem: t.OID, IO: "array_", Binary: true}
}

func arrayCategory(kind byte) byte {
	if kind == 'p' {
		return 'P'
	}
	return 'A'
}

func (r *registry) add(t *Info) {
	r.byOID[t.OID], r.byName[t.Name] = t, t
	r.list = append(r.list, t)
}

// Lookup finds a type by its OID; nil if there is none.
func Lookup(oid OID) *Info {
	if t, ok := types.byOID[oid]; ok || oid < firstDefined {
		return t
	}
	if e := definedOf(oid); e != nil {
		return e.info
	}
	return nil
}

// firstDefined is the first OID that a defined type may have.
const firstDefined = 16384

// Infos lists all types, arrays too, for pg_type.
func Infos() []*Info { return types.list }

// Named finds a type by pg_type's name (int4, _text); nil if there is none.
func Named(name string) *Info { return types.byName[name] }

// Category is the type's category in pg_type, 'X' for unknown ones.
func (o OID) Category() byte {
	if t := Lookup(o); t != nil {
		return t.Category
	}
	return 'X'
}

// Preferred tells whether the type is preferred in its category.
func (o OID) Preferred() bool {
	t := Lookup(o)
	return t != nil && t.Preferred
}

// Elem is the element type of an array type; Invalid for others (vectors too,
// though they can be subscripted: see Subscript).
func (o OID) Elem() OID {
	t := Lookup(o)
	if t == nil || t.Elem == 0 || t.Len != -1 || o == Int2Vector || o == OidVector {
		return Invalid
	}
	return t.Elem
}

// Subscript is the type that a subscript of a value of this type has: the
// element of arrays and vectors, jsonb of jsonb.
func (o OID) Subscript() OID {
	if o == JSONB {
		return JSONB
	}
	if t := Lookup(o); t != nil && t.Len == -1 {
		return t.Elem
	}
	return Invalid
}

// IsArray tells whether the type is an array type.
func (o OID) IsArray() bool { return o.Elem() != Invalid }

// Array is the array type over a type; Invalid if there is none.
func (o OID) Array() OID {
	if t := Lookup(o); t != nil {
		return t.Array
	}
	return Invalid
}

// IsReg tells whether the type is one of the reg… aliases of oid.
func (o OID) IsReg() bool {
	switch o {
	case Regproc, Regprocedure, Regoper, Regoperator, Regclass, Regtype, Regconfig, Regdictionary, Regnamespace, Regrole:
		return true
	}
	return false
}

// IsPolymorphic tells whether the type stands for one that the call decides.
func (o OID) IsPolymorphic() bool {
	switch o {
	case AnyElement, AnyArray, AnyNonArray, AnyEnum, AnyRange, AnyCompatible, AnyCompatibleArray, AnyCompatibleNonArray:
		return true
	}
	return false
}

// IsString tells whether values of the type are strings with a collation.
func (o OID) IsString() bool {
	switch o {
	case Text, Varchar, Bpchar, Name, CharByte:
		return true
	}
	return false
}

// String is the type's name as messages show it, such as "integer" or "text[]".
func (o OID) String() string {
	if t := Lookup(o); t != nil {
		return t.Display
	}
	if o == Invalid {
		return "-"
	}
	return "???"
}
