package catalog

import (
	"context"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

func itoa(n int) string { return strconv.Itoa(n) }

// createIndexes makes indexes by MongoDB's command.
func (d *ddl) createIndexes(ctx context.Context, db, coll string, list []newIndex) error {
	if len(list) == 0 {
		return nil
	}
	return d.run(ctx, db, func(b *value.Builder) {
		b.Add("createIndexes", value.String(coll))
		b.Open(bson.TypeArray, "indexes")
		for _, ix := range list {
			b.OpenItem(bson.TypeEmbeddedDocument)
			b.Open(bson.TypeEmbeddedDocument, "key")
			for _, k := range ix.keys {
				switch {
				case k.Kind != "":
					b.Add(k.Path, value.String(k.Kind))
				case k.Desc:
					b.Add(k.Path, value.Int32(-1))
				default:
					b.Add(k.Path, value.Int32(1))
				}
			}
			for _, k := range ix.keys {
				if k.Fine {
					b.Add(finePath(k.Path), value.Int32(1))
				}
			}
			b.Close()
			b.Add("name", value.String(ix.name))
			if ix.unique {
				b.Add("unique", value.Bool(true))
			}
			if ix.partial != nil {
				b.Add("partialFilterExpression", value.Document(ix.partial))
			}
			if ix.ttl != nil {
				b.Add("expireAfterSeconds", value.Int64(*ix.ttl))
			}
			b.Close()
		}
		b.Close()
	})
}

func (d *ddl) createIndex(ctx context.Context, x *ast.CreateIndex) error {
	t, err := d.find(ctx, x.Table.Name, "relation", false)
	if err != nil {
		return err
	}
	if t.Kind != Collection && t.Kind != MaterializedView {
		return sqlerr.New(sqlerr.WrongObjectType, "cannot create index on relation %q", t.Name).At(x.Table.Pos())
	}
	ix := newIndex{name: x.Name.Name, unique: x.Unique}
	kind, err := indexMethod(x)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range x.Elems {
		k, err := indexKey(t, e)
		if err != nil {
			return err
		}
		k.Kind = kind
		ix.keys = append(ix.keys, k)
		names = append(names, strings.ReplaceAll(k.Path, ".", "_"))
	}
	if ix.name == "" {
		ix.name = freeIndexName(t, t.Name+"_"+strings.Join(names, "_")+"_idx")
	}
	for _, have := range t.shownIndexes() {
		if have.name == ix.name || have.Name == ix.name {
			if x.IfNotExists {
				d.out.notice(sqlerr.DuplicateTable, "relation %q already exists, skipping", ix.name)
				return nil
			}
			return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", ix.name).At(x.Name.Pos())
		}
	}
	if err := indexOptions(&ix, x.Options); err != nil {
		return err
	}
	if err := d.indexFilter(&ix, t, x); err != nil {
		return err
	}
	ix.withFine(t)
	if err := ix.checkWide(t); err != nil {
		return sqlerr.As(err).At(x.Pos())
	}
	if same := ix.sameAs(t); same != nil && same.Name != "_id_" {
		return d.aliasIndex(ctx, t, &ix, same)
	}
	if err := d.createIndexes(ctx, t.NS.DB, t.NS.Coll, []newIndex{ix}); err != nil {
		return err
	}
	d.made(ast.KindIndex, t.Schema, ix.name)
	return d.Analyze(ctx, t.NS)
}

func freeIndexName(t *Table, base string) string {
	name := base
	for n := 1; ; n++ {
		taken := false
		for _, ix := range t.shownIndexes() {
			taken = taken || ix.name == name || ix.Name == name
		}
		if !taken {
			return name
		}
		name = base + itoa(n)
	}
}

func indexMethod(x *ast.CreateIndex) (string, error) {
	switch x.Method.Name {
	case "", "btree":
		return "", nil
	case "hash":
		return "hashed", nil
	}
	return "", unsupported(x.Method.Pos(), "Leave USING out, or write USING hash.", "index method %q is not supported", x.Method.Text)
}

// indexKey reads a column or a path; expressions have no index in MongoDB.
func indexKey(t *Table, e *ast.IndexElem) (IndexKey, error) {
	c, ok := e.Expr.(*ast.ColumnRef)
	if !ok {
		return IndexKey{}, unsupported(e.Pos(), "Store the value in a field of its own and index that.", "indexes on expressions are not supported")
	}
	path, err := pathOf(t, c)
	return IndexKey{Path: path, Desc: e.Direction == ast.Descending}, err
}

// pathOf finds the document path of a column or of a path below one.
func pathOf(t *Table, c *ast.ColumnRef) (string, error) {
	var path []string
	cols := t.Columns
	for i, p := range c.Parts {
		col := foldColumn(cols, p)
		switch {
		case col != nil:
			path, cols = col.Path, col.Fields
		case i == 0 && !t.Open:
			return "", sqlerr.New(sqlerr.UndefinedColumn, "column %q does not exist", p.Text).At(p.Pos())
		default:
			path, cols = append(append([]string(nil), path...), p.Text), nil
		}
	}
	return strings.Join(path, "."), nil
}

// foldColumn finds a column exactly, else in any case if that is unique.
func foldColumn(cols []Column, id ast.Ident) *Column {
	for _, name := range []string{id.Name, id.Text} {
		if c := findColumn(cols, name); c != nil {
			return c
		}
	}
	var found *Column
	for i := range cols {
		if strings.EqualFold(cols[i].Name, id.Name) {
			if found != nil {
				return nil
			}
			found = &cols[i]
		}
	}
	return found
}

func indexOptions(ix *newIndex, opts []*ast.Option) error {
	for _, o := range opts {
		switch o.Name.Name {
		case "expire_after_seconds":
			n, ok := o.Value.(*ast.NumberLiteral)
			if !ok {
				return sqlerr.New(sqlerr.InvalidParameterValue, "expire_after_seconds must be a number").At(o.Pos())
			}
			sec, err := strconv.ParseInt(n.Text, 10, 32)
			if err != nil {
				return sqlerr.New(sqlerr.InvalidParameterValue, "expire_after_seconds must be a whole number of seconds").At(o.Pos())
			}
			ix.ttl = &sec
		case "fillfactor", "deduplicate_items", "fastupdate":
		default:
			return sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized parameter %q", o.Name.Text).At(o.Pos()).
				WithHint("expire_after_seconds makes a TTL index.")
		}
	}
	return nil
}

// indexFilter makes the partial filter: WHERE, and for unique indexes of
// declared tables the rule that NULLs do not collide.
func (d *ddl) indexFilter(ix *newIndex, t *Table, x *ast.CreateIndex) error {
	if x.Where != nil {
		var b value.Builder
		if err := partialFilter(&b, t, x.Where, x.Unique); err != nil {
			return err
		}
		ix.partial = b.Doc()
		return nil
	}
	if !x.Unique || x.NullsNotDistinct || t.Open {
		return nil
	}
	tb := &tableBuilder{d: d, o: &object{}}
	var names []string
	for i := range t.Columns {
		c := &t.Columns[i]
		tb.o.Columns = append(tb.o.Columns, objectColumn{Name: c.Name, Type: int64(c.Type.OID), Mod: c.Type.Mod, NotNull: c.NotNull})
	}
	for _, k := range ix.keys {
		if tb.o.column(k.Path) != nil {
			names = append(names, k.Path)
		}
	}
	ix.partial = tb.notNullFilter(names)
	return nil
}

var partialOperators = map[string]string{"=": "$eq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}

// partialFilter writes conditions that MongoDB can index by: comparisons of
// columns with constants, joined by AND.
func partialFilter(b *value.Builder, t *Table, e ast.Expr, unique bool) error {
	switch x := e.(type) {
	case *ast.AndExpr:
		for _, o := range x.Operands {
			if err := partialFilter(b, t, o, unique); err != nil {
				return err
			}
		}
		return nil
	case *ast.BinaryExpr:
		c, ok := x.Left.(*ast.ColumnRef)
		op, known := partialOperators[x.Op.Symbol]
		v, isConst := constant(x.Right)
		if !ok || !known || !isConst || unique && !t.wholeMillis(c, op) {
			break
		}
		return addCondition(b, t, c, op, v)
	case *ast.ColumnRef:
		return addCondition(b, t, x, "$eq", value.Bool(true))
	case *ast.IsExpr:
		if c, ok := x.Operand.(*ast.ColumnRef); ok && x.Not && x.Test == ast.TestNull {
			return addCondition(b, t, c, "$exists", value.Bool(true))
		}
	}
	return unsupported(e.Pos(), "Use comparisons of columns with constants, joined by AND.", "this condition is not supported for a partial index")
}

func addCondition(b *value.Builder, t *Table, c *ast.ColumnRef, op string, v value.Value) error {
	path, err := pathOf(t, c)
	if err != nil {
		return err
	}
	if col := findColumn(t.Columns, path); col != nil && v.IsString() && !col.Type.OID.IsString() {
		if v, err = sqltype.ParseText(v.Str(), col.Type, nil); err != nil {
			return sqlerr.As(err).At(c.Pos())
		}
	}
	b.Open(bson.TypeEmbeddedDocument, path)
	b.Add(op, v)
	b.Close()
	return nil
}

func constant(e ast.Expr) (value.Value, bool) {
	switch x := e.(type) {
	case *ast.StringLiteral:
		return value.String(x.Value), true
	case *ast.BoolLiteral:
		return value.Bool(x.Value), true
	case *ast.NumberLiteral:
		if n, err := strconv.ParseInt(x.Text, 10, 64); err == nil {
			return value.Int64(n), true
		}
		f, err := strconv.ParseFloat(x.Text, 64)
		return value.Double(f), err == nil
	}
	return value.Value{}, false
}
