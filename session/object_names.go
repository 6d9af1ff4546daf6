package session

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"weir/catalog"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// objectNames reads and prints the reg… types.
type objectNames struct{ s *Session }

// rootRole is the OID of the one role that there is: the user connected.
const rootRole = 10

func (n *objectNames) name(reg sqltype.OID, oid uint32) (string, bool) {
	switch reg {
	case sqltype.Regclass:
		return n.s.relationName(oid)
	case sqltype.Regtype:
		if rel, ok := n.s.scoped().RowTypeRelation(oid); ok {
			return n.s.relationName(rel)
		}
		if sqltype.Lookup(sqltype.OID(oid)) == nil {
			return "", false
		}
		return sqltype.FormatType(sqltype.OID(oid), -1), true
	case sqltype.Regnamespace:
		return n.s.schemaName(oid)
	case sqltype.Regrole:
		if name, ok := (&system{s: n.s}).RoleName(oid); ok {
			return quoteIdent(name), true
		}
	case sqltype.Regproc, sqltype.Regprocedure:
		return n.function(reg, oid)
	}
	return "", false
}

func (n *objectNames) function(reg sqltype.OID, oid uint32) (string, bool) {
	name, args := "", []sqltype.OID(nil)
	if f := n.s.h.deps.Functions.Function(oid); f != nil {
		name, args = f.Name, f.Args
	} else if f, ok := n.s.scoped().FunctionByOID(oid); ok {
		name, args = quoteIdent(f.Name), f.Args
	} else {
		return "", false
	}
	if reg == sqltype.Regproc {
		return name, true
	}
	return name + "(" + typeList(args) + ")", true
}

// typeList prints types as regprocedure does.
func typeList(types []sqltype.OID) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = sqltype.FormatType(t, -1)
	}
	return strings.Join(names, ",")
}

// relationName is the name of a relation or an index, with its schema where the
// search path would not find it.
func (s *Session) relationName(oid uint32) (string, bool) {
	ctx, cat := context.Background(), s.scoped()
	visible, found := cat.RelationVisible(ctx, oid)
	if !found {
		return "", false
	}
	schema, name, ok := cat.IndexName(ctx, oid)
	if t, is := cat.RelationByOID(ctx, oid); is {
		schema, name, ok = t.Schema, t.Name, true
	}
	if visible {
		return quoteIdent(name), ok
	}
	return quoteIdent(schema) + "." + quoteIdent(name), ok
}

func (s *Session) schemaName(oid uint32) (string, bool) {
	name, ok := s.scoped().SchemaByOID(context.Background(), oid)
	return quoteIdent(name), ok
}

func (n *objectNames) oid(reg sqltype.OID, name string) (uint32, error) {
	if num, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(num), nil
	}
	parts := splitDotted(name)
	last := parts[len(parts)-1]
	switch reg {
	case sqltype.Regclass:
		return n.relation(name, parts)
	case sqltype.Regtype:
		return n.typeOID(name, parts)
	case sqltype.Regnamespace:
		if n.s.scoped().HasSchema(context.Background(), last) {
			return n.s.scoped().SchemaOID(last), nil
		}
		return 0, sqlerr.New(sqlerr.InvalidSchemaName, "schema \"%s\" does not exist", last)
	case sqltype.Regrole:
		if oid, ok := (&system{s: n.s}).RoleOID(last); ok {
			return oid, nil
		}
		return 0, sqlerr.New(sqlerr.UndefinedObject, "role \"%s\" does not exist", last)
	case sqltype.Regproc, sqltype.Regprocedure:
		return n.functionOID(reg, name, last)
	}
	return 0, sqlerr.New(sqlerr.FeatureNotSupported, "names of type %s are not supported", sqltype.FormatType(reg, -1))
}

// typeOID finds a type by its name: one of PostgreSQL's, one that was made, or
// the row of a table; [] behind it is the array.
func (n *objectNames) typeOID(name string, parts []string) (uint32, error) {
	plain := name
	if !strings.ContainsAny(name, "([ ") {
		plain = parts[len(parts)-1]
	}
	t, err := sqltype.ParseName(strings.TrimPrefix(plain, "pg_catalog."))
	if err == nil || sqlerr.As(err).Code != sqlerr.UndefinedObject {
		return uint32(t.OID), err
	}
	of, array := strings.CutSuffix(name, "[]")
	parts = splitDotted(of)
	last, schema := parts[len(parts)-1], ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	ctx, cat := context.Background(), n.s.scoped()
	oid, terr := cat.TypeNamed(ctx, schema, last)
	if terr != nil {
		return 0, terr
	}
	if oid == sqltype.Invalid {
		table, found, terr := cat.Table(ctx, schema, last, true)
		if terr != nil || !found {
			return 0, errors.Join(err, terr)
		}
		oid = planner.TableRow(table)
	}
	if array {
		oid = oid.Array()
	}
	return uint32(oid), nil
}

func (n *objectNames) relation(name string, parts []string) (uint32, error) {
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	t, ok := n.s.scoped().RelationNamed(context.Background(), schema, parts[len(parts)-1])
	if !ok {
		if oid, is := n.s.scoped().IndexNamed(context.Background(), schema, parts[len(parts)-1]); is {
			return oid, nil
		}
		return 0, sqlerr.New(sqlerr.UndefinedTable, "relation \"%s\" does not exist", name)
	}
	return t.OID, nil
}

func (n *objectNames) functionOID(reg sqltype.OID, name, last string) (uint32, error) {
	base, args, withArgs := strings.Cut(last, "(")
	var list []catalog.FunctionInfo
	for _, f := range n.s.h.deps.Functions.Functions(strings.ToLower(base)) {
		list = append(list, catalog.FunctionInfo{OID: f.OID, Args: f.Args})
	}
	list = append(list, n.s.scoped().FunctionsNamed(strings.ToLower(base))...)
	if !withArgs && reg == sqltype.Regproc {
		switch len(list) {
		case 0:
			return 0, sqlerr.New(sqlerr.UndefinedFunction, "function \"%s\" does not exist", name)
		case 1:
			return list[0].OID, nil
		}
		return 0, sqlerr.New(sqlerr.AmbiguousFunction, "more than one function named \"%s\"", name)
	}
	want := strings.ReplaceAll(strings.TrimSuffix(args, ")"), " ", "")
	for _, f := range list {
		if strings.ReplaceAll(typeList(f.Args), " ", "") == want {
			return f.OID, nil
		}
	}
	return 0, sqlerr.New(sqlerr.UndefinedFunction, "function \"%s\" does not exist", name)
}

// splitDotted splits a possibly quoted, possibly qualified name. Unquoted parts
// are folded.
func splitDotted(s string) []string {
	var parts []string
	var b strings.Builder
	inside := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && inside && i+1 < len(s) && s[i+1] == '"':
			i++
			b.WriteByte('"')
		case c == '"':
			inside = !inside
		case c == '.' && !inside:
			parts = append(parts, b.String())
			b.Reset()
		case !inside && c >= 'A' && c <= 'Z':
			b.WriteByte(c + 32)
		default:
			b.WriteByte(c)
		}
	}
	return append(parts, b.String())
}
