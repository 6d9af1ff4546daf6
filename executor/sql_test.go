package executor_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine"
	"weir/engine/value"
	"weir/executor"
	"weir/parser"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// stack is everything below a session, on an engine in memory.
type stack struct {
	st     store.Store
	cat    *catalog.Catalog
	funcs  *sqlfunc.Table
	lib    *sqlfunc.Library
	strict bool
	remote bool // translate as for a remote server
	tx     store.Tx
}

func newStack(t testing.TB) *stack {
	st, err := engine.Open("", engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	s := &stack{st: st, cat: catalog.New(st, catalog.Options{Functions: tableFunctions(), Relations: virtualTables()}), funcs: sqlfunc.New(), strict: true}
	s.lib = s.funcs.Library()
	return s
}

// virtualTables is a relation whose rows are made here.
func virtualTables() []*catalog.Table {
	text := sqltype.Of(sqltype.Text)
	return []*catalog.Table{{Schema: "weir", Name: "shapes", Kind: catalog.Virtual,
		Columns: []catalog.Column{{Name: "name", Attr: 1, Type: text, Path: []string{"name"}}, {Name: "sides", Attr: 2, Type: sqltype.Of(sqltype.Int4), Path: []string{"sides"}}},
		Rows: func(context.Context, catalog.Session) (store.Cursor, error) {
			return docsCursor(`{"name":"triangle","sides":3}`, `{"name":"square","sides":4}`, `{"name":"line"}`), nil
		}}}
}

// tableFunctions is a function whose rows are a collection's.
func tableFunctions() []*catalog.Table {
	return []*catalog.Table{{Schema: "weir", Name: "big_orders", Kind: catalog.Function,
		Columns: []catalog.Column{{Name: "cust", Attr: 1, Type: sqltype.Of(sqltype.Text), Path: []string{"cust"}}, {Name: "total", Attr: 2, Type: sqltype.Of(sqltype.Int4), Path: []string{"total"}}},
		Params:  []catalog.Param{{Name: "least", Type: sqltype.Of(sqltype.Int4)}},
		Function: func(_ context.Context, _ catalog.Session, args []bson.RawValue) (catalog.FunctionRows, error) {
			least := int64(0)
			if args[0].Type != 0 {
				least = value.FromRaw(args[0]).AsInt64()
			}
			stage := document(fmt.Sprintf(`{"$match":{"total":{"$gte":%d}}}`, least))
			return catalog.FunctionRows{NS: store.Namespace{DB: "shop", Coll: "orders"}, Pipeline: []bson.Raw{stage}}, nil
		}}}
}

type sliceCursor struct{ docs []bson.Raw }

func (c *sliceCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.docs) == 0 {
		return nil, io.EOF
	}
	d := c.docs[0]
	c.docs = c.docs[1:]
	return d, nil
}
func (c *sliceCursor) Close() error { return nil }

func docsCursor(docs ...string) store.Cursor {
	c := &sliceCursor{}
	for _, d := range docs {
		c.docs = append(c.docs, document(d))
	}
	return c
}

func document(s string) bson.Raw {
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(s), false, &d); err != nil {
		panic(fmt.Sprintf("%s: %s", s, err))
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return raw
}

func (s *stack) load(ctx context.Context, coll, lines string) error {
	var ops []store.WriteOp
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: document(line)})
	}
	res, err := s.st.Write(ctx, store.Namespace{DB: "shop", Coll: coll}, ops, store.WriteOptions{})
	if err != nil {
		return err
	}
	s.cat.Touch(store.Namespace{DB: "shop", Coll: coll})
	return res.Err()
}

func (s *stack) index(ctx context.Context, coll, path string) error {
	_, err := s.st.Command(ctx, "shop", document(fmt.Sprintf(`{"createIndexes":%q,"indexes":[{"key":{%q:1},"name":%q}]}`, coll, path, path+"_1")))
	if err != nil {
		return err
	}
	return s.cat.Analyze(ctx, store.Namespace{DB: "shop", Coll: coll})
}

func (s *stack) prepare(ctx context.Context, sql string) (*translator.Program, error) {
	stmts, err := parser.Parse(sql)
	if err != nil {
		return nil, err
	}
	env := &planner.Env{Resolver: s.cat.In(catalog.Scope{Database: "shop"}), Funcs: s.funcs, Strict: s.strict, Library: s.lib}
	plan, err := planner.Build(ctx, env, stmts[0], nil)
	if err != nil {
		return nil, err
	}
	caps := s.st.Capabilities()
	if s.remote {
		caps.Embedded = false
		caps.Version = [3]int{7, 0, 0}
	}
	return translator.Translate(plan, translator.Options{Capabilities: caps, Funcs: s.funcs, Library: s.lib, Strict: s.strict})
}

func (s *stack) stores() *executor.Stores {
	if s.tx != nil {
		return &executor.Stores{Main: s.tx}
	}
	return &executor.Stores{Main: s.st, Begin: s.st.Begin}
}

func (s *stack) transaction(ctx context.Context, word string) (err error) {
	switch word {
	case "begin":
		s.tx, err = s.st.Begin(ctx)
		return err
	case "commit":
		err = s.tx.Commit(ctx)
	case "rollback":
		err = s.tx.Abort(ctx)
	}
	s.tx = nil
	return err
}

// args reads parameters in their text form.
func args(p *translator.Program, texts []string) ([]value.Value, error) {
	out := make([]value.Value, len(p.Plan.Params))
	for i, t := range p.Plan.Params {
		if i >= len(texts) || texts[i] == "NULL" {
			out[i] = value.Null()
			continue
		}
		v, err := sqltype.Decode([]byte(texts[i]), t, 0, nil)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// query runs a statement and prints its rows with columns separated by bars.
func (s *stack) query(ctx context.Context, sql string, texts []string) (string, error) {
	p, err := s.prepare(ctx, sql)
	if err != nil {
		return "", err
	}
	a, err := args(p, texts)
	if err != nil {
		return "", err
	}
	b, err := p.Bind(ctx, a, nil)
	if err != nil {
		return "", err
	}
	rows, err := executor.Run(ctx, s.stores(), b)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	return printRows(ctx, p, rows)
}

func printRows(ctx context.Context, p *translator.Program, rows *executor.Rows) (string, error) {
	var cols []sqltype.ResultColumn
	for _, c := range p.Columns {
		cols = append(cols, sqltype.ResultColumn{Path: c.Path, Type: c.Type})
	}
	enc := sqltype.NewRowEncoder(cols, nil)
	var out strings.Builder
	for {
		doc, err := rows.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		data, err := enc.AppendColumns(nil, doc)
		if err != nil {
			return "", err
		}
		out.WriteString(fields(data) + "\n")
	}
	if kind, n := rows.Affected(); kind != "SELECT" {
		fmt.Fprintf(&out, "%s %d\n", kind, n)
	}
	return out.String(), nil
}

func fields(data []byte) string {
	var out []string
	for len(data) >= 4 {
		n := int32(uint32(data[0])<<24 | uint32(data[1])<<16 | uint32(data[2])<<8 | uint32(data[3]))
		data = data[4:]
		if n < 0 {
			out = append(out, "NULL")
			continue
		}
		out = append(out, string(data[:n]))
		data = data[n:]
	}
	return strings.Join(out, "|")
}

func (s *stack) explain(ctx context.Context, sql string) (string, error) {
	p, err := s.prepare(ctx, sql)
	if err != nil {
		return "", err
	}
	b, err := p.Bind(ctx, make([]value.Value, len(p.Plan.Params)), nil)
	if err != nil {
		return "", err
	}
	return strings.Join(b.Explain(), "\n") + "\n", nil
}

func errorText(err error) string {
	e := sqlerr.As(err)
	out := fmt.Sprintf("ERROR %s: %s\n", e.Code, e.Message)
	if e.Code == sqlerr.InternalError || e.Code == sqlerr.FeatureNotSupported {
		out += e.Detail + "\n"
	}
	return out
}

// TestSQL runs scripts: load COLL (documents), query (args=…), explain, strict off|on.
func TestSQL(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newStack(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			var out string
			var err error
			switch d.Cmd {
			case "load":
				err = s.load(ctx, d.CmdArgs[0].Key, d.Input)
			case "query":
				var texts []string
				for _, a := range d.CmdArgs {
					if a.Key == "args" {
						texts = a.Vals
					}
					if a.Key == "array" {
						texts = []string{"{" + strings.Join(a.Vals, ",") + "}"}
					}
				}
				out, err = s.query(ctx, d.Input, texts)
			case "explain":
				out, err = s.explain(ctx, d.Input)
			case "index":
				err = s.index(ctx, d.CmdArgs[0].Key, d.CmdArgs[1].Key)
			case "begin", "commit", "rollback":
				err = s.transaction(ctx, d.Cmd)
			case "strict":
				s.strict = d.CmdArgs[0].Key == "on"
			case "remote":
				s.remote = d.CmdArgs[0].Key == "on"
			default:
				t.Fatalf("unknown command %s", d.Cmd)
			}
			if err != nil {
				return errorText(err)
			}
			return out
		})
	})
}
