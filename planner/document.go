package planner

import (
	"weir/engine/value"
	"weir/sqlfunc"
	"weir/sqltype"
)

// Values taken out of documents have the type jsonb and mostly are scalars.
// PostgreSQL has no operators between jsonb and other types, so that these can
// be given a meaning without changing one: beside a document's value, a literal
// is a string (not JSON text), another scalar becomes a document's value, and
// in arithmetic the document's value becomes a number.

// isDocScalar tells whether e was taken out of a document by a path.
func isDocScalar(e Expr) bool {
	if e.Type().OID != sqltype.JSONB {
		return false
	}
	switch x := e.(type) {
	case *Path:
		return true
	case *Subscript:
		return true
	case *Call:
		return x.Func.Impl == "json_extract"
	}
	return false
}

var comparisons = map[string]bool{"=": true, "<>": true, "<": true, "<=": true, ">": true, ">=": true}

// documentOperands converts operands where one is a document's value and no
// operator takes them as they are.
func (b *builder) documentOperands(name string, args []Expr) ([]Expr, bool, error) {
	if len(args) != 2 {
		if len(args) == 1 && args[0].Type().OID == sqltype.JSONB {
			x, ok, err := b.coerce(args[0], sqltype.Of(sqltype.Numeric), explicit)
			return []Expr{x}, ok, err
		}
		return nil, false, nil
	}
	doc := -1
	for i, a := range args {
		if a.Type().OID == sqltype.JSONB {
			doc = i
		}
	}
	if doc < 0 {
		return nil, false, nil
	}
	other := args[1-doc]
	out := append([]Expr(nil), args...)
	var err error
	if comparisons[name] {
		out[1-doc], err = b.toJSONB(other)
		return out, err == nil, err
	}
	want := sqltype.Of(sqltype.Numeric)
	if t := other.Type().OID; t != sqltype.JSONB && t != sqltype.Unknown && t.Category() != 'N' {
		want = other.Type()
	}
	for i, a := range out {
		if a.Type().OID == sqltype.JSONB {
			x, ok, err := b.coerce(a, want, explicit)
			if !ok || err != nil {
				return nil, false, err
			}
			out[i] = x
		}
	}
	return out, true, nil
}

var textOperators = map[string]bool{"||": true, "~~": true, "!~~": true, "~~*": true, "!~~*": true, "~": true, "!~": true, "~*": true, "!~*": true}

// scalarText is a document's scalar as text, a string without its quotes.
func (b *builder) scalarText(e Expr) (Expr, error) {
	none := &Const{T: sqltype.Of(sqltype.Text.Array()), Value: value.ArrayFrom(nil), P: e.Pos()}
	return b.operator("#>>", []Expr{e, none}, e.Pos())
}

// castScalar casts a document's scalar: numbers and truth values as such,
// anything else by its text. False where e is none.
func (b *builder) castScalar(e Expr, to sqltype.Type, pos int) (Expr, bool, error) {
	if !isDocScalar(e) || to.OID == sqltype.JSONB || to.OID == sqltype.JSON {
		return nil, false, nil
	}
	if c := to.OID.Category(); c == 'N' || c == 'B' {
		return nil, false, nil
	}
	text, err := b.scalarText(e)
	if err != nil || to == textType {
		return text, true, err
	}
	x, ok, err := b.coerce(text, to, explicit)
	return x, ok, err
}

// unifyDocuments makes documents' values of all expressions when one is a
// document's scalar, so that COALESCE(items[0].n, 0) has a type.
func (b *builder) unifyDocuments(list []Expr) (bool, error) {
	found := false
	for _, e := range list {
		found = found || isDocScalar(e)
	}
	if !found {
		return false, nil
	}
	for i, e := range list {
		if c, ok := e.(*Const); ok && c.T.OID == sqltype.Unknown {
			if c.Value.IsNullish() {
				list[i] = null(jsonbType, c.P)
			} else {
				list[i] = &Const{T: jsonbType, Value: value.String(c.Value.Str()), P: c.P}
			}
			continue
		}
		x, err := b.toJSONB(e)
		if err != nil {
			return false, err
		}
		list[i] = x
	}
	return true, nil
}

// besideDocument makes a literal beside a document's value a JSON string, so
// that items[0].sku = 'a1' needs no quotes within quotes.
func (b *builder) besideDocument(name string, args []Expr) error {
	if len(args) == 2 && textOperators[name] {
		for i, a := range args {
			if !isDocScalar(a) || name == "||" && args[1-i].Type().OID == sqltype.JSONB {
				continue
			}
			x, err := b.scalarText(a)
			if err != nil {
				return err
			}
			args[i] = x
		}
	}
	if len(args) != 2 || !comparisons[name] {
		return nil
	}
	for i, a := range args {
		c, ok := a.(*Const)
		if ok && c.T.OID == sqltype.Unknown && !c.Value.IsNullish() && isDocScalar(args[1-i]) && !b.isJSONSubscript(args[1-i]) {
			args[i] = &Const{T: jsonbType, Value: value.String(c.Value.Str()), P: c.P}
		}
	}
	return nil
}

// isJSONSubscript tells of subscripts that PostgreSQL has as well: by a text,
// and of what is no part of a document. Literals beside them are JSON.
func (b *builder) isJSONSubscript(e Expr) bool {
	s, ok := e.(*Subscript)
	if !ok {
		return false
	}
	if s.Lo != nil && s.Lo.Type().OID.IsString() {
		return true
	}
	switch x := s.X.(type) {
	case *Subscript:
		return b.isJSONSubscript(x)
	case *ColRef:
		scan, _ := b.scanOf(x.ID)
		return scan != nil && !scan.Table.Open
	case *Path:
		return false
	}
	return true
}

// toJSONB makes a document's value of any value, as to_jsonb does.
func (b *builder) toJSONB(e Expr) (Expr, error) {
	if e.Type().OID == sqltype.JSONB {
		return e, nil
	}
	if e.Type().OID == sqltype.Unknown {
		x, _, err := b.coerce(e, textType, implicit)
		if err != nil {
			return nil, err
		}
		e = x
	}
	f := b.implFunc("to_jsonb", 1)
	return b.apply(&candidate{fn: f, args: f.Args}, []Expr{e}, e.Pos())
}

// implFunc finds a function by its name and number of arguments.
func (b *builder) implFunc(name string, n int) *sqlfunc.Func {
	for _, f := range b.env.Funcs.Functions(name) {
		if len(f.Args) == n {
			return f
		}
	}
	return nil
}
