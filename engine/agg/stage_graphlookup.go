package agg

import (
	"context"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// graphLookupStage is $graphLookup: a breadth-first search from document to
// document along equal fields.
type graphLookupStage struct {
	reads
	from     string
	start    expr.Expr
	connectF []string
	connectT string
	as       []string
	depth    []string // nil: no depth field
	maxDepth int64    // -1: none
	restrict *match.Matcher
	coll     *value.Collation
}

func compileGraphLookup(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, failParse("the $graphLookup stage specification must be an object, but found %s", value.TypeName(spec.Type))
	}
	s := &graphLookupStage{maxDepth: -1, coll: c.env.Collation}
	seen := map[string]bool{}
	for it := value.Walk(spec.Value); it.Next(); {
		seen[it.Key()] = true
		if err := s.field(c, it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	if !seen["from"] {
		return nil, failParse("missing 'from' option to $graphLookup stage specification: %s", value.FromRaw(spec))
	}
	for _, k := range []string{"as", "startWith", "connectFromField", "connectToField"} {
		if !seen[k] {
			return nil, mongoerr.New(40105, "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.")
		}
	}
	return []stage{s}, nil
}

func (s *graphLookupStage) field(c *compiler, key string, v value.Value) (err error) {
	switch key {
	case "startWith":
		s.start, err = c.expr(v.RawValue())
		return err
	case "maxDepth":
		return s.setMaxDepth(v)
	case "restrictSearchWithMatch":
		if !v.IsDocument() {
			return mongoerr.New(40185, "restrictSearchWithMatch must be an object, found %s", value.TypeName(v.Kind()))
		}
		if s.restrict, err = c.match(v.Doc()); err != nil {
			return caused("Failed to parse 'restrictSearchWithMatch' option to $graphLookup", err)
		}
		return nil
	case "from":
		if !v.IsString() {
			return failParse("$graphLookup 'from' field must be a string, but found %s", value.TypeName(v.Kind()))
		}
		if s.from = v.Str(); s.from == "" {
			return mongoerr.New(mongoerr.InvalidNamespace, "$graphLookup 'from' must name a collection")
		}
		return nil
	case "as", "connectFromField", "connectToField", "depthField":
		return s.pathField(key, v)
	}
	return mongoerr.New(40104, "Unknown argument to $graphLookup: %s", key)
}

func (s *graphLookupStage) pathField(key string, v value.Value) error {
	if !v.IsString() {
		return mongoerr.New(40103, "expected string as argument for %s, found: %s", key, value.TypeName(v.Kind()))
	}
	path, err := splitPath(v.Str())
	switch key {
	case "as":
		s.as = path
	case "connectFromField":
		s.connectF = path
	case "connectToField":
		s.connectT = v.Str()
	default:
		s.depth = path
	}
	return err
}

func (s *graphLookupStage) setMaxDepth(v value.Value) error {
	if !v.IsNumber() {
		return mongoerr.New(40100, "maxDepth must be numeric, found type: %s", value.TypeName(v.Kind()))
	}
	n, ok := v.Integral()
	if !ok {
		return mongoerr.New(40102, "maxDepth could not be represented as a long long: %s", v)
	}
	if n < 0 {
		return mongoerr.New(40101, "maxDepth requires a nonnegative argument, found: %s", v)
	}
	s.maxDepth = n
	return nil
}

func (s *graphLookupStage) open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	src, err := r.env.source(ctx, s.from)
	if err != nil {
		return nil, err
	}
	// The equality join finds the neighbours, with its index or hash table.
	j := &joiner{s: &lookupStage{from: s.from, local: []string{"v"}, foreign: s.connectT, coll: s.coll}, r: r, src: src}
	return &nextFunc{piped{in}, func(ctx context.Context) (bson.Raw, error) {
		doc, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		r.x.Root = doc
		start, err := s.start.Eval(r.x)
		if err != nil {
			return nil, err
		}
		found, err := s.search(ctx, j, start)
		if err != nil {
			return nil, err
		}
		return setPath(nil, doc, s.as, found), nil
	}}, nil
}

// graphSearch is one breadth-first search.
type graphSearch struct {
	frontier []value.Value
	asked    map[string]bool // values that were searched for
	visited  map[string]bool // documents by _id
	found    arrayBuilder
}

func (g *graphSearch) push(v value.Value, coll *value.Collation) {
	key := string(appendEqualKey(nil, v, coll))
	if !g.asked[key] {
		g.asked[key] = true
		g.frontier = append(g.frontier, v.Clone())
	}
}

func (s *graphLookupStage) search(ctx context.Context, j *joiner, start value.Value) (value.Value, error) {
	g := &graphSearch{asked: map[string]bool{}, visited: map[string]bool{}}
	switch {
	case start.IsArray():
		for it := value.Walk(start.Doc()); it.Next(); {
			g.push(it.Value(), s.coll)
		}
	default:
		g.push(orNull(start), s.coll)
	}
	limit := s.maxDepth
	if limit < 0 {
		limit = math.MaxInt64
	}
	for depth := int64(0); len(g.frontier) > 0 && depth <= limit; depth++ {
		if err := s.step(ctx, j, g, depth); err != nil {
			return value.Value{}, err
		}
		if depth == math.MaxInt64 {
			break
		}
	}
	return g.found.array(), nil
}

func (s *graphLookupStage) step(ctx context.Context, j *joiner, g *graphSearch, depth int64) error {
	frontier := g.frontier
	g.frontier = nil
	var b value.Builder
	b.Add("v", value.ArrayFrom(frontier))
	cur, err := j.matches(ctx, b.Doc())
	if err != nil {
		return err
	}
	defer cur.Close()
	return drain(ctx, cur, func(doc bson.Raw) error {
		if s.restrict != nil {
			ok, err := s.restrict.Match(j.r.x, doc)
			if !ok || err != nil {
				return err
			}
		}
		id := string(appendEqualKey(nil, value.Lookup(doc, "_id"), nil))
		if g.visited[id] {
			return nil
		}
		g.visited[id] = true
		if s.depth != nil {
			g.found.add(value.Document(setPath(nil, doc, s.depth, value.Int64(depth))))
		} else {
			g.found.add(value.Document(doc))
		}
		if len(g.found.buf) > DefaultMemoryLimit {
			return mongoerr.New(40099, "$graphLookup reached maximum memory consumption")
		}
		for _, v := range connectValues(nil, doc, s.connectF) {
			g.push(v, s.coll)
		}
		return nil
	})
}

// connectValues are where a document leads; an array leads to all its items,
// nothing leads nowhere.
func connectValues(dst []value.Value, doc bson.Raw, path []string) []value.Value {
	v := value.GetPath(doc, path)
	if v.IsArray() {
		return value.Items(dst, v.Doc())
	}
	if !v.IsMissing() {
		dst = append(dst, v)
	}
	return dst
}
