package session

import (
	"context"
	"slices"
	"strings"

	"weir/catalog"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

func (s *Session) analyzeCopy(ctx context.Context, stmt *ast.Copy, src source) (command, error) {
	if err := copyTarget(stmt.File, stmt.Program); err != nil {
		return nil, err
	}
	format, err := copyOptions(stmt)
	if err != nil {
		return nil, err
	}
	if stmt.From {
		return s.analyzeCopyFrom(ctx, stmt, format)
	}
	inner := stmt.Query
	if inner == nil {
		only, cols := "", stmt.Columns
		if t, err := s.table(ctx, stmt.Table); err == nil {
			if len(t.Children) > 0 {
				only = "ONLY "
			}
			if len(cols) == 0 {
				cols = ungenerated(t)
			}
		}
		if inner, err = parseOne("SELECT " + columnList(cols) + " FROM " + only + sqlName(stmt.Table)); err != nil {
			return nil, err
		}
	}
	st, err := s.analyze(ctx, source{stmt: inner, text: src.text}, nil)
	if err != nil {
		if stmt.Query == nil {
			err = at(err, stmt.Table.Pos())
		}
		return nil, err
	}
	if st.cmd.result() == nil {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "COPY query must have a RETURNING clause")
	}
	return &copyTo{cmd: st.cmd, format: format}, nil
}

// at moves an error to a position of the text that the client knows.
func at(err error, pos int) error {
	e := *sqlerr.As(err)
	e.Position = pos
	return &e
}

func parseOne(sql string) (ast.Statement, error) {
	list, err := parser.Parse(sql)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// ungenerated are the columns of a table that COPY reads and writes, nil when
// they are all.
func ungenerated(t *catalog.Table) []ast.Ident {
	var cols []ast.Ident
	for _, c := range t.Columns {
		if !c.Hidden && c.Generated == "" {
			cols = append(cols, ast.MakeIdent(c.Name))
		}
	}
	if !slices.ContainsFunc(t.Columns, func(c catalog.Column) bool { return c.Generated != "" }) {
		return nil
	}
	return cols
}

// columnList prints columns, * for none.
func columnList(cols []ast.Ident) string {
	if len(cols) == 0 {
		return "*"
	}
	return strings.Join(identNames(cols), ", ")
}

func identNames(cols []ast.Ident) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = sqlIdent(c)
	}
	return out
}

// sqlIdent prints a name so that it is read again as it was.
func sqlIdent(i ast.Ident) string {
	if !i.Quoted {
		return i.Text
	}
	return `"` + strings.ReplaceAll(i.Name, `"`, `""`) + `"`
}

func sqlName(n *ast.Name) string {
	parts := make([]string, len(n.Parts))
	for i, p := range n.Parts {
		parts[i] = sqlIdent(p)
	}
	return strings.Join(parts, ".")
}
