package executor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/agg"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// write does what a writing statement says.
func (e *execution) write(ctx context.Context, q *translator.Query) (*Rows, error) {
	switch q.Write.Kind {
	case translator.InsertRows:
		return e.insert(ctx, q)
	case translator.UpdateRows:
		return e.update(ctx, q)
	case translator.MergeRows:
		return e.merge(ctx, q)
	}
	return e.delete(ctx, q)
}

// written is a row after (or, for a delete, before) the write, with the columns
// of other tables that RETURNING reads.
type written struct {
	row   bson.Raw
	other value.Value
}

func (w written) doc() bson.Raw {
	var b value.Builder
	b.Add("n", value.Document(w.row))
	b.Add("o", w.other)
	return b.Doc()
}

func documents(rows []written) []bson.Raw {
	docs := make([]bson.Raw, len(rows))
	for i, r := range rows {
		docs[i] = r.doc()
	}
	return docs
}

// result is the outcome of a write, with RETURNING's rows.
func (e *execution) result(ctx context.Context, w *translator.Write, n int64, rows []written) (*Rows, error) {
	r := &Rows{exec: e, kind: writeKinds[w.Kind], affected: n}
	if w.Returning == nil {
		return r, nil
	}
	stages, err := e.b.Stages(w.Returning)
	if err != nil {
		return nil, err
	}
	cur, err := e.overlay(ctx, agg.Documents(documents(rows)), stages, w.Table.NS)
	if err != nil {
		return nil, err
	}
	docs, err := drain(ctx, cur, e.limit())
	r.cur = agg.Documents(docs)
	return r, err
}

// check tests the constraints of rows; it gives the first that breaks one.
func (e *execution) check(ctx context.Context, w *translator.Write, rows []written) (*refused, error) {
	var found *refused
	for i, r := range rows {
		for j := range w.Checks {
			if f := w.Checks[j].Field; f != "" && value.Lookup(r.row, f).IsNullish() {
				found = &refused{row: i, err: violation(w, w.Checks[j])}
				rows = rows[:i]
				break
			}
		}
		if found != nil {
			break
		}
	}
	if earlier, err := e.checkByStages(ctx, w, rows); earlier != nil || err != nil {
		return earlier, err
	}
	return found, nil
}

// checkByStages tests the constraints that are expressions.
func (e *execution) checkByStages(ctx context.Context, w *translator.Write, rows []written) (*refused, error) {
	if len(w.CheckStages) == 0 || len(rows) == 0 {
		return nil, nil
	}
	stages, err := e.b.Stages(w.CheckStages)
	if err != nil {
		return nil, err
	}
	cur, err := e.overlay(ctx, agg.Documents(documents(rows)), stages, w.Table.NS)
	if err != nil {
		return nil, err
	}
	results, broken := drain(ctx, cur, e.limit())
	var tested []translator.Check
	for _, c := range w.Checks {
		if c.Field == "" {
			tested = append(tested, c)
		}
	}
	for i, d := range results {
		if c := failed(tested, value.Lookup(d, "r").Doc()); c != nil {
			return &refused{row: i, after: c.View && !c.Partition, err: violation(w, *c)}, nil
		}
	}
	if broken != nil {
		return &refused{row: len(results), err: broken}, nil
	}
	return nil, nil
}

// failed is the constraint that a row breaks, by the results of all; what a view
// asks for is tested after the others.
func failed(tested []translator.Check, results bson.Raw) *translator.Check {
	var late *translator.Check
	i := 0
	for it := value.Walk(results); it.Next(); i++ {
		switch c := &tested[i]; {
		case it.Value().Kind() != bson.TypeBoolean || it.Value().AsBool():
		case !c.View || c.Partition:
			return c
		case late == nil:
			late = c
		}
	}
	return late
}

// notNull refuses NULLs for columns that take none.
func notNull(w *translator.Write, targets []translator.WriteTarget, values []value.Value) error {
	for i, t := range targets {
		if len(t.Path) != 1 || !values[i].IsNullish() {
			continue
		}
		for _, c := range w.Table.Written().Columns {
			if c.NotNull && len(c.Path) == 1 && c.Path[0] == t.Path[0] {
				return violation(w, translator.Check{Column: c.Name})
			}
		}
	}
	return nil
}

func violation(w *translator.Write, c translator.Check) error {
	var err *sqlerr.Error
	relation := w.Table.Written().Name
	if c.Relation != "" {
		relation = c.Relation
	}
	switch {
	case c.View && c.Partition:
		err = sqlerr.New(sqlerr.CheckViolation, "new row for relation %q violates partition constraint", c.Name)
	case c.Partition && c.Name == "" && c.Column == "":
		err = sqlerr.New(sqlerr.CheckViolation, "no partition of relation %q found for row", relation)
	case c.View:
		err = sqlerr.New(sqlerr.WithCheckOptionViolation, "new row violates check option for view %q", c.Name)
	case c.Name == "":
		err = sqlerr.New(sqlerr.NotNullViolation, "null value in column %q of relation %q violates not-null constraint", c.Column, relation)
		err.Column = c.Column
	default:
		err = sqlerr.New(sqlerr.CheckViolation, "new row for relation %q violates check constraint %q", relation, c.Name)
		err.Constraint = c.Name
	}
	if !c.View || c.Partition {
		err.Schema, err.Table = w.Table.Written().Schema, w.Table.Written().Name
	}
	return err
}

// batchSize is how many operations go into one Write.
const batchSize = 1000

// apply runs operations, all or nothing when there is a transaction.
func (e *execution) apply(ctx context.Context, w *translator.Write, ops []store.WriteOp) (store.WriteResult, error) {
	var total store.WriteResult
	if err := e.hold(ctx, w); err != nil {
		return total, err
	}
	for len(ops) > 0 {
		n := min(len(ops), batchSize)
		e.wrote = true
		res, err := e.q.Write(ctx, w.Table.NS, ops[:n], store.WriteOptions{})
		if err == nil {
			err = res.Err()
		}
		if err != nil {
			return total, e.writeError(w, err)
		}
		total.Inserted += res.Inserted
		total.Matched += res.Matched
		total.Modified += res.Modified
		total.Deleted += res.Deleted
		ops = ops[n:]
	}
	return total, nil
}

var duplicateKey = regexp.MustCompile(`index: (\S+) dup key: \{ ?(.*?) ?\}$`)

// writeError gives PostgreSQL's words to a unique index's refusal.
func (e *execution) writeError(w *translator.Write, err error) error {
	var m *mongoerr.Error
	if !errors.As(err, &m) || m.Code != mongoerr.DuplicateKey {
		return err
	}
	out := sqlerr.New(sqlerr.UniqueViolation, "duplicate key value violates unique constraint")
	out.Schema, out.Table = w.Table.Written().Schema, w.Table.Written().Name
	if found := duplicateKey.FindStringSubmatch(m.Message); found != nil {
		name := found[1]
		if name == "_id_" {
			name = w.Table.Written().Name + "_pkey"
		}
		out.Message = fmt.Sprintf("duplicate key value violates unique constraint %q", name)
		out.Constraint = name
		if key, v, ok := e.duplicate(w, found[2]); ok {
			out = out.WithDetail("Key (%s)=(%s) already exists.", key, v)
		}
	}
	return out.Because(err)
}

var dateKey = regexp.MustCompile(`^new Date\((-?\d+)\)(?:, ` + catalog.FineField + `\.[^:]*: (?:null|(-?\d+)))?$`)

// duplicate reads the one key and its value in the server's words; ok is false
// when there are more.
func (e *execution) duplicate(w *translator.Write, text string) (key, v string, ok bool) {
	key, v, ok = strings.Cut(text, ": ")
	if m := dateKey.FindStringSubmatch(v); ok && m != nil {
		ms, _ := strconv.ParseInt(m[1], 10, 64)
		moment := value.Date(ms)
		if us, err := strconv.ParseInt(m[2], 10, 64); err == nil {
			moment = translator.JoinMicros(moment, value.Int64(us))
		}
		var types *sqltype.Env
		if e.st.Session != nil {
			types = e.st.Session.Types()
		}
		for i := range w.Table.Columns {
			if c := &w.Table.Columns[i]; strings.Join(c.Path, ".") == key {
				text, err := sqltype.AppendText(nil, moment, c.Type, types)
				return key, string(text), err == nil
			}
		}
	}
	return key, strings.Trim(v, `"`), ok && !strings.Contains(v, ": ")
}

// atomically runs a write that takes several operations in a transaction of its
// own, unless there is one.
func (e *execution) atomically(ctx context.Context) error {
	if e.tx != nil || e.st.Begin == nil {
		return nil
	}
	tx, err := e.st.Begin(ctx)
	if err == nil {
		e.tx, e.q = tx, tx
	}
	return err
}

// byKeys reads documents, as they are stored, by their _id.
func (e *execution) byKeys(ctx context.Context, w *translator.Write, keys []value.Value) (map[string]bson.Raw, error) {
	out := map[string]bson.Raw{}
	c := &collection{q: e.q, ns: w.Table.NS}
	for len(keys) > 0 {
		n := min(len(keys), batchSize)
		cur, err := c.Seek(ctx, "_id", keys[:n])
		if err != nil {
			return nil, err
		}
		docs, err := drain(ctx, cur, e.limit())
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			out[keyOf(value.Lookup(d, "_id"))] = d
		}
		keys = keys[n:]
	}
	return out, nil
}

func keyOf(v value.Value) string { return string(value.AppendSortKey(nil, v, false)) }

// equals is the filter {path: {$eq: v}} for each of the paths.
func equals(paths []string, values []value.Value) bson.Raw {
	var b value.Builder
	for i, p := range paths {
		b.Open(bson.TypeEmbeddedDocument, p)
		b.Add("$eq", values[i])
		b.Close()
	}
	return b.Doc()
}

func keyFilter(k value.Value) bson.Raw { return equals([]string{"_id"}, []value.Value{k}) }
