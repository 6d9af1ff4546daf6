package sqlfunc

import "weir/sqltype"

func (t *Table) addCast(r castRow) {
	c := &Cast{From: typeNamed(r.from), To: typeNamed(r.to), Impl: castImpl(typeNamed(r.from), typeNamed(r.to))}
	if c.From == c.To {
		c.Impl = modifierImpl(c.To)
	}
	switch r.context {
	case 'i':
		c.Context = Implicit
	case 'a':
		c.Context = Assignment
	}
	t.casts[castKey{c.From, c.To}] = c
	t.castList = append(t.castList, c)
}

// Cast finds how a type is converted to another: a row of pg_cast, a cast of
// arrays by their elements, or a conversion by text as I/O functions do. The
// cast of a type to itself applies a type modifier. False if there is none.
func (t *Table) Cast(from, to sqltype.OID) (*Cast, bool) {
	if c, ok := t.casts[castKey{from, to}]; ok {
		return c, true
	}
	if from == to {
		return &Cast{From: from, To: to, Context: Implicit, Impl: modifierImpl(to)}, true
	}
	if from == sqltype.Unknown {
		return &Cast{From: from, To: to, Context: Implicit, Impl: castImpl(sqltype.Text, to)}, true
	}
	if to == sqltype.Record && from.IsComposite() {
		return &Cast{From: from, To: to, Context: Implicit, Impl: castDefined}, true
	}
	if te := elementOf(to); te != to.Elem() { // a vector: its elements are cast, but only when asked
		if c, ok := t.Cast(elementOf(from), te); ok && from.IsArray() {
			return &Cast{From: from, To: to, Context: Explicit, Impl: arrayImpl(c)}, true
		}
	}
	if fe, te := elementOf(from), to.Elem(); fe != sqltype.Invalid && te != sqltype.Invalid {
		if c, ok := t.Cast(fe, te); ok {
			return &Cast{From: fe.Array(), To: to, Context: c.Context, Impl: arrayImpl(c)}, true
		}
		return nil, false
	}
	return ioCast(from, to)
}

// elementOf is the element type of an array, and of a vector, which is cast from as
// the array that it is.
func elementOf(t sqltype.OID) sqltype.OID {
	switch t {
	case sqltype.Int2Vector:
		return sqltype.Int2
	case sqltype.OidVector:
		return sqltype.Oid
	}
	return t.Elem()
}

// IsBinaryCoercible tells whether values of from are values of to as they are,
// in PostgreSQL's sense for the choice of functions.
func (t *Table) IsBinaryCoercible(from, to sqltype.OID) bool {
	if from == to || to == sqltype.Any {
		return true
	}
	switch to {
	case sqltype.AnyElement, sqltype.AnyCompatible:
		return true
	case sqltype.AnyArray, sqltype.AnyCompatibleArray:
		return from.IsArray()
	case sqltype.AnyNonArray, sqltype.AnyCompatibleNonArray:
		return !from.IsArray()
	}
	return binaryCoercible[castKey{from, to}]
}

// binaryCoercible are pg_cast's implicit casts without function.
var binaryCoercible = func() map[castKey]bool {
	m := map[castKey]bool{}
	for _, r := range casts {
		if r.method == 'b' && r.context == 'i' {
			m[castKey{typeNamed(r.from), typeNamed(r.to)}] = true
		}
	}
	return m
}()

// ImplicitCast tells whether from becomes to by itself in expressions.
func (t *Table) ImplicitCast(from, to sqltype.OID) bool {
	c, ok := t.Cast(from, to)
	return ok && c.Context == Implicit
}

// ioCast converts by text: to strings in assignments, from strings explicitly.
func ioCast(from, to sqltype.OID) (*Cast, bool) {
	fi, ti := sqltype.Lookup(from), sqltype.Lookup(to)
	if fi == nil || ti == nil || ti.Kind == 'p' && to != sqltype.Cstring && to != sqltype.Record || fi.Kind == 'p' && from != sqltype.Record && from != sqltype.Cstring {
		return nil, false
	}
	if ti.Category == 'S' || to == sqltype.Cstring {
		return &Cast{From: from, To: to, Context: Assignment, Impl: castImpl(from, to)}, true
	}
	if fi.Category == 'S' || from == sqltype.Cstring {
		return &Cast{From: from, To: to, Context: Explicit, Impl: castImpl(from, to)}, true
	}
	return nil, false
}

// Convert gives the conversion of arguments that Func.AnyAs asks for.
func (t *Table) Convert(from, as sqltype.OID) *Cast {
	if from == sqltype.Unknown && as != sqltype.Regtype {
		from = sqltype.Text
	}
	if from.Involves() {
		if name, ok := definedConversions[as]; ok {
			return &Cast{From: from, To: as, Context: Explicit, Impl: name}
		}
	}
	switch as {
	case sqltype.JSON:
		return &Cast{From: from, To: as, Context: Explicit, Impl: "to_json_" + implName(from)}
	case sqltype.JSONB:
		if from == sqltype.JSONB {
			return &Cast{From: from, To: as, Context: Explicit}
		}
		return &Cast{From: from, To: as, Context: Explicit, Impl: "to_jsonb_" + implName(from)}
	case sqltype.Regtype:
		return &Cast{From: from, To: as, Context: Explicit, Impl: "typeof_" + implName(from)}
	case sqltype.Text.Array():
		if from.Elem() == sqltype.Text {
			return &Cast{From: from, To: as, Context: Explicit}
		}
		return &Cast{From: from, To: as, Context: Explicit, Impl: arrayImpl(&Cast{From: from.Elem(), To: sqltype.Text})}
	}
	return &Cast{From: from, To: as, Context: Explicit, Impl: castImpl(from, as)}
}

// definedConversions are the conversions from types that were made here.
var definedConversions = map[sqltype.OID]string{
	sqltype.JSON: "to_json_defined", sqltype.JSONB: "to_jsonb_defined", sqltype.Regtype: "typeof_defined",
}

// implName is a type's name in the names of casts.
func implName(t sqltype.OID) string {
	if e := t.Elem(); e != sqltype.Invalid {
		return sqltype.Lookup(e).Name + "[]"
	}
	return sqltype.Lookup(t).Name
}

// sameForm tells whether values of from are values of to as they are: int8
// admits what int4 has, numbers and strings widen by themselves.
func sameForm(from, to sqltype.OID) bool {
	if from == to || stringForm(from) && (to == sqltype.Text || to == sqltype.Cstring) {
		return true
	}
	if longForm(from) && (to == sqltype.Oid || to == sqltype.Int8 || to.IsReg()) {
		return from != sqltype.Int8
	}
	switch to {
	case sqltype.Int4:
		return from == sqltype.Int2
	case sqltype.Int8:
		return from == sqltype.Int2 || from == sqltype.Int4
	case sqltype.Float8:
		return from == sqltype.Float4
	}
	return false
}

func stringForm(t sqltype.OID) bool {
	switch t {
	case sqltype.Text, sqltype.Varchar, sqltype.Name, sqltype.CharByte, sqltype.Cstring, sqltype.Unknown:
		return true
	}
	return t.IsEnum()
}

func longForm(t sqltype.OID) bool { return t == sqltype.Oid || t == sqltype.Int8 || t.IsReg() }

// castImpl names a cast's local operator; "" where the form stays the same.
func castImpl(from, to sqltype.OID) string {
	if sameForm(from, to) {
		return ""
	}
	if from.Involves() || to.Involves() {
		return castDefined
	}
	return "cast_" + implName(from) + "_" + implName(to)
}

func arrayImpl(c *Cast) string {
	if c.From == c.To {
		if modifierImpl(c.To) == "" {
			return ""
		}
	} else if castImpl(c.From, c.To) == "" {
		return ""
	}
	if c.From.Involves() || c.To.Involves() {
		return castDefined
	}
	return "cast_" + implName(c.From) + "[]_" + implName(c.To) + "[]"
}

// modifierImpl is the cast that applies a type modifier.
func modifierImpl(t sqltype.OID) string {
	switch t {
	case sqltype.Varchar, sqltype.Bpchar, sqltype.Bit, sqltype.Varbit, sqltype.Numeric, sqltype.Time, sqltype.Timetz, sqltype.Timestamp, sqltype.Timestamptz, sqltype.Interval:
		return "cast_" + implName(t) + "_" + implName(t)
	}
	if e := t.Elem(); e != sqltype.Invalid && modifierImpl(e) != "" {
		return "cast_" + implName(t) + "_" + implName(t)
	}
	return ""
}
