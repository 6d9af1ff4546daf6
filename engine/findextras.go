package engine

import (
	"bytes"
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/index"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// The options of find that look at indexes and records: min, max, returnKey
// and showRecordId.

const recordIDField = expr.MetaRecordID

func withRecordID(doc bson.Raw, id value.Value) bson.Raw {
	return withField(doc, recordIDField, id)
}

func withField(doc bson.Raw, name string, v value.Value) bson.Raw {
	start, d := value.BeginDocument(make([]byte, 0, len(doc)+24))
	d = append(d, doc[4:len(doc)-1]...)
	return value.EndDocument(value.AppendElement(d, name, v), start)
}

// readsMeta tells whether one of the documents asks for {$meta: name}.
func readsMeta(docs []bson.Raw, name string) bool {
	for _, d := range docs {
		if bytes.Contains(d, []byte("\x02$meta\x00")) && bytes.Contains(d, []byte(name+"\x00")) {
			return true
		}
	}
	return false
}

// sourceMeta is the metadata that a pipeline or a projection reads of the source.
func (o *pipelineOptions) sourceMeta(docs []bson.Raw) bool {
	rec, key := readsMeta(docs, "recordId"), readsMeta(docs, "indexKey")
	o.recordID, o.indexKey = o.recordID || rec, o.indexKey || key
	return rec || key
}

// indexKeyOf is the key by which a document was found: {field: value, …}.
func indexKeyOf(g *index.Generator, ix *indexState, doc bson.Raw) (bson.Raw, error) {
	start, d := value.BeginDocument(nil)
	_, err := g.Keys(ix.Definition, doc, func(values []value.Value) error {
		for i, v := range values {
			d = value.AppendElement(d, ix.Fields[i].Name, v)
		}
		return errFirstKey
	})
	if err != nil && !errors.Is(err, errFirstKey) {
		return nil, err
	}
	return value.EndDocument(d, start), nil
}

// withoutMeta takes the fields for $meta out of the documents again.
type withoutMeta struct{ in store.Cursor }

func (c withoutMeta) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	return stripMeta(doc), nil
}

func (c withoutMeta) Close() error { return c.in.Close() }

func stripMeta(doc bson.Raw) bson.Raw {
	for _, name := range []string{expr.MetaRecordID, expr.MetaIndexKey} {
		if !value.Lookup(doc, name).IsMissing() {
			doc = withoutField(doc, name)
		}
	}
	return doc
}

func withoutField(doc bson.Raw, name string) bson.Raw {
	start, d := value.BeginDocument(nil)
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != name {
			d = append(d, it.Element()...)
		}
	}
	return value.EndDocument(d, start)
}

// boundAccess narrows the scan of a hinted index to the keys from min up to,
// but not including, max.
func boundAccess(a *access, lowest, highest bson.Raw, hint bson.RawValue) error {
	if hint.IsZero() || a.index == nil {
		return mongoerr.New(51173, "error processing query: planner returned error :: caused by :: When using min()/max() a hint of which index to use must be provided")
	}
	ix := a.index
	all, _ := ix.Ranges(nil)
	r := all[0]
	var err error
	if lowest != nil {
		if r.Low, err = boundKey(ix, lowest); err != nil {
			return err
		}
	}
	if highest != nil {
		if r.High, err = boundKey(ix, highest); err != nil {
			return err
		}
	}
	if lowest != nil && highest != nil && bytes.Compare(r.Low, r.High) >= 0 {
		return mongoerr.New(51175, "error processing query: planner returned error :: caused by :: The value provided for min() does not come before the value provided for max() in the hinted index")
	}
	a.ranges, a.or, a.sorted = []index.Range{r}, nil, a.sorted && a.index == ix
	return nil
}

func boundKey(ix *indexState, bound bson.Raw) ([]byte, error) {
	var conds []index.Condition
	it := value.Walk(bound)
	for _, f := range ix.Fields {
		if !it.Next() || it.Key() != f.Name {
			return nil, mongoerr.New(51174, "error processing query: planner returned error :: caused by :: The index chosen is not compatible with min/max")
		}
		conds = append(conds, index.Condition{Points: []value.Value{it.Value()}})
	}
	if it.Next() {
		return nil, mongoerr.New(51174, "error processing query: planner returned error :: caused by :: The index chosen is not compatible with min/max")
	}
	ranges, _ := ix.Ranges(conds)
	return ranges[0].Low, nil
}

// keyCursor gives index keys in place of documents.
type keyCursor struct {
	in     store.Cursor
	report *scanReport
	keys   index.Generator
}

var errFirstKey = errors.New("the first key is enough")

func (c *keyCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	if ix := c.report.access.index; ix != nil {
		return indexKeyOf(&c.keys, ix, doc)
	}
	return emptyDoc, nil
}

func (c *keyCursor) Close() error { return c.in.Close() }
