package engine

import (
	"context"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/match"
	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/store"
)

// local.oplog.rs: the log of changes as a replica set member shows it, for
// tools that read or tail it. It cannot be written to.

var oplogNamespace = store.Namespace{DB: "local", Coll: "oplog.rs"}

func (e *Engine) isOplog(ns store.Namespace) bool {
	return ns == oplogNamespace && e.catalog.get(ns) == nil
}

// onOplog tells whether the command is about the log.
func (r *request) onOplog() bool {
	if !r.arg.IsString() {
		return false
	}
	if r.name == "renameCollection" {
		to := value.Lookup(r.cmd, "to")
		return r.e.isOplog(splitNamespace(r.arg.Str())) || to.IsString() && r.e.isOplog(splitNamespace(to.Str()))
	}
	return r.e.isOplog(store.Namespace{DB: r.db, Coll: r.arg.Str()})
}

// describeOplog is the log as listCollections shows it.
func (e *Engine) describeOplog(nameOnly bool) bson.Raw {
	start, options := value.BeginDocument(nil)
	options = value.AppendElement(options, "capped", value.Bool(true))
	options = value.AppendElement(options, "size", value.IntOrLong(e.opts.OplogSize))
	c := &collection{uuid: [16]byte{6: 0x40, 8: 0x80, 15: 1}}
	c.meta.Store(&meta{ns: oplogNamespace, options: value.EndDocument(options, start), indexes: []*indexState{newIDIndex(0, nil, nil)}})
	return withoutField(c.describe(nameOnly), "idIndex")
}

// oplogSource is the log as pipelines read it.
type oplogSource struct{ e *Engine }

// Open implements agg.Source. The whole of the match is left to the pipeline; a
// lower limit of ts tells where to begin.
func (s *oplogSource) Open(_ context.Context, r agg.Request) (store.Cursor, agg.Satisfied, error) {
	c := &oplogCursor{e: s.e, through: s.e.log.Durable()}
	if r.Match != nil {
		c.from = oplogStart(r.Match.Root())
	}
	if doc, ok := r.Hint.DocumentOK(); ok {
		c.reverse = value.Lookup(doc, "$natural").Sign() < 0
	}
	return c, agg.Satisfied{}, nil
}

// oplogStart finds the first cluster time that a filter on ts lets through.
func oplogStart(n match.Node) (from storage.OplogPos) {
	switch n := n.(type) {
	case *match.And:
		for _, sub := range n.Of {
			if p := oplogStart(sub); from.Less(p) {
				from = p
			}
		}
	case *match.Compare:
		if n.Path.Text == "ts" && n.Value.Kind() == bson.TypeTimestamp && n.Op != match.Lt && n.Op != match.Lte {
			t, i := n.Value.AsTimestamp()
			from.TS = uint64(t)<<32 | uint64(i)
		}
	}
	return from
}

// oplogCursor gives one document for all entries of a cluster time.
type oplogCursor struct {
	e       *Engine
	from    storage.OplogPos
	through uint64
	reverse bool
	r       *oplog.Reader
	group   []bson.Raw // of the time at, each an operation
	at      uint64
	last    oplog.Entry // of the group
	ended   bool
}

func (c *oplogCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.r == nil && !c.ended {
		var err error
		if c.r, err = c.e.log.Read(c.from, c.through, c.reverse); err != nil {
			return nil, err
		}
	}
	for !c.ended {
		if ctx.Err() != nil {
			return nil, interrupted(ctx.Err())
		}
		pos, entry, ok, err := c.r.Next()
		if err != nil {
			return nil, err
		}
		var done bson.Raw
		if len(c.group) > 0 && (!ok || pos.TS != c.at) {
			done = c.document()
		}
		if !ok {
			c.ended = true
		} else {
			c.at, c.last = pos.TS, oplog.Entry{Session: slices.Clone(entry.Session), Txn: entry.Txn, Wall: entry.Wall}
			c.group = append(c.group, operationOf(&entry))
		}
		if done != nil {
			return done, nil
		}
	}
	return nil, io.EOF
}

func (c *oplogCursor) Close() error {
	c.ended = true
	if c.r == nil {
		return nil
	}
	r := c.r
	c.r = nil
	return r.Close()
}

// document makes the document of the group: its operation, or one that applies
// several.
func (c *oplogCursor) document() bson.Raw {
	if c.reverse {
		slices.Reverse(c.group)
	}
	start, d := value.BeginDocument(nil)
	if c.last.Session != nil {
		d = value.AppendElement(d, "lsid", value.Document(c.last.Session))
		d = value.AppendElement(d, "txnNumber", value.Int64(c.last.Txn))
	}
	if len(c.group) == 1 && c.last.Session == nil {
		d = append(d, c.group[0][4:len(c.group[0])-1]...)
	} else {
		var ops []value.Value
		for _, op := range c.group {
			ops = append(ops, value.Document(op))
		}
		d = value.AppendElement(d, "op", value.String("c"))
		d = value.AppendElement(d, "ns", value.String("admin.$cmd"))
		d = value.AppendElement(d, "o", value.Document(stageDoc("applyOps", value.ArrayFrom(ops))))
	}
	d = value.AppendElement(d, "ts", value.Timestamp(uint32(c.at>>32), uint32(c.at)))
	d = value.AppendElement(d, "t", value.Int64(1))
	d = value.AppendElement(d, "v", value.Int64(2))
	d = value.AppendElement(d, "wall", value.Date(c.last.Wall))
	c.group = nil
	return value.EndDocument(d, start)
}
