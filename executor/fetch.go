package executor

import (
	"bytes"
	"context"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/agg"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
	"weir/translator"
)

// open starts a pipeline: its source with the remote stages, then the local ones.
func (e *execution) open(ctx context.Context, f *translator.Fetch) (store.Cursor, error) {
	local, err := e.b.Stages(f.Local)
	if err != nil {
		return nil, err
	}
	cur, rest, err := e.openSource(ctx, f, local)
	if err != nil {
		return nil, err
	}
	local = append(rest, local...)
	if len(local) == 0 {
		return cur, nil
	}
	return e.overlay(ctx, cur, local, f.NS)
}

// overlay runs stages here over a cursor.
func (e *execution) overlay(ctx context.Context, cur store.Cursor, stages []bson.Raw, ns store.Namespace) (store.Cursor, error) {
	p, err := agg.Compile(stages, e.environment(ns))
	if err != nil {
		cur.Close()
		return nil, err
	}
	return p.RunOver(ctx, cur)
}

// openSource opens what a pipeline reads. rest is the stages that were meant
// for the store but have to run here; local is the stages that follow.
func (e *execution) openSource(ctx context.Context, f *translator.Fetch, local []bson.Raw) (cur store.Cursor, rest []bson.Raw, err error) {
	remote, err := e.b.Remote(f.Remote)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case f.From != "" && e.recursionOf(f) != nil:
		cur, err := e.withRows(ctx, e.recursionOf(f))
		return cur, remote, err
	case f.From != "":
		rows, err := e.named(ctx, f.From)
		if err != nil {
			return nil, nil, err
		}
		return rows.Cursor(), remote, nil
	case f.Table != nil && f.Table.Kind == catalog.Function:
		return e.openFunction(ctx, f, remote)
	case f.Table != nil:
		if f.Table.Rows == nil {
			return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "relation %q cannot be read", f.Table.Name)
		}
		cur, err := f.Table.Rows(withFilter(ctx, remote, local), e.st.Catalog)
		return cur, remote, err
	case f.NS.Coll != "":
		remote, rest = e.allowed(remote)
		cur, err := e.q.Aggregate(ctx, f.NS, remote, store.AggregateOptions{AllowDiskUse: true})
		return cur, rest, err
	}
	docs, err := e.b.Stages(f.Docs)
	return agg.Documents(docs), remote, err
}

// withFilter tells the source of a virtual relation's rows the filter that they
// go through first.
func withFilter(ctx context.Context, lists ...[]bson.Raw) context.Context {
	for _, stages := range lists {
		if len(stages) == 0 {
			continue
		}
		if m := value.Lookup(stages[0], "$match"); m.IsDocument() {
			return catalog.WithFilter(ctx, m.Doc())
		}
		break
	}
	return ctx
}

// openFunction calls a table function. Its rows may come from the store, where
// the statement's own stages then run too.
func (e *execution) openFunction(ctx context.Context, f *translator.Fetch, remote []bson.Raw) (store.Cursor, []bson.Raw, error) {
	argDocs, err := e.b.Stages(f.Args)
	if err != nil {
		return nil, nil, err
	}
	args := make([]bson.RawValue, len(f.Table.Params))
	for i, d := range argDocs {
		if v := value.Lookup(d, "v"); i < len(args) && !v.IsNullish() {
			args[i] = v.RawValue()
		}
	}
	rows, err := f.Table.Function(withFilter(ctx, remote), e.st.Catalog, args)
	if err != nil {
		return nil, nil, err
	}
	if rows.Rows != nil {
		return rows.Rows, remote, nil
	}
	_, outside := e.q.(store.Store)
	remote = byExtremes(rows, remote, !outside)
	late := rows.Late
	if late != nil && !readsLate(late, f.Reads) {
		late = nil
	}
	behind := []bson.Raw(nil)
	if late != nil {
		remote, behind = cutLate(late, remote)
	}
	remote = compute(rows.Computed, f.Reads, remote)
	q := e.q
	var rest []bson.Raw
	if rows.From != nil {
		q = rows.From
		remote, rest = elsewhere(remote)
	} else {
		remote, rest = e.allowed(remote)
	}
	pipeline := append(append([]bson.Raw(nil), rows.Pipeline...), remote...)
	cur, err := q.Aggregate(ctx, rows.NS, pipeline, store.AggregateOptions{AllowDiskUse: true})
	if err != nil || late == nil {
		return cur, rest, err
	}
	if len(rest) > 0 {
		if cur, err = e.overlay(ctx, cur, rest, rows.NS); err != nil {
			return nil, nil, err
		}
	}
	return late.Fill(q, cur), behind, nil
}

// elsewhere splits a pipeline before the first stage that another store than the
// statement's may not have, or that reads what is not there.
func elsewhere(pipeline []bson.Raw) (remote, rest []bson.Raw) {
	for i, s := range pipeline {
		e, err := s.IndexErr(0)
		if err != nil || !portable[e.Key()] || bytes.Contains(s, []byte(ownOperator)) {
			return pipeline[:i:i], pipeline[i:]
		}
	}
	return pipeline, nil
}

// portable are stages that every server has and that read nothing else.
var portable = map[string]bool{
	"$match": true, "$project": true, "$set": true, "$addFields": true, "$unset": true, "$sort": true, "$limit": true, "$skip": true, "$group": true, "$count": true,
}

// ownOperator begins the names of operators that no server has.
const ownOperator = "$weir."

var unionWith = []byte("$unionWith\x00")

// allowed splits a pipeline before the first stage that holds a $unionWith when
// it is to run in a transaction, where MongoDB refuses that stage.
func (e *execution) allowed(pipeline []bson.Raw) (remote, rest []bson.Raw) {
	if _, outside := e.q.(store.Store); outside {
		return pipeline, nil
	}
	for i, s := range pipeline {
		if bytes.Contains(s, unionWith) {
			return pipeline[:i:i], pipeline[i:]
		}
	}
	return pipeline, nil
}

// spool keeps the rows of a cursor, which it closes, for several readers.
func (e *execution) spool(ctx context.Context, cur store.Cursor) (*agg.Spool, error) {
	r := agg.NewSpool(e.memory(), e.st.TempDir)
	return r, r.Fill(ctx, cur)
}

// drain reads a cursor to its end and closes it, for what has to be in memory
// as a whole. With an error it gives the rows that came before.
func drain(ctx context.Context, cur store.Cursor, limit int64) ([]bson.Raw, error) {
	defer cur.Close()
	var docs []bson.Raw
	size := int64(0)
	for {
		doc, err := cur.Next(ctx)
		if err == io.EOF {
			return docs, nil
		}
		if err != nil {
			return docs, err
		}
		if size += int64(len(doc)) + 24; size > limit {
			return nil, sqlerr.New(sqlerr.OutOfMemory, "out of memory").
				WithDetail("The rows that one statement writes, returns or finds by recursion take more than %d bytes.", limit).
				WithHint("Do it in several statements, each with a condition of its own.")
		}
		docs = append(docs, append(bson.Raw(nil), doc...))
	}
}

// named gives the rows of a Fetch or WITH query by its name, read once.
func (e *execution) named(ctx context.Context, name string) (*agg.Spool, error) {
	if r, ok := e.working[name]; ok {
		e.touched = true
		return r, nil
	}
	if r, ok := e.fetched[name]; ok {
		return r, nil
	}
	for _, w := range e.prog.With {
		if w.Name == name {
			return e.with(ctx, w)
		}
	}
	f, ok := e.prog.Fetches[name]
	if !ok {
		return nil, nil
	}
	before := e.touched
	e.touched = false
	cur, err := e.open(ctx, f)
	if err != nil {
		return nil, err
	}
	r, err := e.spool(ctx, cur)
	if err != nil {
		return nil, err
	}
	if !e.touched {
		e.store(name, r)
	}
	e.touched = e.touched || before
	return r, nil
}

func (e *execution) store(name string, r *agg.Spool) {
	if e.fetched == nil {
		e.fetched = map[string]*agg.Spool{}
	}
	e.fetched[name] = r
}

// source is where local stages read other collections: Fetches by name, else
// collections of the store.
func (e *execution) source(ctx context.Context, ns store.Namespace) (agg.Source, error) {
	if f, ok := e.prog.Fetches[ns.Coll]; ok && f.Key != "" && e.fetched[ns.Coll] == nil {
		return e.keyedSource(ns.Coll, f), nil
	}
	if f, ok := e.prog.Fetches[ns.Coll]; ok && e.working[ns.Coll] == nil && e.fetched[ns.Coll] == nil {
		return &lateSource{e, ns.Coll, f}, nil
	}
	r, err := e.named(ctx, ns.Coll)
	if err != nil {
		return nil, err
	}
	if r != nil {
		return r, nil
	}
	if known, ok := e.prog.Collections[ns.Coll]; ok {
		ns = known
	}
	return &collection{q: e.q, ns: ns}, nil
}

// collection is a collection of the store as a source of local stages.
type collection struct {
	q  store.Queryer
	ns store.Namespace
}

func (c *collection) Open(ctx context.Context, r agg.Request) (store.Cursor, agg.Satisfied, error) {
	var pipeline []bson.Raw
	done := agg.Satisfied{}
	if r.Filter != nil && plainFilter(value.Document(r.Filter)) {
		if filter, ok := translator.Floored(r.Filter); ok {
			pipeline = append(pipeline, matchStage(filter))
			done.Match = true
		}
	}
	cur, err := c.q.Aggregate(ctx, c.ns, pipeline, store.AggregateOptions{AllowDiskUse: true})
	return cur, done, err
}

func matchStage(filter bson.Raw) bson.Raw {
	var b value.Builder
	b.Add("$match", value.Document(filter))
	return b.Doc()
}

// plainFilter tells whether a filter reads no variables and no local operators.
func plainFilter(v value.Value) bool {
	switch {
	case v.IsString():
		return len(v.Str()) < 2 || v.Str()[:2] != "$$"
	case v.IsDocument(), v.IsArray():
		for it := value.Walk(v.Doc()); it.Next(); {
			if len(it.Key()) > 6 && it.Key()[:6] == "$weir." || !plainFilter(it.Value()) {
				return false
			}
		}
	}
	return true
}

// CanSeek offers look-ups by _id, which every collection has an index for.
func (c *collection) CanSeek(path string, coll *value.Collation) bool {
	return path == "_id" && coll == nil
}

// Seek finds documents by a field.
func (c *collection) Seek(ctx context.Context, path string, values []value.Value) (store.Cursor, error) {
	var in, cond, filter value.Builder
	plain := values[:0:0]
	for _, v := range values {
		if v, ok := v.PlainEqual(); ok { // else it equals nothing there
			plain = append(plain, v)
		}
	}
	in.Add("$in", value.ArrayFrom(plain))
	cond.Add(path, in.DocumentOf())
	filter.Add("$match", cond.DocumentOf())
	return c.q.Aggregate(ctx, c.ns, []bson.Raw{filter.Doc()}, store.AggregateOptions{})
}
