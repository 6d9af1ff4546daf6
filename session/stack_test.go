package session

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
	"weir/wire"
)

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

// gateway is the whole path over an engine in memory.
type gateway struct {
	addr    string
	handler *Handler
	store   store.Store
	events  *fakeEvents
}

func startGateway(t testing.TB) *gateway {
	t.Helper()
	st, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	funcs := sqlfunc.New()
	g := &gateway{store: st, events: &fakeEvents{}}
	cat := catalog.New(st, catalog.Options{})
	g.handler = New(Deps{Store: st, Catalog: cat, Functions: funcs, Library: funcs.Library(), Events: g.events}, Options{Version: "test"})
	for _, r := range g.handler.Relations() {
		cat.AddRelation(r)
	}
	cat.AddSystemRelations(funcs)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- wire.NewServer(g.handler, wire.Options{}).Serve(ctx, l) }()
	g.addr = l.Addr().String()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, st.Close())
	})
	g.load(t)
	return g
}

// load makes the collection t1 {a, b} of three documents.
func (g *gateway) load(t testing.TB) {
	var ops []store.WriteOp
	for i, b := range []string{"one", "two", "three"} {
		doc, err := bson.Marshal(bson.D{{Key: "_id", Value: int32(i + 1)}, {Key: "a", Value: int32(i + 1)}, {Key: "b", Value: b}})
		require.NoError(t, err)
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: doc})
	}
	res, err := g.store.Write(t.Context(), store.Namespace{DB: "shop", Coll: "t1"}, ops, store.WriteOptions{})
	require.NoError(t, err)
	require.NoError(t, res.Err())
}

func (g *gateway) connect(t testing.TB, params string) *pgconn.PgConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, "postgres://ann@"+g.addr+"/shop?sslmode=disable"+params)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// fakeEvents is a small EventStatements.
type fakeEvents struct{ stopped int }

func (f *fakeEvents) Describe(_ context.Context, stmt ast.Statement, _ catalog.Session) ([]catalog.Column, error) {
	switch stmt.(type) {
	case *ast.Subscribe, *ast.ShowEvents:
		return []catalog.Column{{Name: "n", Path: []string{"n"}, Type: sqltype.Of(sqltype.Int4)}}, nil
	}
	return nil, nil
}

func (f *fakeEvents) Exec(_ context.Context, stmt ast.Statement, env catalog.Session) ([]bson.Raw, string, []*sqlerr.Error, error) {
	if _, ok := stmt.(*ast.ShowEvents); ok {
		return []bson.Raw{number(7)}, "", nil, nil
	}
	return nil, "PAUSE EVENT_SUBSCRIPTION", []*sqlerr.Error{sqlerr.Notice("NOTICE", "00000", "paused by %s", env.User())}, nil
}

func number(n int32) bson.Raw {
	doc, _ := bson.Marshal(bson.D{{Key: "n", Value: n}})
	return doc
}

func (f *fakeEvents) Explain(_ context.Context, stmt *ast.Subscribe, _ catalog.Session) ([]string, error) {
	return []string{"Subscribe", "  " + ast.Print(stmt)}, nil
}

// Subscribe gives three rows, then waits.
func (f *fakeEvents) Subscribe(context.Context, *ast.Subscribe, catalog.Session) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	n := int32(0)
	next := func(ctx context.Context, wait time.Duration) (bson.Raw, error) {
		if n++; n <= 3 {
			return number(n), nil
		}
		if wait > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(min(wait, 10*time.Millisecond)):
			}
		}
		return nil, nil
	}
	return next, func() { f.stopped++ }, nil
}

// TestStack replays testdata/stack/*: "query" sends a Query message and prints
// all that comes back, "extended" the messages of an unnamed statement with
// text parameters given as p=…; "receive" prints what comes without being asked for.
func TestStack(t *testing.T) {
	datadriven.Walk(t, "testdata/stack", func(t *testing.T, path string) {
		g := startGateway(t)
		conns := map[string]*traced{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			name := "main"
			d.MaybeScanArgs(t, "on", &name)
			c := conns[name]
			if c == nil {
				c = hijack(t, g.connect(t, ""))
				conns[name] = c
			}
			switch d.Cmd {
			case "query":
				c.send(&pgproto3.Query{String: d.Input})
			case "receive": // one message that comes by itself
				return c.receive()
			case "copy":
				sql, data, _ := strings.Cut(d.Input, "\n")
				c.send(&pgproto3.Query{String: sql}, &pgproto3.CopyData{Data: []byte(data + "\n")}, &pgproto3.CopyDone{})
			case "messages":
				for line := range strings.SplitSeq(d.Input, "\n") {
					c.send(message(line))
				}
				return c.collectSyncs(strings.Count("\n"+d.Input, "\nS"))
			case "extended":
				var params [][]byte
				for _, a := range d.CmdArgs {
					if a.Key == "p" {
						params = append(params, []byte(a.Vals[0]))
					}
				}
				limit := 0
				d.MaybeScanArgs(t, "limit", &limit)
				c.send(&pgproto3.Parse{Query: d.Input}, &pgproto3.Describe{ObjectType: 'S'},
					&pgproto3.Bind{Parameters: params}, &pgproto3.Execute{MaxRows: uint32(limit)}, &pgproto3.Sync{})
			}
			return c.collect()
		})
	})
}

type traced struct {
	t testing.TB
	h *pgconn.HijackedConn
}

func hijack(t testing.TB, c *pgconn.PgConn) *traced {
	h, err := c.Hijack()
	require.NoError(t, err)
	return &traced{t, h}
}

func (c *traced) send(list ...pgproto3.FrontendMessage) {
	for _, m := range list {
		c.h.Frontend.Send(m)
	}
	require.NoError(c.t, c.h.Frontend.Flush())
}

// message reads "P name sql", "B portal statement values", "D S|P name",
// "E portal limit", "C S|P name", "S" or "H"; "-" is an empty name.
func message(line string) pgproto3.FrontendMessage {
	f := strings.Fields(line)
	name := func(i int) string {
		if i >= len(f) || f[i] == "-" {
			return ""
		}
		return f[i]
	}
	switch f[0] {
	case "P":
		return &pgproto3.Parse{Name: name(1), Query: strings.Join(f[2:], " ")}
	case "B":
		m := &pgproto3.Bind{DestinationPortal: name(1), PreparedStatement: name(2)}
		for _, a := range f[3:] {
			m.Parameters = append(m.Parameters, []byte(a))
		}
		return m
	case "D":
		return &pgproto3.Describe{ObjectType: f[1][0], Name: name(2)}
	case "E":
		n, _ := strconv.Atoi(name(2))
		return &pgproto3.Execute{Portal: name(1), MaxRows: uint32(n)}
	case "C":
		return &pgproto3.Close{ObjectType: f[1][0], Name: name(2)}
	case "H":
		return &pgproto3.Flush{}
	}
	return &pgproto3.Sync{}
}

func (c *traced) collectSyncs(n int) string {
	var out string
	for range n {
		out += c.collect()
	}
	return out
}

// collect prints messages up to ReadyForQuery, one a line.
func (c *traced) collect() string {
	var out string
	for ready := false; !ready; {
		m := c.receive()
		out += m
		ready = strings.HasPrefix(m, "Z ") || strings.HasPrefix(m, "<")
	}
	return out
}

// receive prints the next message, or the error in its place.
func (c *traced) receive() string {
	require.NoError(c.t, c.h.Conn.SetDeadline(time.Now().Add(patience)))
	m, err := c.h.Frontend.Receive()
	if err != nil {
		return "<" + err.Error() + ">\n"
	}
	return line(m)
}

func line(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		var f []string
		for _, c := range m.Fields {
			f = append(f, fmt.Sprintf("%s:%d", c.Name, c.DataTypeOID))
		}
		return "T " + strings.Join(f, " ") + "\n"
	case *pgproto3.DataRow:
		var f []string
		for _, v := range m.Values {
			if v == nil {
				f = append(f, "NULL")
				continue
			}
			f = append(f, string(v))
		}
		return "D " + strings.Join(f, " | ") + "\n"
	case *pgproto3.CommandComplete:
		return "C " + string(m.CommandTag) + "\n"
	case *pgproto3.ReadyForQuery:
		return "Z " + string(m.TxStatus) + "\n"
	case *pgproto3.ErrorResponse:
		return notice("E", m)
	case *pgproto3.NoticeResponse:
		return notice("N", (*pgproto3.ErrorResponse)(m))
	case *pgproto3.ParameterStatus:
		return "S " + m.Name + "=" + m.Value + "\n"
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("t %v\n", m.ParameterOIDs)
	case *pgproto3.NotificationResponse:
		return "A " + m.Channel + "=" + m.Payload + "\n"
	case *pgproto3.CopyData:
		return fmt.Sprintf("d %q\n", m.Data)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T\n", m), "*pgproto3.")
}

func notice(kind string, m *pgproto3.ErrorResponse) string {
	s := kind + " " + m.Severity + " " + m.Code + " " + m.Message
	if m.Hint != "" {
		s += " H=" + m.Hint
	}
	if m.Where != "" {
		s += " W=" + m.Where
	}
	if m.Position != 0 {
		s += fmt.Sprintf(" P=%d", m.Position)
	}
	return s + "\n"
}
