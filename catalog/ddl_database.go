package catalog

import (
	"context"
	"strings"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
)

// createDatabase notes a database, which MongoDB makes with its first
// collection. Any other can be connected to as well; this one is listed.
func (d *ddl) createDatabase(ctx context.Context, x *ast.CreateDatabase) error {
	name := x.Name.Name
	if err := databaseOptions(x.Options); err != nil {
		return err
	}
	if IsSystemSchema(name) || name == PublicSchema || name == "admin" || name == "local" || name == "config" {
		return sqlerr.New("42939", "unacceptable database name %q", name).At(x.Name.Pos())
	}
	if name == d.scope.Database || d.HasSchema(ctx, name) {
		if x.IfNotExists {
			d.out.notice(sqlerr.DuplicateDatabase, "database %q already exists, skipping", name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateDatabase, "database %q already exists", name).At(x.Name.Pos())
	}
	return d.save(ctx, &object{DB: name, Kind: "schema", OID: int64(d.SchemaOID(name))})
}

// databaseOptions refuses what a database here cannot be: a copy, or of another
// encoding.
func databaseOptions(opts []*ast.Option) error {
	for _, o := range opts {
		text := optionText(o.Value)
		switch strings.ToLower(o.Name.Name) {
		case "template":
			if text != "template0" && text != "template1" && text != "default" {
				return unsupported(o.Pos(), "Leave TEMPLATE out.", "copying database %q is not supported", text)
			}
		case "encoding":
			if e := strings.ToUpper(strings.ReplaceAll(text, "-", "")); e != "UTF8" && e != "UNICODE" && e != "6" && e != "DEFAULT" {
				return unsupported(o.Pos(), "Every database is UTF8.", "encoding %q is not supported", text)
			}
		case "owner", "lc_collate", "lc_ctype", "locale", "locale_provider", "icu_locale", "tablespace", "strategy",
			"allow_connections", "connection_limit", "connection limit", "is_template", "collation_version", "oid":
		default:
			return sqlerr.New(sqlerr.SyntaxError, "option %q not recognized", o.Name.Text).At(o.Pos())
		}
	}
	return nil
}

// optionText is an option's word, string or number.
func optionText(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StringLiteral:
		return x.Value
	case *ast.NumberLiteral:
		return x.Text
	case *ast.ColumnRef:
		return x.Parts[len(x.Parts)-1].Name
	case *ast.Default:
		return "default"
	}
	return ""
}

// dropDatabase drops a database with all that is in it.
func (d *ddl) dropDatabase(ctx context.Context, x *ast.Drop) error {
	name, pos := x.Names[0].Last().Name, x.Names[0].Pos()
	switch {
	case name == d.scope.Database:
		return sqlerr.New(sqlerr.ObjectInUse, "cannot drop the currently open database").At(pos)
	case !d.HasSchema(ctx, name) || IsSystemSchema(name) || name == PublicSchema:
		if x.IfExists {
			d.out.notice(sqlerr.SuccessfulCompletion, "database %q does not exist, skipping", name)
			return nil
		}
		return sqlerr.New(sqlerr.InvalidCatalogName, "database %q does not exist", name).At(pos)
	}
	return d.dropEverything(ctx, name)
}

// dropEverything drops a database and what the catalog knows of it.
func (d *ddl) dropEverything(ctx context.Context, name string) error {
	known, err := d.database(ctx, name, 0)
	if err != nil {
		return err
	}
	if err := d.unreferencedFromElsewhere(ctx, known); err != nil {
		return err
	}
	for _, o := range known.objects {
		if err := d.deleteObject(ctx, o.DB, o.Name); err != nil {
			return err
		}
	}
	if err := d.run(ctx, name, func(b *value.Builder) { b.Add("dropDatabase", value.Int32(1)) }); err != nil {
		return err
	}
	return d.deleteObject(ctx, name, "")
}
