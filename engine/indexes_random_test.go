package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
	"weir/mongoerr"
)

// TestIndexesChangeNothing asks random questions of random collections twice:
// as the planner likes, and by a scan of the collection. The answers must be
// equal, whatever the indexes. A failure names the seed of its round.
func TestIndexesChangeNothing(t *testing.T) {
	for _, seed := range []uint64{ // these have failed before
		1795288155959059066, 1795288293344864990, 1795288296733175725, 1795288390596443492, 1795288416565065150, 1795288466284654908,
	} {
		compareIndexed(t, seed)
	}
	rounds, fresh := 60, 60
	if testing.Short() {
		rounds, fresh = 10, 0
	}
	limit := time.Now().Add(5 * time.Second)
	now := uint64(time.Now().UnixNano())
	for i := range rounds + fresh {
		seed := uint64(i)
		if i >= rounds {
			seed = now + uint64(i)
		}
		if time.Now().After(limit) || !t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) { compareIndexed(t, seed) }) {
			break
		}
	}
}

// compareIndexed runs one round.
func compareIndexed(t *testing.T, seed uint64) {
	e := openEngine(t, "", engine.Options{})
	g := &querygen{r: rand.New(rand.NewPCG(seed, 1))}
	g.spread = []int{3, 8, 40}[g.r.IntN(3)]
	g.arrays = g.r.IntN(3) > 0
	family := [][]string{{"a.b", "a.c"}, {"a", "b"}, {"s", "a"}, {"s", "b.b"}, {"a", "a.b"}, {"s"}, {"a.b", "s", "b"}, {"a.b.c", "a.c"}}
	g.paths = family[g.r.IntN(len(family))]
	if g.r.IntN(4) == 0 {
		g.command(e, bson.D{{Key: "create", Value: "c"}, {Key: "collation", Value: g.collation()}})
	}
	g.insert(e, 60)
	for range 1 + g.r.IntN(5) {
		g.createIndex(e)
	}
	g.insert(e, 60)
	g.change(e)
	valid := g.command(e, bson.D{{Key: "validate", Value: "c"}, {Key: "full", Value: true}})
	require.True(t, valid.Lookup("valid").Boolean(), "%s", valid)
	for range 120 {
		g.ask(t, e)
	}
}

// querygen makes documents, indexes and questions.
type querygen struct {
	r      *rand.Rand
	spread int      // different numbers
	arrays bool     // in documents
	paths  []string // that most questions and indexes of a round are about
	nextID int
	docs   []bson.D
	made   []string
}

func (g *querygen) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *querygen) command(e *engine.Engine, cmd any) bson.Raw {
	b, err := bson.Marshal(cmd)
	if err != nil {
		panic(err)
	}
	r, err := e.Command(context.Background(), "d", b)
	if err != nil {
		return nil
	}
	return r
}

func (g *querygen) collation() bson.D {
	return []bson.D{
		{{Key: "locale", Value: "en"}, {Key: "strength", Value: 2}},
		{{Key: "locale", Value: "en"}},
		{{Key: "locale", Value: "en"}, {Key: "numericOrdering", Value: true}},
		{{Key: "locale", Value: "simple"}},
	}[g.r.IntN(4)]
}

func (g *querygen) scalar() any {
	n := g.r.IntN(g.spread)
	if g.r.IntN(2) == 0 {
		return int32(n)
	}
	switch g.r.IntN(26) {
	case 0, 1, 2, 3, 4, 5, 6:
		return int32(n)
	case 7:
		return int64(n)
	case 8:
		return float64(n)
	case 9:
		return float64(n) + 0.5
	case 10:
		d, _ := bson.ParseDecimal128(fmt.Sprint(n, ".0"))
		return d
	case 11:
		return []any{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), int64(math.MaxInt64), 9.007199254740993e15}[g.r.IntN(6)]
	case 12, 13, 14:
		return nil
	case 15, 16, 17, 18:
		return g.pick("", "a", "A", "b", "ab", "B", "á", "item 2", "item 10", "a\x00b")
	case 19:
		return n%2 == 0
	case 20:
		return bson.DateTime(n * 1000)
	case 21:
		return bson.Timestamp{T: uint32(n), I: 1}
	case 22:
		return bson.D{{Key: g.pick("b", "x"), Value: int32(n % 3)}}
	case 23:
		return []any{bson.MinKey{}, bson.MaxKey{}, bson.Binary{Data: []byte{byte(n)}}, bson.Undefined{}, bson.Regex{Pattern: "a"}, bson.ObjectID{byte(n)}, bson.Symbol("a")}[g.r.IntN(7)]
	}
	return int32(-n)
}

func (g *querygen) value(depth int) any {
	switch k := g.r.IntN(12); {
	case k < 2 && depth > 0 && g.arrays:
		a := bson.A{}
		for range g.r.IntN(4) {
			a = append(a, g.value(depth-1))
		}
		return a
	case k < 4 && depth > 0:
		d := bson.D{}
		for _, f := range []string{"b", "c", "0"} {
			if g.r.IntN(3) > 0 && (f != "0" || g.r.IntN(6) == 0) {
				d = append(d, bson.E{Key: f, Value: g.value(depth - 1)})
			}
		}
		return d
	}
	return g.scalar()
}

func (g *querygen) document() bson.D {
	g.nextID++
	d := bson.D{{Key: "_id", Value: g.nextID}}
	for _, f := range []string{"a", "b", "c", "s"} {
		if g.r.IntN(6) == 0 {
			continue
		}
		v := g.value(2)
		if f != "s" && g.r.IntN(3) == 0 {
			v = g.object()
			if g.arrays && g.r.IntN(2) == 0 {
				v = bson.A{v, g.object()}
			}
		}
		if f == "s" { // never an array, so that some indexes are not multikey
			v = g.scalar()
		}
		d = append(d, bson.E{Key: f, Value: v})
	}
	return d
}

func (g *querygen) object() any {
	return bson.D{{Key: "b", Value: g.value(1)}, {Key: "c", Value: g.value(1)}}
}

func (g *querygen) insert(e *engine.Engine, n int) {
	var docs bson.A
	for range n {
		d := g.document()
		docs, g.docs = append(docs, d), append(g.docs, d)
	}
	g.command(e, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: docs}, {Key: "ordered", Value: false}})
}

func (g *querygen) change(e *engine.Engine) {
	for range 20 {
		id := 1 + g.r.IntN(g.nextID)
		q := bson.D{{Key: "_id", Value: id}}
		switch g.r.IntN(3) {
		case 0:
			g.command(e, bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: q}, {Key: "limit", Value: 1}}}}})
		default:
			u := bson.D{{Key: "$set", Value: bson.D{{Key: g.path(), Value: g.value(1)}}}}
			if g.r.IntN(3) == 0 {
				u = bson.D{{Key: "$unset", Value: bson.D{{Key: g.path(), Value: 1}}}}
			}
			g.command(e, bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: q}, {Key: "u", Value: u}}}}})
		}
	}
}

func (g *querygen) path() string {
	if g.r.IntN(5) > 0 {
		return g.pick(g.paths...)
	}
	return g.pick("a", "a", "b", "c", "s", "s", "a.b", "a.c", "b.b", "b.c", "a.b.c", "a.0", "c.0.b")
}

func (g *querygen) createIndex(e *engine.Engine) {
	key := bson.D{}
	for range 1 + g.r.IntN(3) {
		p := g.path()
		if slices.ContainsFunc(key, func(x bson.E) bool { return x.Key == p }) {
			continue
		}
		key = append(key, bson.E{Key: p, Value: 1 - 2*g.r.IntN(2)})
	}
	if g.r.IntN(4) == 0 && !slices.ContainsFunc(key, func(x bson.E) bool { return x.Key == "_id" }) {
		key = append(key, bson.E{Key: "_id", Value: 1})
	}
	if g.r.IntN(12) == 0 {
		key = bson.D{{Key: "s", Value: "hashed"}}
	}
	spec := bson.D{{Key: "key", Value: key}, {Key: "name", Value: fmt.Sprint("i", len(g.made))}}
	switch g.r.IntN(6) {
	case 0:
		spec = append(spec, bson.E{Key: "sparse", Value: true})
	case 1, 2:
		spec = append(spec, bson.E{Key: "partialFilterExpression", Value: g.partial()})
	}
	if g.r.IntN(5) == 0 {
		spec = append(spec, bson.E{Key: "collation", Value: g.collation()})
	}
	if g.r.IntN(8) == 0 {
		spec = append(spec, bson.E{Key: "unique", Value: true})
	}
	g.made = append(g.made, fmt.Sprint(spec))
	g.command(e, bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{spec}}})
}

func (g *querygen) partial() bson.D {
	d := bson.D{}
	for range 1 + g.r.IntN(2) {
		p := g.path()
		switch g.r.IntN(5) {
		case 0:
			d = append(d, bson.E{Key: p, Value: bson.D{{Key: "$exists", Value: true}}})
		case 1:
			d = append(d, bson.E{Key: p, Value: g.scalar()})
		case 2:
			d = append(d, bson.E{Key: p, Value: bson.D{{Key: "$type", Value: g.pick("string", "number", "int", "array")}}})
		default:
			d = append(d, bson.E{Key: p, Value: bson.D{{Key: g.pick("$gt", "$gte", "$lt", "$lte"), Value: g.scalar()}}})
		}
	}
	return d
}

func (g *querygen) filter(depth int) bson.D {
	d := bson.D{}
	for range []int{0, 1, 1, 1, 2, 2, 3}[g.r.IntN(7)] {
		if k := g.r.IntN(12); k == 0 && depth > 0 {
			list := bson.A{}
			for range 1 + g.r.IntN(3) {
				list = append(list, g.filter(depth-1))
			}
			d = append(d, bson.E{Key: g.pick("$or", "$or", "$and", "$nor"), Value: list})
			continue
		}
		d = append(d, bson.E{Key: g.path(), Value: g.predicate(depth)})
	}
	return d
}

// found is a filter that a certain document fulfils, if it has not changed.
func (g *querygen) found() bson.D {
	doc := g.docs[g.r.IntN(len(g.docs))]
	d := bson.D{}
	for range 1 + g.r.IntN(3) {
		p := g.path()
		v, ok := g.at(doc, strings.Split(p, "."))
		switch g.r.IntN(6) {
		case 0:
			d = append(d, bson.E{Key: p, Value: bson.D{{Key: "$in", Value: bson.A{v, g.scalar(), g.scalar()}}}})
		case 1, 2:
			d = append(d, bson.E{Key: p, Value: bson.D{{Key: g.pick("$gte", "$lte"), Value: v}}})
		case 3:
			d = append(d, bson.E{Key: p, Value: bson.D{{Key: "$exists", Value: ok}}})
		default:
			d = append(d, bson.E{Key: p, Value: v})
		}
	}
	return d
}

// at gives one of the values at a path.
func (g *querygen) at(v any, path []string) (any, bool) {
	if a, ok := v.(bson.A); ok && len(a) > 0 && g.r.IntN(6) > 0 {
		v = a[g.r.IntN(len(a))]
	}
	if len(path) == 0 {
		return v, true
	}
	d, _ := v.(bson.D)
	for _, x := range d {
		if x.Key == path[0] {
			return g.at(x.Value, path[1:])
		}
	}
	return nil, false
}

func (g *querygen) predicate(depth int) any {
	if g.r.IntN(3) == 0 {
		return g.value(1)
	}
	d := bson.D{}
	for range 1 + g.r.IntN(2) {
		op, v := g.operator(depth)
		if !slices.ContainsFunc(d, func(x bson.E) bool { return x.Key == op }) {
			d = append(d, bson.E{Key: op, Value: v})
		}
	}
	return d
}

func (g *querygen) operator(depth int) (string, any) {
	switch g.r.IntN(20) {
	case 0:
		return "$exists", g.r.IntN(2) == 0
	case 1:
		return "$ne", g.value(1)
	case 2, 3, 4, 5:
		list := bson.A{}
		for range g.r.IntN(5) {
			list = append(list, g.value(1))
		}
		return g.pick("$in", "$in", "$in", "$nin"), list
	case 6:
		return "$type", g.pick("string", "number", "int", "double", "null", "array", "object", "bool", "date", "undefined")
	case 7:
		return "$regex", g.pick("^a", "^A", "^item ", "b$", "^a.*b", "^(a|b)", "^a?")
	case 8:
		if depth > 0 {
			op, v := g.operator(depth - 1)
			return "$not", bson.D{{Key: op, Value: v}}
		}
	case 9:
		return "$elemMatch", g.filter(0)
	case 10:
		op, v := g.operator(0)
		op2, v2 := g.pick("$gt", "$lt", "$gte"), g.scalar()
		return "$elemMatch", bson.D{{Key: op, Value: v}, {Key: op2, Value: v2}}
	case 11:
		return "$size", g.r.IntN(3)
	case 12:
		return "$all", bson.A{g.scalar(), g.scalar()}
	case 13:
		return "$eq", g.value(1)
	case 14:
		return "$mod", bson.A{2, g.r.IntN(2)}
	}
	return g.pick("$gt", "$gte", "$lt", "$lte"), g.scalar()
}

func (g *querygen) order() bson.D {
	d := bson.D{}
	for range 1 + g.r.IntN(2) {
		p := g.pick("a", "b", "s", "s", "c", "a.b", "_id")
		if !slices.ContainsFunc(d, func(x bson.E) bool { return x.Key == p }) {
			d = append(d, bson.E{Key: p, Value: 1 - 2*g.r.IntN(2)})
		}
	}
	return d
}

// ask asks one question both ways.
func (g *querygen) ask(t *testing.T, e *engine.Engine) {
	q := g.filter(2)
	switch g.r.IntN(6) {
	case 0, 1, 2:
		q = g.found()
	case 3:
		q = bson.D{{Key: "$or", Value: bson.A{g.found(), g.found()}}}
	}
	var cmd bson.D
	check := sameDocuments
	switch g.r.IntN(9) {
	case 0:
		cmd = bson.D{{Key: "count", Value: "c"}, {Key: "query", Value: q}}
		if g.r.IntN(3) == 0 {
			cmd = append(cmd, bson.E{Key: "skip", Value: g.r.IntN(20)}, bson.E{Key: "limit", Value: 1 + g.r.IntN(20)})
		}
	case 1:
		cmd = bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: g.path()}, {Key: "query", Value: q}}
	case 2:
		order := g.order()
		cmd = bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: q}, {Key: "sort", Value: order}, {Key: "batchSize", Value: 1000}}
		if g.r.IntN(2) == 0 {
			cmd = append(cmd, bson.E{Key: "limit", Value: 1 + g.r.IntN(30)}, bson.E{Key: "skip", Value: g.r.IntN(10)})
			check = sameOrder(order, false)
		} else {
			check = sameOrder(order, true)
		}
	case 3, 4:
		cmd = bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: q}, {Key: "projection", Value: g.projection()}, {Key: "batchSize", Value: 1000}}
		check = sameFields
	case 5, 6:
		cmd = bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: g.grouping(q)}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 1000}}}}
		check = sameValues
	default:
		cmd = bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: q}, {Key: "batchSize", Value: 1000}}
	}
	if g.r.IntN(5) == 0 {
		cmd = append(cmd, bson.E{Key: "collation", Value: g.collation()})
	}
	planned, perr := e.Command(context.Background(), "d", raw(t, cmd))
	scanned, serr := e.Command(context.Background(), "d", raw(t, append(cmd, bson.E{Key: "hint", Value: bson.D{{Key: "$natural", Value: 1}}})))
	about := func() string { return fmt.Sprintf("%v\nindexes %s", raw(t, cmd), strings.Join(g.made, "\n")) }
	if serr != nil || perr != nil {
		if mongoerr.CodeOf(serr) != mongoerr.BadValue { // parallel arrays, which an index leaves out
			require.Equal(t, mongoerr.CodeOf(serr), mongoerr.CodeOf(perr), "%v, %v: %s", serr, perr, about())
		}
		return
	}
	if why := check(answer(t, planned), answer(t, scanned)); why != "" {
		require.Fail(t, why, about())
	}
}

func (g *querygen) projection() bson.D {
	d := bson.D{}
	for range 1 + g.r.IntN(2) {
		p := g.pick("a", "b", "s", "s", "c", "a.b")
		if !slices.ContainsFunc(d, func(x bson.E) bool { return strings.HasPrefix(x.Key, p) || strings.HasPrefix(p, x.Key) }) {
			d = append(d, bson.E{Key: p, Value: 1})
		}
	}
	if g.r.IntN(2) == 0 {
		d = append(d, bson.E{Key: "_id", Value: 0})
	}
	return d
}

// grouping makes a pipeline whose answer does not depend on the order of its input.
func (g *querygen) grouping(q bson.D) bson.A {
	p := g.pick("a", "b", "s", "s", "c", "a.b")
	f := "$" + g.pick("a", "b", "s", "s", "c", "a.b")
	match := bson.D{{Key: "$match", Value: q}}
	switch g.r.IntN(5) {
	case 0:
		return bson.A{match, bson.D{{Key: "$count", Value: "n"}}}
	case 1:
		return bson.A{match, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$" + p}}}}}
	case 2: // the first of each group in an order that has no ties
		d := 1 - 2*g.r.IntN(2)
		return bson.A{match, bson.D{{Key: "$sort", Value: bson.D{{Key: p, Value: d}, {Key: "_id", Value: d}}}},
			bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$" + p}, {Key: "x", Value: bson.D{{Key: g.pick("$first", "$last"), Value: "$_id"}}}}}}}
	case 3:
		return bson.A{match, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$" + p}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}},
			{Key: "least", Value: bson.D{{Key: "$min", Value: f}}}, {Key: "most", Value: bson.D{{Key: "$max", Value: f}}}}}}}
	}
	return bson.A{match, bson.D{{Key: "$project", Value: g.projection()}}}
}

func answer(t *testing.T, r bson.Raw) []bson.Raw {
	if c, err := r.LookupErr("cursor", "firstBatch"); err == nil {
		require.Zero(t, r.Lookup("cursor", "id").AsInt64())
		var docs []bson.Raw
		for _, v := range value.Items(nil, bson.Raw(c.Array())) {
			docs = append(docs, v.Doc())
		}
		return docs
	}
	if v, err := r.LookupErr("values"); err == nil {
		var docs []bson.Raw
		for _, v := range value.Items(nil, bson.Raw(v.Array())) {
			docs = append(docs, value.EndDocument(value.AppendElement([]byte{0, 0, 0, 0}, "v", v), 0))
		}
		return looselyEqual(docs)
	}
	return []bson.Raw{r.Lookup("n").Value}
}

// looselyEqual writes documents so that equal numbers of different types are equal.
func looselyEqual(docs []bson.Raw) []bson.Raw {
	var out []bson.Raw
	for _, d := range docs {
		out = append(out, value.AppendSortKeyCollated(nil, value.Document(d), false, loose()))
	}
	return out
}

// loose takes letters of either case for equal, for which one of a group
// stands for it depends on the order of its documents.
func loose() *value.Collation {
	c, err := value.ParseCollation(bson.Raw(value.EndDocument(value.AppendElement(value.AppendElement([]byte{0, 0, 0, 0}, "locale", value.String("en")), "strength", value.Int32(1)), 0)))
	if err != nil {
		panic(err)
	}
	return c
}

// inNameOrder sorts the top-level fields: those of a covered answer come in the
// order of the index.
func inNameOrder(docs []bson.Raw) []bson.Raw {
	var out []bson.Raw
	for _, d := range docs {
		var elems [][]byte
		for it := value.Walk(d); it.Next(); {
			elems = append(elems, slices.Clone(it.Element()))
		}
		slices.SortFunc(elems, func(a, b []byte) int { return bytes.Compare(a[1:], b[1:]) })
		out = append(out, value.EndDocument(append([]byte{0, 0, 0, 0}, bytes.Join(elems, nil)...), 0))
	}
	return out
}

func sameFields(a, b []bson.Raw) string { return sameDocuments(inNameOrder(a), inNameOrder(b)) }

func sameDocuments(a, b []bson.Raw) string {
	sorted := func(docs []bson.Raw) []bson.Raw {
		docs = slices.Clone(docs)
		slices.SortFunc(docs, func(a, b bson.Raw) int { return bytes.Compare(a, b) })
		return docs
	}
	return difference(sorted(a), sorted(b))
}

func sameValues(a, b []bson.Raw) string {
	return sameDocuments(looselyEqual(inNameOrder(a)), looselyEqual(inNameOrder(b)))
}

func difference(planned, scanned []bson.Raw) string {
	for i := range max(len(planned), len(scanned)) {
		if i >= len(planned) || i >= len(scanned) || !bytes.Equal(planned[i], scanned[i]) {
			return fmt.Sprintf("planned %d, scanned %d, differ at %d:\nplanned %v\nscanned %v", len(planned), len(scanned), i, planned, scanned)
		}
	}
	return ""
}

// sameOrder compares the sequence of the sorted fields, and all documents if
// the answer is whole. Documents with arrays are left to the other tests.
func sameOrder(order bson.D, whole bool) func(a, b []bson.Raw) string {
	keys := func(docs []bson.Raw) ([]bson.Raw, bool) {
		var out []bson.Raw
		for _, d := range docs {
			var key []byte
			for _, k := range order {
				v := value.GetPath(d, strings.Split(k.Key, "."))
				if v.IsArray() || value.Lookup(d, strings.Split(k.Key, ".")[0]).IsArray() {
					return nil, false
				}
				if v.IsMissing() {
					v = value.Null()
				}
				key = value.AppendSortKeyCollated(key, v, false, loose())
			}
			out = append(out, key)
		}
		return out, true
	}
	return func(a, b []bson.Raw) string {
		if whole {
			if why := sameDocuments(a, b); why != "" {
				return why
			}
		}
		x, plain := keys(a)
		y, plain2 := keys(b)
		if !plain || !plain2 {
			return ""
		}
		return difference(x, y)
	}
}
