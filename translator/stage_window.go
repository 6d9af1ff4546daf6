package translator

import (
	"context"
	"io"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/store"
)

// Stages are the translator's local stages.
func Stages() map[string]agg.StageFactory {
	return map[string]agg.StageFactory{
		expr.LocalPrefix + stageWindow: newWindowStage,
		expr.LocalPrefix + stageTies:   newTiesStage,
		expr.LocalPrefix + stageRuns:   newRunsStage,
	}
}

// windowStage computes one window function for all rows. It reads everything
// first, because frames look ahead.
type windowStage struct {
	lib         *expr.Library
	work, out   string
	impl        string
	aggregate   bool
	desc, nulls []bool
	mode        ast.FrameUnit
	start, end  ast.BoundKind
	exclude     ast.FrameExclude
}

func newWindowStage(spec bson.RawValue, env *agg.Env) (agg.Stage, error) {
	doc := bson.Raw(spec.Value)
	get := func(name string) value.Value { return value.Lookup(doc, name) }
	frame := get("frame").Doc()
	w := &windowStage{lib: env.Library, work: get("work").Str(), out: get("out").Str(), impl: get("impl").Str()}
	w.aggregate = sqlfunc.Kind(get("kind").AsInt64()) != sqlfunc.Window
	w.desc, w.nulls = bools(get("desc")), bools(get("nulls"))
	w.mode = ast.FrameUnit(value.Lookup(frame, "mode").AsInt64())
	w.start, w.end = ast.BoundKind(value.Lookup(frame, "start").AsInt64()), ast.BoundKind(value.Lookup(frame, "end").AsInt64())
	if w.end == ast.UnboundedPreceding {
		w.end = ast.CurrentRow
	}
	w.exclude = ast.FrameExclude(value.Lookup(frame, "exclude").AsInt64())
	if _, ok := env.Library.Accumulators[w.impl]; w.aggregate && !ok {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "aggregate %s is not supported as a window function", w.impl)
	}
	return w, nil
}

func bools(v value.Value) []bool {
	var out []bool
	for it := value.Walk(v.Doc()); it.Next(); {
		out = append(out, it.Value().AsBool())
	}
	return out
}

// windowRow is a row with what the function needs of it.
type windowRow struct {
	doc        bson.Raw
	part, keys []value.Value
	args       []value.Value
	skip       bool // FILTER said no
	work       bson.Raw
}

func (w *windowStage) Run(_ context.Context, in store.Cursor) (store.Cursor, error) {
	return &windowCursor{w: w, in: in}, nil
}

type windowCursor struct {
	w     *windowStage
	in    store.Cursor
	ready bool
	rows  []windowRow
	vals  []value.Value
	at    int
}

func (c *windowCursor) Close() error { c.rows = nil; return c.in.Close() }

func (c *windowCursor) Next(ctx context.Context) (bson.Raw, error) {
	if !c.ready {
		if err := c.read(ctx); err != nil {
			return nil, err
		}
		c.ready = true
	}
	if c.at >= len(c.rows) {
		return nil, io.EOF
	}
	r := &c.rows[c.at]
	doc := withField(r.doc, c.w.work, c.w.out, c.vals[c.at])
	c.at++
	return doc, nil
}

// withField copies a document without one field and with another.
func withField(doc bson.Raw, drop, name string, v value.Value) bson.Raw {
	start, out := value.BeginDocument(make([]byte, 0, len(doc)+32))
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != drop && it.Key() != name {
			out = append(out, it.Element()...)
		}
	}
	return value.EndDocument(value.AppendElement(out, name, v), start)
}

// maxWindow bounds the rows that a window function holds; rowSize is about what one
// takes beside its document.
const maxWindow, rowSize = 1 << 30, 256

func (c *windowCursor) read(ctx context.Context) error {
	size := 0
	for {
		doc, err := c.in.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if size += len(doc) + rowSize; size > maxWindow {
			return sqlerr.New(sqlerr.OutOfMemory, "a window function has more than %d MB of rows", maxWindow>>20).
				WithHint("Filter or aggregate the rows before, or select fewer columns.")
		}
		c.rows = append(c.rows, c.w.row(append(bson.Raw(nil), doc...)))
	}
	sort.SliceStable(c.rows, func(i, j int) bool { return c.w.compare(&c.rows[i], &c.rows[j]) < 0 })
	c.vals = make([]value.Value, len(c.rows))
	for from := 0; from < len(c.rows); {
		to := from + 1
		for to < len(c.rows) && comparePart(&c.rows[from], &c.rows[to]) == 0 {
			to++
		}
		p := &partition{w: c.w, rows: c.rows[from:to], out: c.vals[from:to]}
		if err := p.compute(ctx); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (w *windowStage) row(doc bson.Raw) windowRow {
	work := value.Lookup(doc, w.work).Doc()
	r := windowRow{doc: doc, work: work}
	r.part = value.Items(nil, value.Lookup(work, "p").Doc())
	r.keys = value.Items(nil, value.Lookup(work, "k").Doc())
	r.args = value.Items(nil, value.Lookup(work, "a").Doc())
	f := value.Lookup(work, "f")
	r.skip = !f.IsMissing() && !f.AsBool()
	return r
}

func comparePart(a, b *windowRow) int {
	for i := range a.part {
		if c := compareKeys(a.part[i], b.part[i], false, false); c != 0 {
			return c
		}
	}
	return 0
}

func (w *windowStage) compareKeys(a, b *windowRow) int {
	for i := range a.keys {
		if c := compareKeys(a.keys[i], b.keys[i], w.desc[i], w.nulls[i]); c != 0 {
			return c
		}
	}
	return 0
}

func (w *windowStage) compare(a, b *windowRow) int {
	if c := comparePart(a, b); c != 0 {
		return c
	}
	return w.compareKeys(a, b)
}

// partition is the rows of one partition in order.
type partition struct {
	w      *windowStage
	rows   []windowRow
	out    []value.Value
	groups []int // the number of each row's group of peers
	first  []int // of each group
}

func (p *partition) compute(ctx context.Context) error {
	p.groups = make([]int, len(p.rows))
	for i := range p.rows {
		if i == 0 || p.w.compareKeys(&p.rows[i-1], &p.rows[i]) != 0 {
			p.first = append(p.first, i)
		}
		p.groups[i] = len(p.first) - 1
	}
	if f, ok := rankings[p.w.impl]; ok && !p.w.aggregate {
		if p.w.impl == "ntile" {
			if n := p.rows[0].args[0]; !n.IsNullish() && n.AsInt64() <= 0 {
				return sqlerr.New("22014", "argument of ntile must be greater than zero")
			}
		}
		for i := range p.rows {
			p.out[i] = f(p, i)
		}
		return nil
	}
	if p.w.aggregate && p.running() {
		return p.runningTotal()
	}
	for i := range p.rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := p.framed(i)
		if err != nil {
			return err
		}
		p.out[i] = v
	}
	return nil
}

// last is the last row of a group of peers.
func (p *partition) last(g int) int {
	if g+1 < len(p.first) {
		return p.first[g+1] - 1
	}
	return len(p.rows) - 1
}

// rankings are the functions that look at positions only.
var rankings = map[string]func(p *partition, i int) value.Value{
	"row_number": func(_ *partition, i int) value.Value { return value.Int64(int64(i + 1)) },
	"rank":       func(p *partition, i int) value.Value { return value.Int64(int64(p.first[p.groups[i]] + 1)) },
	"dense_rank": func(p *partition, i int) value.Value { return value.Int64(int64(p.groups[i] + 1)) },
	"percent_rank": func(p *partition, i int) value.Value {
		if len(p.rows) == 1 {
			return value.Double(0)
		}
		return value.Double(float64(p.first[p.groups[i]]) / float64(len(p.rows)-1))
	},
	"cume_dist": func(p *partition, i int) value.Value {
		return value.Double(float64(p.last(p.groups[i])+1) / float64(len(p.rows)))
	},
	"ntile": ntile,
	"lag":   func(p *partition, i int) value.Value { return shifted(p, i, -1) },
	"lead":  func(p *partition, i int) value.Value { return shifted(p, i, 1) },
}

func ntile(p *partition, i int) value.Value {
	arg := p.rows[0].args[0]
	if arg.IsNullish() {
		return value.Null()
	}
	n, total := arg.AsInt64(), int64(len(p.rows))
	size, extra, at := total/n, total%n, int64(i)
	if at < extra*(size+1) {
		return value.Int32(int32(at/(size+1) + 1))
	}
	return value.Int32(int32(extra + (at-extra*(size+1))/max(size, 1) + 1))
}

func shifted(p *partition, i, sign int) value.Value {
	args := p.rows[i].args
	by := int64(1)
	if len(args) > 1 {
		if args[1].IsNullish() {
			return value.Null()
		}
		by = args[1].AsInt64()
	}
	at := int64(i) + int64(sign)*by
	if at >= 0 && at < int64(len(p.rows)) {
		return p.rows[at].args[0]
	}
	if len(args) > 2 {
		return args[2]
	}
	return value.Null()
}

// running tells whether frames only grow, so that one accumulator will do.
func (p *partition) running() bool {
	w := p.w
	return w.start == ast.UnboundedPreceding && w.exclude == ast.ExcludeNoOthers &&
		(w.end == ast.UnboundedFollowing || w.end == ast.CurrentRow)
}

func (p *partition) runningTotal() error {
	acc := p.w.lib.Accumulators[p.w.impl]()
	for i := 0; i < len(p.rows); {
		to := i
		switch {
		case p.w.end == ast.UnboundedFollowing:
			to = len(p.rows) - 1
		case p.w.mode != ast.FrameRows:
			to = p.last(p.groups[i])
		}
		for j := i; j <= to; j++ {
			if err := p.add(acc, j); err != nil {
				return err
			}
		}
		v, err := acc.Result()
		if err != nil {
			return err
		}
		for ; i <= to; i++ {
			p.out[i] = v.Clone()
		}
	}
	return nil
}

func (p *partition) add(acc expr.Accumulator, i int) error {
	if p.rows[i].skip {
		return nil
	}
	return acc.Add(p.rows[i].args)
}

// framed evaluates a function over the frame of row i.
func (p *partition) framed(i int) (value.Value, error) {
	f, err := p.frame(i)
	if err != nil {
		return value.Value{}, err
	}
	if p.w.aggregate {
		acc := p.w.lib.Accumulators[p.w.impl]()
		for _, part := range f.parts {
			for j := part[0]; j < part[1]; j++ {
				if err := p.add(acc, j); err != nil {
					return value.Value{}, err
				}
			}
		}
		return acc.Result()
	}
	n := 1
	switch p.w.impl {
	case "last_value":
		n = f.len()
	case "nth_value":
		if p.rows[i].args[1].IsNullish() {
			return value.Null(), nil
		}
		if n = int(p.rows[i].args[1].AsInt64()); n <= 0 {
			return value.Value{}, sqlerr.New("22016", "argument of nth_value must be greater than zero")
		}
	case "first_value":
	default:
		return value.Value{}, sqlerr.New(sqlerr.FeatureNotSupported, "window function %s is not supported", p.w.impl)
	}
	if n == 0 || n > f.len() {
		return value.Null(), nil
	}
	return p.rows[f.nth(n)].args[0], nil
}

// frame is the rows of a frame, [from, to) in up to three parts around what is
// excluded.
type frame struct{ parts [3][2]int }

func (f *frame) len() (n int) {
	for _, p := range f.parts {
		n += p[1] - p[0]
	}
	return n
}

// nth is the nth row of a frame that has as many, from 1.
func (f *frame) nth(n int) int {
	for _, p := range f.parts {
		if size := p[1] - p[0]; n > size {
			n -= size
		} else {
			return p[0] + n - 1
		}
	}
	panic("the frame has fewer rows")
}

// frame gives row i's frame.
func (p *partition) frame(i int) (frame, error) {
	var f frame
	from, err := p.edge(i, p.w.start, "so", "lo", true)
	if err != nil {
		return f, err
	}
	to, err := p.edge(i, p.w.end, "eo", "hi", false)
	if err != nil {
		return f, err
	}
	from, to = max(from, 0), min(to+1, len(p.rows))
	first, behind := p.first[p.groups[i]], p.last(p.groups[i])+1
	cut := [][2]int{}
	switch p.w.exclude {
	case ast.ExcludeCurrentRow:
		cut = [][2]int{{i, i + 1}}
	case ast.ExcludeGroup:
		cut = [][2]int{{first, behind}}
	case ast.ExcludeTies:
		cut = [][2]int{{first, i}, {i + 1, behind}}
	}
	for k, c := range cut {
		f.parts[k] = [2]int{from, max(from, min(c[0], to))}
		from = max(from, c[1])
	}
	f.parts[len(cut)] = [2]int{from, max(from, to)}
	return f, nil
}

// edge is the first or last row of a frame, by its bound.
func (p *partition) edge(i int, kind ast.BoundKind, offset, limit string, first bool) (int, error) {
	switch kind {
	case ast.UnboundedPreceding:
		return 0, nil
	case ast.UnboundedFollowing:
		return len(p.rows) - 1, nil
	case ast.CurrentRow:
		switch {
		case p.w.mode == ast.FrameRows:
			return i, nil
		case first:
			return p.first[p.groups[i]], nil
		}
		return p.last(p.groups[i]), nil
	}
	if p.w.mode == ast.FrameRange {
		if v := value.Lookup(p.rows[i].work, offset); v.IsNumber() && v.AsDouble() < 0 {
			return 0, sqlerr.New("22013", "invalid preceding or following size in window function")
		}
		return p.rangeEdge(i, value.Lookup(p.rows[i].work, limit), first), nil
	}
	v := value.Lookup(p.rows[i].work, offset)
	if v.IsNullish() || v.AsInt64() < 0 {
		word := map[bool]string{true: "starting", false: "ending"}[first]
		if v.IsNullish() {
			return 0, sqlerr.New(sqlerr.NullValueNotAllowed, "frame %s offset must not be null", word)
		}
		return 0, sqlerr.New("22013", "frame %s offset must not be negative", word)
	}
	n := int(min(v.AsInt64(), int64(len(p.rows))))
	if kind == ast.OffsetPreceding {
		n = -n
	}
	if p.w.mode == ast.FrameRows {
		return i + n, nil
	}
	g := p.groups[i] + n
	switch {
	case g < 0:
		return map[bool]int{true: 0, false: -1}[first], nil
	case g >= len(p.first):
		return map[bool]int{true: len(p.rows), false: len(p.rows) - 1}[first], nil
	case first:
		return p.first[g], nil
	}
	return p.last(g), nil
}

// rangeEdge is the first or last row whose key is within a limit. The limit of
// a NULL key is NULL: its frame is its peers.
func (p *partition) rangeEdge(i int, limit value.Value, first bool) int {
	w := p.w
	test := func(j int) int { return compareKeys(p.rows[j].keys[0], limit, w.desc[0], w.nulls[0]) }
	if first {
		return sort.Search(len(p.rows), func(j int) bool { return test(j) >= 0 })
	}
	return sort.Search(len(p.rows), func(j int) bool { return test(j) > 0 }) - 1
}
