package session

import (
	"context"
	"strconv"
	"strings"

	"weir/catalog"
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
		t, ok := n.s.scoped().RelationByOID(context.Background(), oid)
		if !ok {
			return "", false
		}
		return n.s.relationName(t), true
	case sqltype.Regtype:
		if sqltype.Lookup(sqltype.OID(oid)) == nil {
			return "", false
		}
		return sqltype.FormatType(sqltype.OID(oid), -1), true
	case sqltype.Regnamespace:
		return n.s.schemaName(oid)
	case sqltype.Regrole:
		if oid == rootRole {
			return quoteIdent(n.s.start.User), true
		}
	case sqltype.Regproc, sqltype.Regprocedure:
		return n.function(reg, oid)
	}
	return "", false
}

func (n *objectNames) function(reg sqltype.OID, oid uint32) (string, bool) {
	f := n.s.h.deps.Functions.Function(oid)
	if f == nil {
		return "", false
	}
	if reg == sqltype.Regproc {
		return f.Name, true
	}
	args := make([]string, len(f.Args))
	for i, a := range f.Args {
		args[i] = sqltype.FormatType(a, -1)
	}
	return f.Name + "(" + strings.Join(args, ",") + ")", true
}

// relationName is a relation's name with its schema where the search path
// would not find it.
func (s *Session) relationName(t *catalog.Table) string {
	found, ok, err := s.scoped().Table(context.Background(), "", t.Name, true)
	if ok && err == nil && found.OID == t.OID {
		return quoteIdent(t.Name)
	}
	return quoteIdent(t.Schema) + "." + quoteIdent(t.Name)
}

func (s *Session) schemaName(oid uint32) (string, bool) {
	snap, err := s.scoped().Snapshot(context.Background(), false)
	if err != nil {
		return "", false
	}
	for _, sch := range snap.Schemas {
		if sch.OID == oid {
			return quoteIdent(sch.Name), true
		}
	}
	return "", false
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
		t, err := sqltype.ParseName(strings.TrimPrefix(name, "pg_catalog."))
		return uint32(t.OID), err
	case sqltype.Regnamespace:
		if n.s.scoped().HasSchema(context.Background(), last) {
			return n.s.scoped().SchemaOID(last), nil
		}
		return 0, sqlerr.New(sqlerr.InvalidSchemaName, "schema \"%s\" does not exist", last)
	case sqltype.Regrole:
		if last == n.s.start.User {
			return rootRole, nil
		}
		return 0, sqlerr.New(sqlerr.UndefinedObject, "role \"%s\" does not exist", last)
	case sqltype.Regproc, sqltype.Regprocedure:
		return n.functionOID(reg, name, last)
	}
	return 0, sqlerr.New(sqlerr.FeatureNotSupported, "names of type %s are not supported", sqltype.FormatType(reg, -1))
}

func (n *objectNames) relation(name string, parts []string) (uint32, error) {
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	t, ok := n.s.scoped().RelationNamed(context.Background(), schema, parts[len(parts)-1])
	if !ok {
		return 0, sqlerr.New(sqlerr.UndefinedTable, "relation \"%s\" does not exist", name)
	}
	return t.OID, nil
}

func (n *objectNames) functionOID(reg sqltype.OID, name, last string) (uint32, error) {
	base, args, withArgs := strings.Cut(last, "(")
	list := n.s.h.deps.Functions.Functions(strings.ToLower(base))
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
		var have []string
		for _, a := range f.Args {
			have = append(have, strings.ReplaceAll(sqltype.FormatType(a, -1), " ", ""))
		}
		if strings.Join(have, ",") == want {
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
