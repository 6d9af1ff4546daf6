package agg

import (
	"errors"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// errTooLarge says that something does not fit into the memory limit.
var errTooLarge = errors.New("too large for the memory limit")

func splitNames(path string) []string { return strings.Split(path, ".") }

// appendEqualKey makes a key that is equal for values that a filter finds
// equal: null, undefined and missing are one.
func appendEqualKey(dst []byte, v value.Value, coll *value.Collation) []byte {
	if v.IsNullish() {
		v = value.Null()
	}
	return value.AppendSortKeyCollated(dst, v, false, coll)
}

// localValues appends the values that the local side of a join stands for: an
// array stands for its items, nothing stands for null.
func localValues(dst []value.Value, doc bson.Raw, path []string) []value.Value {
	dst = visitLocal(dst, value.Lookup(doc, path[0]), path[1:])
	if len(dst) == 0 {
		dst = append(dst, value.Null())
	}
	return dst
}

func visitLocal(dst []value.Value, v value.Value, rest []string) []value.Value {
	if len(rest) == 0 {
		if v.IsArray() {
			return value.Items(dst, v.Doc())
		}
		if !v.IsMissing() {
			dst = append(dst, v)
		}
		return dst
	}
	switch {
	case v.IsDocument():
		return visitLocal(dst, value.Lookup(v.Doc(), rest[0]), rest[1:])
	case v.IsArray():
		if i, ok := arrayPosition(rest[0]); ok {
			dst = visitLocal(dst, value.Index(v.Doc(), i), rest[1:])
		}
		for it := value.Walk(v.Doc()); it.Next(); {
			if it.Value().IsDocument() {
				dst = visitLocal(dst, it.Value(), rest)
			}
		}
	}
	return dst
}

func arrayPosition(name string) (int, bool) {
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && strconv.Itoa(i) == name
}

// visitMatchValues calls f with every value that a filter on the path would
// compare with, as package match walks paths.
func visitMatchValues(doc bson.Raw, path []string, f func(value.Value)) {
	v := value.Lookup(doc, path[0])
	for path = path[1:]; len(path) > 0; path = path[1:] {
		switch v.Kind() {
		case bson.TypeEmbeddedDocument:
			v = value.Lookup(v.Doc(), path[0])
		case bson.TypeArray:
			visitInArray(v.Doc(), path, f)
			return
		default:
			f(value.Value{})
			return
		}
	}
	visitLeaf(v, f)
}

func visitLeaf(v value.Value, f func(value.Value)) {
	if v.IsArray() {
		for it := value.Walk(v.Doc()); it.Next(); {
			f(it.Value())
		}
	}
	f(v)
}

func visitInArray(arr bson.Raw, path []string, f func(value.Value)) {
	index, ok := arrayPosition(path[0])
	i := 0
	for it := value.Walk(arr); it.Next(); i++ {
		if it.Kind() == bson.TypeEmbeddedDocument {
			visitMatchValues(it.Value().Doc(), path, f)
		}
		if !ok || i != index {
			continue
		}
		switch v := it.Value(); {
		case len(path) == 1:
			f(v)
		case v.IsDocument():
			visitMatchValues(v.Doc(), path[1:], f)
		case v.IsArray():
			visitInArray(v.Doc(), path[1:], f)
		}
	}
}

// exprJoin is an equality {$expr: {$eq: [foreign, local]}} at the beginning of
// a $lookup's pipeline, where one side reads the foreign document only and the
// other one variables only.
type exprJoin struct {
	keys  keysOf
	probe expr.Expr
	path  []string // of the foreign side
}

// findExprJoins looks for such equalities among the conjuncts of a leading $match.
func findExprJoins(c *compiler, p *Pipeline, specs []bson.Raw) []*exprJoin {
	if p.scan.match == nil || len(specs) == 0 || firstKey(specs[0]) != "$match" {
		return nil
	}
	var found []*exprJoin
	for _, part := range Conjuncts(nil, p.scan.match.filter) {
		e := value.Lookup(part, "$expr")
		for _, eq := range andParts(nil, e) {
			if j := c.exprJoin(eq); j != nil {
				found = append(found, j)
			}
		}
	}
	return found
}

// andParts takes the $and operators of an expression apart.
func andParts(dst []value.Value, e value.Value) []value.Value {
	if !e.IsDocument() {
		return dst
	}
	and := value.Lookup(e.Doc(), "$and")
	if !and.IsArray() {
		return append(dst, e)
	}
	for it := value.Walk(and.Doc()); it.Next(); {
		dst = andParts(dst, it.Value())
	}
	return dst
}

func (c *compiler) exprJoin(eq value.Value) *exprJoin {
	args := value.Lookup(eq.Doc(), "$eq")
	if !args.IsArray() || value.Len(args.Doc()) != 2 {
		return nil
	}
	a, b := value.Index(args.Doc(), 0), value.Index(args.Doc(), 1)
	if j := c.exprJoinSides(a, b); j != nil {
		return j
	}
	return c.exprJoinSides(b, a)
}

func (c *compiler) exprJoinSides(foreign, local value.Value) *exprJoin {
	if mentionsIn(foreign, c.opts.Vars) || !mentionsIn(local, c.opts.Vars) {
		return nil
	}
	opts := *c.opts
	opts.Deps = &expr.Deps{}
	probe, err := expr.CompileValue(local, &opts)
	if err != nil || opts.Deps.Whole || len(opts.Deps.Fields) > 0 {
		return nil
	}
	f, err := expr.CompileValue(foreign, c.opts)
	if err != nil {
		return nil
	}
	path, ok := expr.FieldPath(f)
	if !ok {
		return nil
	}
	return &exprJoin{probe: probe, path: path, keys: func(doc bson.Raw, add func(value.Value)) error {
		add(value.GetPath(doc, path))
		return nil
	}}
}
