package planner

import (
	"hash/fnv"
	"slices"
	"strconv"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// Types that CREATE TYPE and CREATE DOMAIN made, and the row types of tables.
// Enums are types of their own. A domain is its base type everywhere; its rules
// are a Checked around the values that become of it. A composite value is a
// document of its attributes.

// typeName resolves a type as it was written; domain is the domain, or array of
// one, that it is, 0 for others.
func (b *builder) typeName(t *ast.TypeName) (typ sqltype.Type, domain sqltype.OID, err error) {
	typ, err = catalog.TypeName(t)
	if err == nil || sqlerr.As(err).Code != sqlerr.UndefinedObject || t.Builtin || t.Like != nil {
		return typ, 0, err
	}
	oid, lookErr := b.resolver.typed(t.Schema.Name, t.Name.Name)
	if lookErr != nil {
		return typ, 0, lookErr
	}
	if oid == sqltype.Invalid {
		table, found, lookErr := b.resolver.table(t.Schema.Name, t.Name.Text, t.Name.Quoted)
		if lookErr != nil || !found {
			return typ, 0, err
		}
		b.depend(table)
		oid = TableRow(table)
	}
	if len(t.Mods) > 0 {
		return typ, 0, sqlerr.New(sqlerr.SyntaxError, "type modifier is not allowed for type %q", t.Name.Text).At(t.Pos())
	}
	b.dependType(oid)
	typ, domain = catalog.Undomain(oid, len(t.Dims) > 0)
	return typ, domain, nil
}

// dependType notes the types that a type is made of: a plan holds the order of
// enums and the attributes of composites.
func (b *builder) dependType(oid sqltype.OID) {
	if e := oid.Elem(); e != sqltype.Invalid {
		oid = e
	}
	d := oid.Def()
	if d == nil {
		return
	}
	if d.Schema != "" {
		if dep := (catalog.Dep{OID: uint32(d.OID), Version: d.Version}); !slices.Contains(b.deps, dep) {
			b.deps = append(b.deps, dep)
		}
	}
	for _, a := range d.Attributes {
		if a.Type.OID.Involves() {
			b.dependType(a.Type.OID)
		}
	}
}

// TableRow is the row type of a table.
func TableRow(t *catalog.Table) sqltype.OID {
	var attrs []sqltype.Attribute
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Hidden {
			attrs = append(attrs, sqltype.Attribute{Name: c.Name, Type: c.Type, Domain: c.Domain})
		}
	}
	return rowTypeOf(t.Name, attrs)
}

// rowTypeOf is the composite type of attributes that nobody named: its OID is
// made of them, so that it is the same type wherever they are the same.
func rowTypeOf(name string, attrs []sqltype.Attribute) sqltype.OID {
	h := fnv.New64a()
	h.Write([]byte(name))
	for _, a := range attrs {
		h.Write([]byte("\x00" + a.Name + "\x00" + strconv.Itoa(int(a.Type.OID)) + " " + strconv.Itoa(int(a.Type.Mod)) + " " + strconv.Itoa(int(a.Domain))))
	}
	sum := h.Sum64()
	// above the OIDs that catalogs draw
	oid := sqltype.OID(1<<31 | uint32(sum^sum>>32)>>1&^1)
	sqltype.Define(&sqltype.Defined{OID: oid, Array: oid + 1, Name: name, Version: 1, Attributes: attrs, Kind: sqltype.CompositeKind})
	return oid
}

// compositeOf is the composite type of an expression; nil if it has none.
func compositeOf(e Expr) *sqltype.Defined {
	if d := e.Type().OID.Def(); d != nil && d.Kind == sqltype.CompositeKind {
		return d
	}
	return nil
}

// attribute reads the i-th field of a composite value.
func attribute(x Expr, d *sqltype.Defined, i, pos int) Expr {
	a := d.Attributes[i]
	switch r := x.(type) {
	case *Row:
		if len(r.Fields) == len(d.Attributes) {
			return r.Fields[i]
		}
	case *Const:
		if r.Value.IsNullish() {
			return null(a.Type, pos)
		}
	}
	return &Path{X: x, Names: []string{a.Name}, T: a.Type, P: pos}
}

// attributeNamed is (x).name of a composite value.
func attributeNamed(x Expr, d *sqltype.Defined, id ast.Ident, pos int) (Expr, error) {
	at := d.Attribute(id.Name)
	if at < 0 {
		at = d.Attribute(id.Text)
	}
	if at < 0 {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q not found in data type %s", id.Text, d.OID).At(pos)
	}
	return attribute(x, d, at, pos), nil
}

// coerceRow makes a row a value of a composite type, field by field.
func (b *builder) coerceRow(r *Row, to sqltype.Type, ctx castContext) (Expr, bool, error) {
	d := to.OID.Def()
	if d == nil || d.Kind != sqltype.CompositeKind {
		return nil, false, nil
	}
	if len(r.Fields) != len(d.Attributes) {
		detail := "Input has too many columns."
		if len(r.Fields) < len(d.Attributes) {
			detail = "Input has too few columns."
		}
		return nil, false, sqlerr.New(sqlerr.CannotCoerce, "cannot cast type record to %s", to.OID).At(r.P).WithDetail("%s", detail)
	}
	out := &Row{Composite: to.OID, P: r.P}
	for i, a := range d.Attributes {
		x, ok, err := b.coerce(r.Fields[i], a.Type, ctx)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			return nil, false, sqlerr.New(sqlerr.CannotCoerce, "cannot cast type record to %s", to.OID).At(r.P).
				WithDetail("Cannot cast type %s to %s in column %d.", r.Fields[i].Type().OID, a.Type.OID, i+1)
		}
		if x, err = b.checked(x, a.Domain); err != nil {
			return nil, false, err
		}
		out.Fields, out.Names = append(out.Fields, x), append(out.Names, a.Name)
	}
	return out, true, nil
}

// checked puts the rules of a domain around a value that becomes of it.
func (b *builder) checked(x Expr, domain sqltype.OID) (Expr, error) {
	if domain == 0 {
		return x, nil
	}
	c := &Checked{X: x, Domain: domain, P: x.Pos()}
	if domain.Elem() != sqltype.Invalid {
		c.Each, domain = true, domain.Elem()
		c.Col = b.newCol(catalog.DomainValue, sqltype.Type{OID: itemOf(x.Type().OID), Mod: x.Type().Mod})
	} else {
		c.Col = b.newCol(catalog.DomainValue, x.Type())
	}
	rules, err := b.domainRules(domain, colRef(c.Col, x.Pos()))
	if err != nil {
		return nil, err
	}
	if c.Rules = rules; len(rules) == 0 {
		return x, nil
	}
	return c, nil
}

// checkedFields puts the rules of the domains among the attributes of a
// composite type around a value that was not made field by field.
func (b *builder) checkedFields(x Expr) (Expr, error) {
	d := x.Type().OID.Def()
	each := false
	if e := x.Type().OID.Elem(); e != sqltype.Invalid {
		d, each = e.Def(), true
	}
	if d == nil || d.Kind != sqltype.CompositeKind || isNullConst(x) {
		return x, nil
	}
	if r, ok := x.(*Row); ok && r.Composite != 0 {
		return x, nil
	}
	c := &Checked{X: x, Each: each, Col: b.newCol(catalog.DomainValue, sqltype.Of(d.OID)), P: x.Pos()}
	whole := colRef(c.Col, x.Pos())
	for i, a := range d.Attributes {
		if inner := a.Type.OID; holdsDomains(inner) || a.Domain != 0 && a.Domain.Elem() != sqltype.Invalid {
			return nil, sqlerr.Unsupported(x.Pos(), "Make the value field by field with ROW(…).",
				"domains inside of the attributes of a composite type are not supported here")
		}
		if a.Domain == 0 {
			continue
		}
		rules, err := b.domainRules(a.Domain, attribute(whole, d, i, x.Pos()))
		if err != nil {
			return nil, err
		}
		for j := range rules { // the fields of no row are not asked
			rules[j].Cond = &Logic{Op: Or, Args: []Expr{&Test{X: whole, Is: IsNull, P: x.Pos()}, rules[j].Cond}, P: x.Pos()}
		}
		c.Rules = append(c.Rules, rules...)
	}
	if len(c.Rules) == 0 {
		return x, nil
	}
	return c, nil
}

// holdsDomains tells whether a type's values have attributes of domains.
func holdsDomains(t sqltype.OID) bool {
	if e := t.Elem(); e != sqltype.Invalid {
		t = e
	}
	if d := t.Def(); d != nil {
		for _, a := range d.Attributes {
			if a.Domain != 0 || holdsDomains(a.Type.OID) {
				return true
			}
		}
	}
	return false
}

// domainRules binds the rules of a domain over a value, those of the domain
// below it first.
func (b *builder) domainRules(oid sqltype.OID, over Expr) ([]DomainRule, error) {
	d, err := b.resolver.domain(oid)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "the domain of the value does not exist").At(over.Pos())
	}
	b.dependType(oid)
	var rules []DomainRule
	if d.Parent != 0 {
		if rules, err = b.domainRules(d.Parent, over); err != nil {
			return nil, err
		}
		for i := range rules {
			rules[i].Domain = d.Name
		}
	}
	if d.NotNull {
		rules = append(rules, DomainRule{Domain: d.Name, Cond: &Test{X: over, Is: IsNotNull, P: over.Pos()}})
	}
	value := b.newCol(catalog.DomainValue, over.Type())
	src := fixedSource(ast.Ident{}, []Col{value})
	for _, k := range d.Checks {
		cond, err := b.stored(k.SQL, src, "domain constraints")
		if err != nil {
			return nil, err
		}
		if cond, err = b.boolean(cond, "CHECK"); err != nil {
			return nil, err
		}
		cond = mapExpr(cond, func(e Expr) Expr {
			if r, ok := e.(*ColRef); ok && r.ID == value.ID {
				return over
			}
			return e
		})
		rules = append(rules, DomainRule{Domain: d.Name, Constraint: k.Name, Cond: cond})
	}
	return rules, nil
}

// domainDefault is the default of a column's domain, nil if there is none; a
// domain's own comes before that of the domain below it.
func (b *builder) domainDefault(oid sqltype.OID) (string, error) {
	for oid != 0 && oid.Elem() == sqltype.Invalid {
		d, err := b.resolver.domain(oid)
		if err != nil || d == nil {
			return "", err
		}
		b.dependType(oid)
		if d.Default != "" {
			return d.Default, nil
		}
		oid = d.Parent
	}
	return "", nil
}

// asRecords prepares a composite value and what it is compared with.
func (b *builder) asRecords(l, r Expr) (Expr, Expr, error) {
	sides := [2]Expr{l, r}
	for i, e := range sides {
		if row, ok := e.(*Row); ok && row.Composite != 0 {
			cp := *row
			cp.Composite, cp.Names = 0, nil
			sides[i] = &cp
		} else if compositeOf(e) != nil {
			sides[i] = &Cast{X: e, T: recordType, P: e.Pos()}
		}
	}
	return sides[0], sides[1], nil
}
