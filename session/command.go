package session

import (
	"context"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
	"weir/wire"
)

// command is an analyzed statement.
type command interface {
	// result describes the rows; nil: it gives none.
	result() []column
	// open begins to run. Without rows it has ended, with the tag.
	open(ctx context.Context, s *Session, c *call) (rows, string, error)
}

// call is one running of a command.
type call struct {
	w       *wire.Writer
	args    []value.Value // of the parameters, in BSON form
	formats []int16       // of the result
	last    bool          // nothing that follows shares an implicit transaction
}

// rows are pulled one by one. A document is valid until the next one.
type rows interface {
	next(ctx context.Context) (bson.Raw, error) // io.EOF at the end
	// tag is CommandComplete's, after the end or at a row limit; n rows were fetched now.
	tag(n int) string
	close()
}

// column is a result column: where it is in the documents and what it is called.
type column struct {
	name   string
	path   []string
	orElse [][]string // where path leads to no value
	typ    sqltype.Type
	table  uint32
	attr   int16
}

// describeColumns makes the client's view of columns; formats may be nil.
func describeColumns(cols []column, formats []int16) []wire.Column {
	if cols == nil {
		return nil
	}
	out := make([]wire.Column, len(cols))
	for i, c := range cols {
		out[i] = wire.Column{
			Name: c.name, Table: c.table, Attr: c.attr, Type: uint32(shownType(c.typ.OID)),
			Len: typeLength(c.typ.OID), Mod: c.typ.Mod,
		}
		if i < len(formats) {
			out[i].Format = formats[i]
		}
	}
	return out
}

// shownType is the type that a client is told: rows whose type nobody made are records.
func shownType(oid sqltype.OID) sqltype.OID {
	if d := oid.Def(); d != nil && d.Schema == "" && d.Name == planner.RecordName {
		return sqltype.Record
	}
	return oid
}

func typeLength(oid sqltype.OID) int16 {
	if info := sqltype.Lookup(oid); info != nil {
		return info.Len
	}
	return -1
}

// encoder makes DataRows of a result's documents.
func encoder(cols []column, formats []int16, env *sqltype.Env) *sqltype.RowEncoder {
	list := make([]sqltype.ResultColumn, len(cols))
	for i, c := range cols {
		list[i] = sqltype.ResultColumn{Path: c.path, Else: c.orElse, Type: c.typ}
		if i < len(formats) {
			list[i].Format = formats[i]
		}
	}
	return sqltype.NewRowEncoder(list, env)
}

// utility is a command that gives no rows.
type utility func(ctx context.Context, s *Session, c *call) (string, error)

func (utility) result() []column { return nil }

func (u utility) open(ctx context.Context, s *Session, c *call) (rows, string, error) {
	tag, err := u(ctx, s, c)
	return nil, tag, err
}

// listing is a command whose rows are made at once.
type listing struct {
	cols []column
	verb string // the tag; with count the number of rows follows
	make func(ctx context.Context, s *Session, c *call) ([]bson.Raw, error)
}

func (l *listing) result() []column { return l.cols }

func (l *listing) open(ctx context.Context, s *Session, c *call) (rows, string, error) {
	docs, err := l.make(ctx, s, c)
	if err != nil {
		return nil, "", err
	}
	return &listed{docs: docs, verb: l.verb}, "", nil
}

// listed are rows that are all here.
type listed struct {
	docs []bson.Raw
	verb string
}

func (l *listed) next(context.Context) (bson.Raw, error) {
	if len(l.docs) == 0 {
		return nil, io.EOF
	}
	d := l.docs[0]
	l.docs = l.docs[1:]
	return d, nil
}

func (l *listed) tag(n int) string {
	if l.verb == "SELECT" || l.verb == "FETCH" {
		return fmt.Sprintf("%s %d", l.verb, n)
	}
	return l.verb
}

func (l *listed) close() { l.docs = nil }

// textColumns are columns of type text named as the fields of their documents.
func textColumns(names ...string) []column {
	cols := make([]column, len(names))
	for i, n := range names {
		cols[i] = column{name: n, path: []string{n}, typ: sqltype.Of(sqltype.Text)}
	}
	return cols
}

// textRow makes a document of text columns.
func textRow(cols []column, values ...string) bson.Raw {
	at, b := bsoncore.AppendDocumentStart(nil)
	for i, v := range values {
		b = bsoncore.AppendStringElement(b, cols[i].path[0], v)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, at)
	return b
}
