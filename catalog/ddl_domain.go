package catalog

import (
	"context"
	"slices"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

func (d *ddl) createDomain(ctx context.Context, x *ast.CreateDomain) error {
	o, err := d.newType(ctx, x.Name)
	if err != nil {
		return err
	}
	t, parent, err := d.TypeName(ctx, x.Type)
	if err != nil {
		return err
	}
	if info := sqltype.Lookup(t.OID); info == nil || info.Kind == 'p' {
		return sqlerr.New(sqlerr.DatatypeMismatch, "%q is not a valid base type for a domain", x.Type.Name.Text).At(x.Type.Pos())
	}
	if parent != 0 && parent.Def() == nil {
		return unsupported(x.Type.Pos(), "Make the domain over an array of the base type.", "a domain over arrays of a domain is not supported")
	}
	if x.Collation != nil {
		if err := knownCollation(x.Collation); err != nil {
			return err
		}
		if !t.OID.IsString() {
			return sqlerr.New(sqlerr.DatatypeMismatch, "collations are not supported by type %s", t.OID).At(x.Collation.Pos())
		}
	}
	o.Type.Kind, o.Type.Base, o.Type.Mod, o.Type.Parent = "domain", int64(t.OID), t.Mod, int64(parent)
	null := false
	for _, k := range x.Constraints {
		switch k.Kind {
		case ast.ConstraintNotNull, ast.ConstraintNull:
			if (null || o.Type.NotNull) && (k.Kind == ast.ConstraintNotNull) != o.Type.NotNull {
				return sqlerr.New(sqlerr.SyntaxError, "conflicting NULL/NOT NULL constraints").At(k.Pos())
			}
			null, o.Type.NotNull = true, k.Kind == ast.ConstraintNotNull
		case ast.ConstraintDefault:
			if o.Type.Default != "" {
				return sqlerr.New(sqlerr.SyntaxError, "multiple default expressions").At(k.Pos())
			}
			if err := d.planner.CheckExpr(ctx, k.Expr, nil, t); err != nil {
				return err
			}
			o.Type.Default = ast.Print(k.Expr)
		case ast.ConstraintCheck:
			if err := d.addDomainCheck(ctx, o, k); err != nil {
				return err
			}
		case ast.ConstraintUnique, ast.ConstraintPrimaryKey, ast.ConstraintReferences:
			return sqlerr.New(sqlerr.SyntaxError, "%s constraints not possible for domains", domainWords[k.Kind]).At(k.Pos())
		default:
			return unsupported(k.Pos(), "Leave it out.", "this constraint is not supported for domains")
		}
	}
	return d.saveType(ctx, o)
}

var domainWords = map[ast.ConstraintKind]string{
	ast.ConstraintUnique: "unique", ast.ConstraintPrimaryKey: "primary key", ast.ConstraintReferences: "foreign key",
}

func knownCollation(n *ast.Name) error {
	switch name := n.Last().Text; name {
	case "C", "POSIX", "default", "ucs_basic", "c":
		return nil
	default:
		return unsupported(n.Pos(), `Use COLLATE "C", or set weir.collation for the connection.`, "collation %q is not supported", name)
	}
}

// addDomainCheck binds a CHECK over VALUE and keeps its text.
func (d *ddl) addDomainCheck(ctx context.Context, o *object, k *ast.Constraint) error {
	base := sqltype.Type{OID: sqltype.OID(o.Type.Base), Mod: o.Type.Mod}
	over := &Table{Name: o.Name, Columns: []Column{{Name: DomainValue, Path: []string{DomainValue}, Type: base, Kinds: DeclaredKinds(base)}}}
	if err := d.planner.CheckExpr(ctx, k.Expr, over, sqltype.Of(sqltype.Bool)); err != nil {
		return err
	}
	name := k.Name.Name
	taken := func(n string) bool {
		return slices.ContainsFunc(o.Type.Checks, func(c objectCheck) bool { return c.Name == n })
	}
	if name == "" {
		name = o.Name + "_check"
		for i := 1; taken(name); i++ {
			name = o.Name + "_check" + itoa(i)
		}
	} else if taken(name) {
		return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for domain %q already exists", name, o.Name).At(k.Pos())
	}
	o.Type.Checks = append(o.Type.Checks, objectCheck{OID: newTypeOID(), Name: name, SQL: ast.Print(k.Expr)})
	return nil
}

// DomainValue is the name by which the CHECK of a domain knows the value.
const DomainValue = "value"

func (d *ddl) alterDomain(ctx context.Context, x *ast.AlterDomain) error {
	found, err := d.namedType(ctx, x.Name, false)
	if err != nil {
		return err
	}
	if found.Type.Kind != "domain" {
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a domain", found.Name).At(x.Name.Pos())
	}
	o := found.typeForChange()
	t := o.Type
	switch x.Action {
	case ast.DomainSetDefault:
		base := sqltype.Type{OID: sqltype.OID(t.Base), Mod: t.Mod}
		if err := d.planner.CheckExpr(ctx, x.Default, nil, base); err != nil {
			return err
		}
		t.Default = ast.Print(x.Default)
	case ast.DomainDropDefault:
		t.Default = ""
	case ast.DomainDropNotNull:
		t.NotNull = false
	case ast.DomainSetNotNull:
		if t.NotNull {
			return nil
		}
		t.NotNull = true
		if err := d.testDomain(ctx, o, nil); err != nil {
			return err
		}
	case ast.DomainAdd:
		return d.addToDomain(ctx, o, x)
	default:
		return d.alterDomainConstraint(ctx, o, x)
	}
	return d.changeType(ctx, o)
}

func (d *ddl) addToDomain(ctx context.Context, o *object, x *ast.AlterDomain) error {
	k := x.Constraint
	if k.Kind != ast.ConstraintCheck {
		return unsupported(k.Pos(), "Add a CHECK constraint.", "this constraint is not supported for domains")
	}
	if err := d.addDomainCheck(ctx, o, k); err != nil {
		return err
	}
	if !k.NotValid {
		if err := d.testDomain(ctx, o, k.Expr); err != nil {
			return err
		}
	}
	return d.changeType(ctx, o)
}

func (d *ddl) alterDomainConstraint(ctx context.Context, o *object, x *ast.AlterDomain) error {
	t := o.Type
	at := slices.IndexFunc(t.Checks, func(c objectCheck) bool { return c.Name == x.ConstraintRef.Name })
	if at < 0 {
		if x.IfExists {
			d.out.notice(sqlerr.SuccessfulCompletion, "constraint %q of domain %q does not exist, skipping", x.ConstraintRef.Text, o.Name)
			return nil
		}
		return sqlerr.New(sqlerr.UndefinedObject, "constraint %q of domain %q does not exist", x.ConstraintRef.Text, o.Name).At(x.ConstraintRef.Pos())
	}
	switch x.Action {
	case ast.DomainDropConstraint:
		t.Checks = slices.Delete(t.Checks, at, at+1)
	case ast.DomainRenameConstraint:
		t.Checks[at].Name = x.NewName.Name
	default:
		return unsupported(x.Pos(), "Drop the constraint and add it again.", "VALIDATE CONSTRAINT is not supported for domains")
	}
	return d.changeType(ctx, o)
}

// testDomain makes sure that the rows that are there obey a new rule of a
// domain: the condition, or NOT NULL without one.
func (d *ddl) testDomain(ctx context.Context, o *object, cond ast.Expr) error {
	users, err := d.usersOfType(ctx, o)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.isType() {
			return unsupported(0, "Drop the types that use the domain first.", "a new rule for a domain that other types are made of is not supported")
		}
		for _, c := range u.Columns {
			switch c.Domain {
			case o.OID:
			case o.Type.Array:
				return unsupported(0, "Change the columns' type first.", "a new rule for a domain that columns have arrays of is not supported")
			default:
				continue
			}
			col := ast.QuoteIdent(c.Name)
			sql := "SELECT 'x' FROM " + ast.QuoteIdent(d.SchemaOf(u.DB)) + "." + ast.QuoteIdent(u.Name) + " WHERE "
			if cond == nil {
				sql += col + " IS NULL LIMIT 1"
			} else {
				sql = "SELECT 'x' FROM (SELECT " + col + " AS " + DomainValue + " FROM " + ast.QuoteIdent(d.SchemaOf(u.DB)) + "." + ast.QuoteIdent(u.Name) +
					") q WHERE NOT (" + ast.Print(cond) + ") LIMIT 1"
			}
			if _, broken, err := d.planner.Text(ctx, sql); err != nil {
				return err
			} else if broken {
				if cond == nil {
					return sqlerr.New(sqlerr.NotNullViolation, "column %q of table %q contains null values", c.Name, u.Name)
				}
				return sqlerr.New(sqlerr.CheckViolation, "column %q of table %q contains values that violate the new constraint", c.Name, u.Name)
			}
		}
	}
	return nil
}
