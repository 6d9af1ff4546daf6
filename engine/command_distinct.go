package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// cmdDistinct: {distinct: coll, key, query, collation}.
func cmdDistinct(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	if c := r.e.collection(r.tx, ns); c != nil {
		r.onView = c.load().view != nil
	}
	key, q := "", emptyDoc
	var o pipelineOptions
	err = r.fields(func(k string, v value.Value) (_ bool, err error) {
		switch k {
		case "key":
			if !v.IsString() {
				return true, r.wrongType(k, v, "string")
			}
			key = v.Str()
		case "query":
			if !v.IsNullish() {
				q, err = r.document(k, v)
			}
		case "hint":
			o.hint, err = r.hintOf(v)
		case "collation":
			o.collationSpec, err = r.document(k, v)
		case "collectionUUID":
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return dst, err
	case key == "":
		return dst, r.missing("key")
	case strings.Contains(key, "\x00"):
		return dst, mongoerr.New(mongoerr.BadValue, "Key field cannot contain an embedded null byte")
	}
	if o.tx, err = r.reading(); err != nil {
		return dst, err
	}
	if dst, err = r.distinct(ctx, dst, ns, key, q, o); err != nil {
		return dst, err
	}
	return r.appendSnapshotTime(dst), nil
}

func (r *request) distinct(ctx context.Context, dst []byte, ns store.Namespace, key string, q bson.Raw, o pipelineOptions) ([]byte, error) {
	o.distinct, o.fields = distinctWish(key, q)
	op, err := r.e.aggregate(ctx, ns, []bson.Raw{stageDoc("$match", value.Document(q))}, o)
	if err != nil {
		return dst, err
	}
	defer op.cur.Close()
	coll, err := collationOf(o.collationSpec, r.e.collection(r.tx, ns))
	if err != nil {
		return dst, err
	}
	d := distinctValues{path: strings.Split(key, "."), collation: coll, seen: map[string]bool{}}
	dst = value.AppendHeader(dst, bson.TypeArray, "values")
	start, dst := value.BeginDocument(dst)
	for {
		doc, err := op.cur.Next(ctx)
		if isEOF(err) {
			items := value.Items(nil, value.EndDocument(slices.Clone(dst[start:]), 0))
			slices.SortStableFunc(items, func(a, b value.Value) int { return value.CompareCollated(a, b, coll) })
			return append(dst[:start], value.ArrayFrom(items).Doc()...), nil
		}
		if err != nil {
			return dst, err
		}
		dst = d.collect(dst, value.Document(doc), d.path, false)
		if len(dst)-start > 16<<20 {
			return dst, mongoerr.New(17217, "distinct too big, 16mb cap")
		}
	}
}

// distinctValues gathers the different values of a path, in the order of appearance.
type distinctValues struct {
	path      []string
	collation *value.Collation
	seen      map[string]bool
	n         int
	key       []byte
}

func (d *distinctValues) collect(dst []byte, v value.Value, rest []string, item bool) []byte {
	switch {
	case v.IsArray() && !(item && len(rest) == 0):
		if len(rest) > 0 && isIndex(rest[0]) {
			dst = d.collectAt(dst, v, rest)
		}
		for it := value.Walk(v.Doc()); it.Next(); {
			if x := it.Value(); len(rest) == 0 || x.IsDocument() {
				dst = d.collect(dst, x, rest, true)
			}
		}
		return dst
	case len(rest) == 0:
		return d.add(dst, v)
	case v.IsDocument():
		return d.collect(dst, value.Lookup(v.Doc(), rest[0]), rest[1:], false)
	}
	return dst
}

func (d *distinctValues) collectAt(dst []byte, v value.Value, rest []string) []byte {
	n := 0
	for _, c := range rest[0] {
		n = n*10 + int(c-'0')
	}
	if x := value.Index(v.Doc(), n); !x.IsMissing() {
		return d.collect(dst, x, rest[1:], false)
	}
	return dst
}

func isIndex(s string) bool {
	return s != "" && len(s) < 9 && strings.Trim(s, "0123456789") == ""
}

func (d *distinctValues) add(dst []byte, v value.Value) []byte {
	if v.IsMissing() {
		return dst
	}
	d.key = value.AppendSortKeyCollated(d.key[:0], v, false, d.collation)
	if d.seen[string(d.key)] {
		return dst
	}
	d.seen[string(d.key)] = true
	d.n++
	return value.AppendItem(dst, d.n-1, v)
}

// distinctWish is what distinct reads of a collection.
func distinctWish(key string, q bson.Raw) (path string, fields []string) {
	if strings.Contains(key, ".") {
		return "", nil
	}
	return key, agg.FilterFields([]string{key}, q)
}
