package agg

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// unwindStage is $unwind.
type unwindStage struct {
	path     []string
	index    []string // nil: none
	preserve bool
	reads    []string // the fields that later stages read; nil: all
}

func compileUnwind(_ *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	s := &unwindStage{}
	var path string
	switch {
	case v.IsString():
		path = v.Str()
	case v.IsDocument():
		var err error
		if path, err = s.options(v.Doc()); err != nil {
			return nil, err
		}
	default:
		return nil, mongoerr.New(15981, "expected either a string or an object as specification for $unwind stage, got %s", value.TypeName(v.Kind()))
	}
	if path == "" {
		return nil, mongoerr.New(28812, "no path specified to $unwind stage")
	}
	if !strings.HasPrefix(path, "$") {
		return nil, mongoerr.New(28818, "path option to $unwind stage should be prefixed with a '$': %s", path)
	}
	var err error
	s.path, err = splitPath(path[1:])
	return []stage{s}, err
}

func (s *unwindStage) options(doc bson.Raw) (path string, err error) {
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		switch it.Key() {
		case "path":
			if !v.IsString() {
				return "", mongoerr.New(28808, "expected a string as the path for $unwind stage, got %s", value.TypeName(v.Kind()))
			}
			path = v.Str()
		case "preserveNullAndEmptyArrays":
			if v.Kind() != bson.TypeBoolean {
				return "", mongoerr.New(28809, "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got %s", value.TypeName(v.Kind()))
			}
			s.preserve = v.AsBool()
		case "includeArrayIndex":
			if !v.IsString() || v.Str() == "" {
				return "", mongoerr.New(28810, "expected a non-empty string for the includeArrayIndex option to $unwind stage, got %s", value.TypeName(v.Kind()))
			}
			if strings.HasPrefix(v.Str(), "$") {
				return "", mongoerr.New(28822, "includeArrayIndex option to $unwind stage should not be prefixed with a '$': %s", v.Str())
			}
			if s.index, err = splitPath(v.Str()); err != nil {
				return "", err
			}
		default:
			return "", mongoerr.New(28811, "unrecognized option to $unwind stage: %s", it.Key())
		}
	}
	return path, nil
}

func (s *unwindStage) needs(f *fieldSet) bool {
	f.add(s.path[0])
	return false
}

func (s *unwindStage) open(_ context.Context, _ *run, in store.Cursor) (store.Cursor, error) {
	return &unwindCursor{piped: piped{in}, s: s}, nil
}

type unwindCursor struct {
	piped
	s        *unwindStage
	doc      bson.Raw // the document being unwound, nil: none
	items    value.Iter
	n        int64
	bufs     [2][]byte
	rest     []byte // of doc
	patience patience
}

func (c *unwindCursor) Next(ctx context.Context) (bson.Raw, error) {
	for {
		if c.doc != nil {
			if c.items.Next() {
				if err := c.patience.step(ctx); err != nil {
					return nil, err
				}
				c.n++
				return c.emit(c.items.Value(), value.Int64(c.n-1)), nil
			}
			c.doc = nil
		}
		doc, err := c.in.Next(ctx)
		if err != nil {
			return nil, err
		}
		if out := c.begin(doc); out != nil {
			return out, nil
		}
	}
}

// begin starts on a document; it returns it when it is passed on as one.
func (c *unwindCursor) begin(doc bson.Raw) bson.Raw {
	v := getPlain(doc, c.s.path)
	c.doc = doc
	switch {
	case v.IsArray() && len(v.Doc()) > 5:
		c.items, c.n = value.Walk(v.Doc()), 0
		if len(v.Doc()) > shortArray && c.s.reads != nil && len(c.s.path) == 1 {
			c.trim(doc)
		}
		return nil
	case v.IsArray():
		v = value.Value{}
		if !c.s.preserve {
			c.doc = nil
			return nil
		}
	case v.IsNullish() && !c.s.preserve:
		c.doc = nil
		return nil
	}
	out := c.emit(v, value.Null())
	c.doc = nil
	return out
}

// shortArray is how many bytes an array has for which a document is not trimmed.
const shortArray = 64

// trim leaves in the document what later stages read: a copy of it is made for each
// item. The array itself is walked where it is.
func (c *unwindCursor) trim(doc bson.Raw) {
	start, dst := value.BeginDocument(c.rest[:0])
	for it := value.Walk(doc); it.Next(); {
		switch k := it.Key(); {
		case k == c.s.path[0]:
			dst = value.AppendElement(dst, k, value.Null())
		case slices.Contains(c.s.reads, k):
			dst = append(dst, it.Element()...)
		}
	}
	c.rest = value.EndDocument(dst, start)
	c.doc = c.rest
}

// emit writes the document with one value in the place of the array.
func (c *unwindCursor) emit(v, index value.Value) bson.Raw {
	out := c.doc
	if !v.IsMissing() || !getPlain(c.doc, c.s.path).IsMissing() {
		c.bufs[0] = setPath(c.bufs[0][:0], c.doc, c.s.path, v)
		out = c.bufs[0]
	}
	if c.s.index == nil {
		return out
	}
	c.bufs[1] = setPath(c.bufs[1][:0], out, c.s.index, index)
	return c.bufs[1]
}
