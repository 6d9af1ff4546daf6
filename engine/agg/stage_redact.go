package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// redactStage is {$redact: expression}. CURRENT is bound to the document that
// is looked at; ROOT stays the whole one.
type redactStage struct {
	e    expr.Expr
	slot int
}

func compileRedact(c *compiler, spec bson.RawValue) ([]stage, error) {
	opts := *c.opts
	opts.Vars = append(append([]string(nil), opts.Vars...), "CURRENT")
	var wrap value.Builder
	// Field paths mean the document at hand, which only a $let can say.
	wrap.Open(bson.TypeEmbeddedDocument, "$let")
	wrap.Open(bson.TypeEmbeddedDocument, "vars")
	wrap.Add("CURRENT", value.String("$$CURRENT"))
	wrap.Close()
	wrap.Add("in", value.FromRaw(spec))
	e, err := expr.Compile(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: wrap.Doc()}, &opts)
	if err != nil {
		return nil, err
	}
	return []stage{&redactStage{e, len(opts.Vars) - 1}}, nil
}

func (s *redactStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	x := *r.x
	x.Vars = append(append([]value.Value(nil), r.x.Vars...), value.Value{})
	return &nextFunc{piped{in}, func(ctx context.Context) (bson.Raw, error) {
		for {
			doc, err := in.Next(ctx)
			if err != nil {
				return nil, err
			}
			x.Root = doc
			out, keep, err := s.document(&x, doc)
			if err != nil || keep {
				return out, err
			}
		}
	}}, nil
}

func (s *redactStage) document(x *expr.Context, doc bson.Raw) (out bson.Raw, keep bool, err error) {
	x.Vars = x.Vars[:s.slot+1]
	x.Vars[s.slot] = value.Document(doc)
	v, err := s.e.Eval(x)
	if err != nil {
		return nil, false, err
	}
	if v.IsString() {
		switch v.Str() {
		case "keep":
			return doc, true, nil
		case "prune":
			return nil, false, nil
		case "descend":
			out, err = s.descend(x, doc)
			return out, true, err
		}
	}
	return nil, false, mongoerr.New(17053, "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE, but returned %s", show(v))
}

func (s *redactStage) descend(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	start, dst := value.BeginDocument(nil)
	for it := value.Walk(doc); it.Next(); {
		v, err := s.value(x, it.Value())
		if err != nil {
			return nil, err
		}
		dst = value.AppendElement(dst, it.Key(), v)
	}
	return value.EndDocument(dst, start), nil
}

// value redacts the documents in a value; missing when it is one and goes.
func (s *redactStage) value(x *expr.Context, v value.Value) (value.Value, error) {
	switch {
	case v.IsDocument():
		out, keep, err := s.document(x, v.Doc())
		if !keep || err != nil {
			return value.Value{}, err
		}
		return value.Document(out), nil
	case v.IsArray():
		var items []value.Value
		for it := value.Walk(v.Doc()); it.Next(); {
			item, err := s.value(x, it.Value())
			if err != nil {
				return value.Value{}, err
			}
			if !item.IsMissing() {
				items = append(items, item)
			}
		}
		return value.ArrayFrom(items), nil
	}
	return v, nil
}
