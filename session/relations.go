package session

import (
	"context"
	"io"
	"net"
	"sort"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"weir/catalog"
	"weir/sqltype"
	"weir/store"
)

// Relations are the relations of pg_catalog that show sessions: pg_settings,
// pg_stat_activity, pg_prepared_statements, pg_cursors. They are for
// catalog.AddRelation; their rows are those of the asking session's gateway.
func (h *Handler) Relations() []*catalog.Table {
	return []*catalog.Table{
		virtual("pg_settings", settingsColumns, func(s *Session) []bson.Raw { return s.settingsRows() }),
		virtual("pg_stat_activity", activityColumns, func(*Session) []bson.Raw { return h.activityRows() }),
		virtual("pg_prepared_statements", preparedColumns, func(s *Session) []bson.Raw { return s.preparedRows() }),
		virtual("pg_cursors", cursorColumns, func(s *Session) []bson.Raw { return s.cursorRows() }),
	}
}

type columnType struct {
	name string
	oid  sqltype.OID
}

func virtual(name string, cols []columnType, rows func(s *Session) []bson.Raw) *catalog.Table {
	t := &catalog.Table{Schema: "pg_catalog", Name: name, Kind: catalog.Virtual}
	for i, c := range cols {
		t.Columns = append(t.Columns, catalog.Column{
			Name: c.name, Attr: int16(i + 1), Type: sqltype.Of(c.oid), Path: []string{c.name},
		})
	}
	t.Rows = func(_ context.Context, who catalog.Session) (store.Cursor, error) {
		env, ok := who.(relationEnv)
		if !ok {
			return &rowCursor{}, nil
		}
		return &rowCursor{docs: rows(env.s)}, nil
	}
	return t
}

// rowCursor is a store.Cursor over documents that are all here.
type rowCursor struct{ docs []bson.Raw }

func (c *rowCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.docs) == 0 {
		return nil, io.EOF
	}
	d := c.docs[0]
	c.docs = c.docs[1:]
	return d, nil
}

func (c *rowCursor) Close() error { return nil }

// rowBuilder builds a row of a relation; what is left out is NULL.
type rowBuilder struct {
	b  []byte
	at int32
}

func newRow() *rowBuilder {
	r := &rowBuilder{}
	r.at, r.b = bsoncore.AppendDocumentStart(nil)
	return r
}

func (r *rowBuilder) text(name, v string) *rowBuilder {
	r.b = bsoncore.AppendStringElement(r.b, name, v)
	return r
}

func (r *rowBuilder) optional(name, v string) *rowBuilder {
	if v == "" {
		return r
	}
	return r.text(name, v)
}

func (r *rowBuilder) flag(name string, v bool) *rowBuilder {
	r.b = bsoncore.AppendBooleanElement(r.b, name, v)
	return r
}

func (r *rowBuilder) int(name string, v int) *rowBuilder {
	r.b = bsoncore.AppendInt32Element(r.b, name, int32(v))
	return r
}

func (r *rowBuilder) oid(name string, v uint32) *rowBuilder {
	r.b = bsoncore.AppendInt64Element(r.b, name, int64(v))
	return r
}

func (r *rowBuilder) time(name string, v time.Time) *rowBuilder {
	if !v.IsZero() {
		r.b = bsoncore.AppendDateTimeElement(r.b, name, v.UnixMilli())
	}
	return r
}

func (r *rowBuilder) list(name string, values []string) *rowBuilder {
	if values == nil {
		return r
	}
	at, b := bsoncore.AppendArrayElementStart(r.b, name)
	for i, v := range values {
		b = bsoncore.AppendStringElement(b, itoa(i), v)
	}
	r.b, _ = bsoncore.AppendArrayEnd(b, at)
	return r
}

func (r *rowBuilder) done() bson.Raw {
	b, _ := bsoncore.AppendDocumentEnd(r.b, r.at)
	return b
}

var settingsColumns = []columnType{
	{"name", sqltype.Text}, {"setting", sqltype.Text}, {"unit", sqltype.Text}, {"category", sqltype.Text},
	{"short_desc", sqltype.Text}, {"extra_desc", sqltype.Text}, {"context", sqltype.Text}, {"vartype", sqltype.Text},
	{"source", sqltype.Text}, {"min_val", sqltype.Text}, {"max_val", sqltype.Text}, {"enumvals", sqltype.ArrayType(sqltype.Text)},
	{"boot_val", sqltype.Text}, {"reset_val", sqltype.Text}, {"sourcefile", sqltype.Text}, {"sourceline", sqltype.Int4},
	{"pending_restart", sqltype.Bool},
}

func (s *Session) settingsRows() []bson.Raw {
	var out []bson.Raw
	for _, p := range s.Parameters() {
		source, category := "default", "Weir"
		if p.Changed {
			source = "session"
		}
		if p.Context == "internal" {
			category = "Preset Options"
		}
		out = append(out, newRow().text("name", p.Name).text("setting", p.Setting).optional("unit", p.Unit).
			text("category", category).text("short_desc", "").text("context", p.Context).text("vartype", p.Type).
			text("source", source).list("enumvals", p.Enum).text("boot_val", p.Default).text("reset_val", p.Reset).
			flag("pending_restart", false).done())
	}
	return out
}

var activityColumns = []columnType{
	{"datid", sqltype.Oid}, {"datname", sqltype.Name}, {"pid", sqltype.Int4}, {"leader_pid", sqltype.Int4},
	{"usesysid", sqltype.Oid}, {"usename", sqltype.Name}, {"application_name", sqltype.Text}, {"client_addr", sqltype.Inet},
	{"client_hostname", sqltype.Text}, {"client_port", sqltype.Int4}, {"backend_start", sqltype.Timestamptz},
	{"xact_start", sqltype.Timestamptz}, {"query_start", sqltype.Timestamptz}, {"state_change", sqltype.Timestamptz},
	{"wait_event_type", sqltype.Text}, {"wait_event", sqltype.Text}, {"state", sqltype.Text}, {"backend_xid", sqltype.Xid},
	{"backend_xmin", sqltype.Xid}, {"query_id", sqltype.Int8}, {"query", sqltype.Text}, {"backend_type", sqltype.Text},
}

func (h *Handler) activityRows() []bson.Raw {
	var out []bson.Raw
	for _, a := range h.backends.Activity() {
		r := newRow().oid("datid", h.deps.Catalog.DatabaseOID(a.Database)).text("datname", a.Database).int("pid", int(a.PID)).
			oid("usesysid", rootRole).text("usename", a.User).text("application_name", a.ApplicationName)
		if tcp, ok := a.Client.(*net.TCPAddr); ok {
			r.text("client_addr", tcp.IP.String()).int("client_port", tcp.Port)
		}
		r.time("backend_start", a.BackendStart).time("xact_start", a.XactStart).time("query_start", a.QueryStart).
			time("state_change", a.StateChange).optional("state", a.State).text("query", a.Query)
		if a.State != "active" {
			r.text("wait_event_type", "Client").text("wait_event", "ClientRead")
		}
		out = append(out, r.text("backend_type", "client backend").done())
	}
	return out
}

var preparedColumns = []columnType{
	{"name", sqltype.Text}, {"statement", sqltype.Text}, {"prepare_time", sqltype.Timestamptz},
	{"parameter_types", sqltype.ArrayType(sqltype.Regtype)}, {"from_sql", sqltype.Bool},
	{"generic_plans", sqltype.Int8}, {"custom_plans", sqltype.Int8},
}

func (s *Session) preparedRows() []bson.Raw {
	var out []bson.Raw
	for _, name := range sortedNames(s.statements) {
		st := s.statements[name]
		if name == "" {
			continue
		}
		r := newRow().text("name", name).text("statement", st.sql).time("prepare_time", st.made)
		at, b := bsoncore.AppendArrayElementStart(r.b, "parameter_types")
		for i, oid := range st.params {
			b = bsoncore.AppendInt64Element(b, itoa(i), int64(oid))
		}
		r.b, _ = bsoncore.AppendArrayEnd(b, at)
		out = append(out, r.flag("from_sql", st.byName).oid("generic_plans", 0).oid("custom_plans", 0).done())
	}
	return out
}

var cursorColumns = []columnType{
	{"name", sqltype.Text}, {"statement", sqltype.Text}, {"is_holdable", sqltype.Bool}, {"is_binary", sqltype.Bool},
	{"is_scrollable", sqltype.Bool}, {"creation_time", sqltype.Timestamptz},
}

func (s *Session) cursorRows() []bson.Raw {
	var out []bson.Raw
	for _, name := range sortedNames(s.portals) {
		p := s.portals[name]
		r := newRow().text("name", name).text("statement", p.sql).time("creation_time", p.made)
		if p.cur == nil {
			r.flag("is_holdable", false).flag("is_binary", false).flag("is_scrollable", false)
		} else {
			r.flag("is_holdable", p.cur.hold).flag("is_binary", p.cur.binary).flag("is_scrollable", p.cur.keep)
		}
		out = append(out, r.done())
	}
	return out
}

func sortedNames[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
