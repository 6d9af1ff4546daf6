package catalog

import (
	"context"

	"weir/parser/ast"
	"weir/sqlerr"
)

func (d *ddl) comment(ctx context.Context, x *ast.Comment) error {
	text := ""
	if x.Text != nil {
		text = x.Text.Value
	}
	switch x.Kind {
	case ast.KindTable, ast.KindView, ast.KindMaterializedView, ast.KindSequence:
		t, err := d.find(ctx, x.Name, "relation", false)
		if err != nil {
			return err
		}
		o, err := d.objectOf(ctx, t)
		if err != nil {
			return err
		}
		o.Comment = text
		return d.save(ctx, o)
	case ast.KindColumn:
		return d.commentColumn(ctx, x, text)
	case ast.KindDatabase, ast.KindSchema, ast.KindIndex, ast.KindConstraint:
		d.out.notice(sqlerr.FeatureNotSupported, "comments on %s are not kept", x.Kind)
		return nil
	}
	return unsupported(x.Pos(), "Tables, views, sequences and columns can have comments.", "COMMENT ON %s is not supported", x.Kind)
}

func (d *ddl) commentColumn(ctx context.Context, x *ast.Comment, text string) error {
	parts := x.Name.Parts
	if len(parts) < 2 {
		return sqlerr.New(sqlerr.SyntaxError, "column name must be qualified").At(x.Name.Pos())
	}
	t, err := d.find(ctx, &ast.Name{Span: x.Name.Span, Parts: parts[:len(parts)-1]}, "relation", false)
	if err != nil {
		return err
	}
	c := foldColumn(t.Columns, x.Name.Last())
	if c == nil {
		return sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", x.Name.Last().Text, t.Name).At(x.Name.Pos())
	}
	o, err := d.objectOf(ctx, t)
	if err != nil {
		return err
	}
	oc := o.column(c.Name)
	if oc == nil {
		o.Columns = append(o.Columns, objectColumn{Name: c.Name, Path: c.Path, Type: int64(c.Type.OID), Mod: c.Type.Mod})
		oc = &o.Columns[len(o.Columns)-1]
	}
	oc.Comment = text
	return d.save(ctx, o)
}
