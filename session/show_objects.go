package session

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// analyzeShowObjects is MySQL's SHOW TABLES and its kin, with MySQL's columns.
func (s *Session) analyzeShowObjects(_ context.Context, stmt *ast.ShowObjects) (command, error) {
	shown := sqlfunc.ShowLike(stmt.Like)
	l := &listing{verb: "SELECT"}
	var list func(ctx context.Context, s *Session) ([][]string, error)
	switch stmt.What {
	case "TABLES", "COLLECTIONS":
		db := s.start.Database
		if stmt.Of != nil {
			db = stmt.Of.Last().Text
		}
		l.cols = textColumns("Tables_in_" + db)
		if stmt.Full {
			l.cols = textColumns("Tables_in_"+db, "Table_type")
		}
		list = func(ctx context.Context, s *Session) ([][]string, error) { return s.listTables(ctx, db, stmt.Full) }
	case "DATABASES":
		l.cols = textColumns("Database")
		list = func(ctx context.Context, s *Session) ([][]string, error) { return s.listDatabases(ctx) }
	case "COLUMNS":
		l.cols = textColumns("Field", "Type", "Null", "Key", "Default", "Extra")
		list = func(ctx context.Context, s *Session) ([][]string, error) { return s.listColumns(ctx, stmt.Of) }
	case "INDEXES":
		l.cols = textColumns("Table", "Non_unique", "Key_name", "Seq_in_index", "Column_name")
		list = func(ctx context.Context, s *Session) ([][]string, error) { return s.listIndexes(ctx, stmt.Of) }
	default:
		return nil, sqlerr.Unsupported(stmt.Pos(), "There are SHOW TABLES, DATABASES, COLUMNS FROM t and INDEXES FROM t.", "SHOW %s is not supported", stmt.What)
	}
	l.make = func(ctx context.Context, s *Session, _ *call) ([]bson.Raw, error) {
		found, err := list(ctx, s)
		if err != nil {
			return nil, err
		}
		var docs []bson.Raw
		for _, row := range found {
			if shown(row[0]) {
				docs = append(docs, textRow(l.cols, row...))
			}
		}
		return docs, nil
	}
	return l, nil
}

func (s *Session) listTables(ctx context.Context, db string, full bool) ([][]string, error) {
	scope := s.scoped()
	snap, err := scope.Snapshot(ctx, false)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, t := range snap.Tables {
		if t.Kind == catalog.Sequence || catalog.IsSystemSchema(t.Schema) || scope.DatabaseOf(t.Schema) != db {
			continue
		}
		row := []string{t.Name}
		if full {
			kind := "BASE TABLE"
			if t.Kind == catalog.View || t.Kind == catalog.MongoView {
				kind = "VIEW"
			}
			row = append(row, kind)
		}
		out = append(out, row)
	}
	return out, nil
}

func (s *Session) listDatabases(ctx context.Context) ([][]string, error) {
	snap, err := s.scoped().Snapshot(ctx, false)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, db := range snap.Databases {
		out = append(out, []string{db})
	}
	return out, nil
}

func (s *Session) listColumns(ctx context.Context, name *ast.Name) ([][]string, error) {
	t, err := s.table(ctx, name)
	if err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, x := range t.Indexes {
		for i, k := range x.Keys {
			switch {
			case x.Primary:
				keys[k.Path] = "PRI"
			case keys[k.Path] == "" && i == 0 && x.Unique:
				keys[k.Path] = "UNI"
			case keys[k.Path] == "" && i == 0:
				keys[k.Path] = "MUL"
			}
		}
	}
	var out [][]string
	for _, c := range t.Columns {
		null := "YES"
		if c.NotNull {
			null = "NO"
		}
		extra := ""
		if c.Identity != 0 {
			extra = "auto_increment"
		}
		out = append(out, []string{c.Name, sqltype.FormatType(c.Type.OID, c.Type.Mod), null, keys[strings.Join(c.Path, ".")], c.Default, extra})
	}
	return out, nil
}

func (s *Session) listIndexes(ctx context.Context, name *ast.Name) ([][]string, error) {
	t, err := s.table(ctx, name)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for _, x := range t.Indexes {
		for i, k := range x.Keys {
			non := "1"
			if x.Unique || x.Primary {
				non = "0"
			}
			out = append(out, []string{t.Name, non, x.Name, itoa(i + 1), k.Path})
		}
	}
	return out, nil
}

// table finds a relation by a name of a statement.
func (s *Session) table(ctx context.Context, n *ast.Name) (*catalog.Table, error) {
	schema, err := s.schemaOf(n)
	if err != nil {
		return nil, err
	}
	last := n.Last()
	name := last.Text
	if last.Quoted {
		name = last.Name
	}
	t, found, err := s.scoped().Table(ctx, schema, name, last.Quoted)
	if err != nil {
		return nil, at(err, n.Pos())
	}
	if !found {
		e := sqlerr.New(sqlerr.UndefinedTable, "relation \"%s\" does not exist", sqlName(n)).At(n.Pos())
		if near := s.scoped().Near(ctx, last.Name); len(near) > 0 {
			e = e.WithHint("Perhaps you meant %s.", strings.Join(near, " or "))
		}
		return nil, e
	}
	return t, nil
}

// schemaOf reads the schema of a name; "" is the search path. A database
// before it must be the one connected to.
func (s *Session) schemaOf(n *ast.Name) (string, error) {
	if len(n.Parts) > 2 && n.Parts[len(n.Parts)-3].Name != s.start.Database {
		return "", sqlerr.New(sqlerr.FeatureNotSupported, "cross-database references are not implemented: \"%s\"", sqlName(n)).At(n.Pos()).
			WithHint("Other databases are schemas here: write \"%s\".%s.", n.Parts[len(n.Parts)-3].Text, n.Last().Text)
	}
	return n.Qualifier().Name, nil
}
