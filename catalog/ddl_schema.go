package catalog

import (
	"context"
	"strings"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// parseQuery reads the text of a view.
func parseQuery(sql string) (*ast.Query, error) {
	stmts, err := parser.Parse(sql)
	if err != nil {
		return nil, err
	}
	if len(stmts) == 1 {
		if q, ok := stmts[0].(*ast.Query); ok {
			return q, nil
		}
	}
	return nil, sqlerr.New(sqlerr.InternalError, "a view's definition is no query")
}

// createSchema makes a database. MongoDB makes it with its first collection, so
// the catalog remembers it until then.
func (d *ddl) createSchema(ctx context.Context, x *ast.CreateSchema) error {
	name := x.Name.Name
	if name == "" { // AUTHORIZATION alone: the schema has its owner's name
		if name = x.Owner.Name; !x.Owner.Quoted && (name == "current_user" || name == "current_role" || name == "session_user") {
			return unsupported(x.Owner.Pos(), "Name the schema: CREATE SCHEMA name.", "CREATE SCHEMA AUTHORIZATION %s is not supported", strings.ToUpper(name))
		}
	}
	if len(x.Elements) > 0 {
		return unsupported(x.Elements[0].Pos(), "Run the statements after CREATE SCHEMA.", "statements inside of CREATE SCHEMA are not supported")
	}
	if IsSystemSchema(name) || name == "admin" || name == "local" || name == "config" {
		return sqlerr.New("42939", "unacceptable schema name %q", name).At(x.Name.Pos())
	}
	if d.HasSchema(ctx, name) {
		if x.IfNotExists {
			d.out.notice(sqlerr.DuplicateSchema, "schema %q already exists, skipping", name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateSchema, "schema %q already exists", name).At(x.Name.Pos())
	}
	o := &object{DB: name, Kind: "schema", OID: int64(d.SchemaOID(name)), Owner: x.Owner.Name}
	return d.save(ctx, o)
}

// alterObject is ALTER SCHEMA | TYPE | DOMAIN … OWNER TO, which changes nothing:
// who may do what is said by MongoDB's roles.
func (d *ddl) alterObject(ctx context.Context, x *ast.AlterObject) error {
	id := x.Name.Last()
	switch {
	case x.Action != ast.OwnerTo:
	case x.Kind == ast.KindSchema:
		if !d.HasSchema(ctx, id.Name) {
			return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", id.Text).At(x.Name.Pos())
		}
		return nil
	case x.Kind == ast.KindType || x.Kind == ast.KindDomain:
		oid, err := d.TypeNamed(ctx, x.Name.Qualifier().Name, id.Name)
		if err == nil && oid == sqltype.Invalid {
			err = sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", id.Text).At(x.Name.Pos())
		}
		return err
	}
	return unsupported(x.Pos(), "Create it anew.", "this change of a %s is not supported", strings.ToLower(string(x.Kind)))
}

// dropSchema drops a database.
func (d *ddl) dropSchema(ctx context.Context, x *ast.Drop) error {
	for _, n := range x.Names {
		name := n.Last().Name
		if name == PublicSchema || IsSystemSchema(name) || name == d.scope.Database {
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop schema %s because it is required by the database system", name).At(n.Pos())
		}
		if !d.HasSchema(ctx, name) {
			if x.IfExists {
				d.out.notice(sqlerr.SuccessfulCompletion, "schema %q does not exist, skipping", name)
				continue
			}
			return sqlerr.New(sqlerr.InvalidSchemaName, "schema %q does not exist", name).At(n.Pos())
		}
		known, err := d.database(ctx, name, 0)
		if err != nil {
			return err
		}
		if len(known.sorted) > 0 && x.Behavior != ast.Cascade {
			return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop schema %s because other objects depend on it", name).At(n.Pos()).
				WithDetail("table %s.%s depends on schema %s", name, known.sorted[0], name).
				WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
		}
		if err := d.dropEverything(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
