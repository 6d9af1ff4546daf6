package agg

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// mergeStage is $merge. Each document becomes one write on the target.
type mergeStage struct {
	reads
	into       store.Namespace
	on         []string
	matched    string // replace, keepExisting, merge, fail, pipeline
	notMatched string // insert, discard, fail
	pipeline   bson.RawValue
	lets       letVars
	let        bson.Raw // as written; nil: none
}

func compileMerge(c *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	s := &mergeStage{into: store.Namespace{DB: c.env.NS.DB}, on: []string{"_id"}, matched: "merge", notMatched: "insert"}
	switch {
	case v.IsString():
		s.into.Coll = v.Str()
	case v.IsDocument():
		if err := s.options(c, v.Doc()); err != nil {
			return nil, err
		}
	default:
		return nil, mongoerr.New(mongoerr.TypeMismatch, "$merge requires a string or object argument, but found %s", value.TypeName(v.Kind()))
	}
	if err := checkNamespace(s.into, "$merge"); err != nil {
		return nil, err
	}
	if err := s.checkModes(); err != nil {
		return nil, err
	}
	if err := s.compileLet(c); err != nil {
		return nil, err
	}
	if c.env.Writer == nil {
		return nil, writesRefused("$merge")
	}
	return []stage{s}, nil
}

func (s *mergeStage) options(c *compiler, doc bson.Raw) error {
	hasInto := false
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		var err error
		switch it.Key() {
		case "into":
			hasInto = true
			err = s.setInto(v)
		case "on":
			err = s.setOn(v)
		case "whenMatched":
			err = s.setMatched(v)
		case "whenNotMatched":
			err = s.setNotMatched(v)
		case "let":
			if !v.IsDocument() {
				return wrongType("$merge", "let", v.Kind(), "object")
			}
			s.let = v.Doc()
		default:
			err = unknownField("$merge", it.Key())
		}
		if err != nil {
			return err
		}
	}
	if !hasInto {
		return missingField("$merge", "into")
	}
	return nil
}

func (s *mergeStage) setInto(v value.Value) error {
	switch {
	case v.IsString():
		s.into.Coll = v.Str()
		return nil
	case !v.IsDocument():
		return mongoerr.New(51178, "$merge 'into' field must be either a string or an object, but found %s", value.TypeName(v.Kind()))
	}
	db := ""
	for it := value.Walk(v.Doc()); it.Next(); {
		key, v := it.Key(), it.Value()
		switch {
		case key != "db" && key != "coll":
			return unknownField("into", key)
		case !v.IsString():
			return wrongType("into", key, v.Kind(), "string")
		case key == "db":
			db = v.Str()
		default:
			s.into.Coll = v.Str()
		}
	}
	switch {
	case s.into.Coll == "": // the server then takes the only name as the collection's
		s.into.Coll = db
	case db != "":
		s.into.DB = db
	}
	return nil
}

func (s *mergeStage) setOn(v value.Value) error {
	s.on = nil
	switch {
	case v.IsString():
		s.on = []string{v.Str()}
	case v.IsArray():
		for it := value.Walk(v.Doc()); it.Next(); {
			if !it.Value().IsString() {
				return mongoerr.New(51134, "$merge 'on' array elements must be strings, but found %s", value.TypeName(it.Kind()))
			}
			if slices.Contains(s.on, it.Value().Str()) {
				return mongoerr.New(31465, "Found a duplicate field '%s'", it.Value().Str())
			}
			s.on = append(s.on, it.Value().Str())
		}
		if len(s.on) == 0 {
			return mongoerr.New(51187, "If explicitly specifying $merge 'on', must include at least one field")
		}
	default:
		return mongoerr.New(51186, "$merge 'on' field must be either a string or an array of strings, but found %s", value.TypeName(v.Kind()))
	}
	return nil
}

func (s *mergeStage) setMatched(v value.Value) error {
	switch {
	case v.IsArray():
		s.matched, s.pipeline = "pipeline", v.RawValue()
		return nil
	case !v.IsString():
		return mongoerr.New(51191, "$merge 'whenMatched' field must be either a string or an array, but found %s", value.TypeName(v.Kind()))
	case !slices.Contains([]string{"replace", "keepExisting", "merge", "fail"}, v.Str()):
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'whenMatched' is not a valid value.", v.Str())
	}
	s.matched = v.Str()
	return nil
}

func (s *mergeStage) setNotMatched(v value.Value) error {
	if !v.IsString() {
		return wrongType("$merge", "whenNotMatched", v.Kind(), "string")
	}
	if !slices.Contains([]string{"insert", "discard", "fail"}, v.Str()) {
		return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field '$merge.whenNotMatched' is not a valid value.", v.Str())
	}
	s.notMatched = v.Str()
	return nil
}

func (s *mergeStage) checkModes() error {
	if (s.matched == "keepExisting" || s.matched == "fail") && s.notMatched != "insert" {
		return mongoerr.New(51181, "Combination of $merge modes 'whenMatched: %s' and 'whenNotMatched: %s' is not supported", s.matched, s.notMatched)
	}
	if s.let != nil && s.matched != "pipeline" {
		return mongoerr.New(51199, "Cannot use 'let' variables with 'whenMatched: %s' mode", s.matched)
	}
	return nil
}

// compileLet makes the variables of the update pipeline; "new" is the document.
func (s *mergeStage) compileLet(c *compiler) error {
	if s.matched != "pipeline" {
		return nil
	}
	let := s.let
	if n := value.Lookup(let, "new"); n.IsMissing() {
		var b value.Builder
		for it := value.Walk(let); it.Next(); {
			b.AddElement(it.Element())
		}
		b.Add("new", value.String("$$ROOT"))
		let = b.Doc()
	} else if !n.IsString() || n.Str() != "$$ROOT" {
		return mongoerr.New(51273, "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'")
	}
	var err error
	if s.lets, err = c.letVars(let); err != nil {
		return err
	}
	stages, err := pipelineArray(value.FromRaw(s.pipeline))
	if err != nil {
		return err
	}
	sub := c.sub(inUpdate)
	opts := *c.opts
	opts.Vars = append(append([]string(nil), opts.Vars...), s.lets.names...)
	sub.opts = &opts
	_, err = sub.pipeline(stages)
	return err
}

func (s *mergeStage) open(ctx context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	if !slices.Equal(s.on, []string{"_id"}) {
		ok, err := r.env.Writer.Unique(ctx, s.into, s.on)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, mongoerr.New(51183, "Cannot find index to verify that join fields will be unique")
		}
	}
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		return Documents(nil), s.writeAll(ctx, r, in)
	}}, nil
}

// mergeBatch is how many documents are written before a failed one ends the stage.
const mergeBatch = 1000

// writeAll goes on after a document that cannot be written until the end of
// its batch, as the server does, and then reports the first error.
func (s *mergeStage) writeAll(ctx context.Context, r *run, in store.Cursor) error {
	var first error
	n := 0
	err := drain(ctx, in, func(doc bson.Raw) error {
		if n++; n%mergeBatch == 0 && first != nil {
			return first
		}
		err := s.write(ctx, r, doc)
		if mongoerr.CodeOf(err) == 0 {
			return err
		}
		if first == nil {
			first = err
		}
		return nil
	})
	if err == nil {
		err = first
	}
	return err
}

func (s *mergeStage) write(ctx context.Context, r *run, doc bson.Raw) error {
	if slices.Contains(s.on, "_id") && value.Lookup(doc, "_id").IsMissing() {
		var b value.Builder
		b.Add("_id", value.ObjectID(bson.NewObjectID()))
		for it := value.Walk(doc); it.Next(); {
			b.AddElement(it.Element())
		}
		doc = b.Doc()
	}
	op, let, err := s.operation(r, doc)
	if err != nil {
		return err
	}
	res, err := s.do(ctx, r, op, let)
	if err != nil || op.Kind == store.Insert || res.Matched+int64(len(res.Upserted)) > 0 {
		return err
	}
	switch {
	case s.notMatched == "fail":
		return mongoerr.New(13113, "$merge could not find a matching document in the target collection for at least one document in the source collection")
	case s.notMatched == "insert":
		_, err = s.do(ctx, r, store.WriteOp{Kind: store.Insert, Document: doc}, nil)
	}
	return err
}

func (s *mergeStage) do(ctx context.Context, r *run, op store.WriteOp, let bson.Raw) (store.WriteResult, error) {
	res, err := r.env.Writer.Write(ctx, s.into, []store.WriteOp{op}, let)
	if err == nil {
		err = res.Err()
	}
	if errors.Is(err, mongoerr.Code(mongoerr.ImmutableField)) {
		err = caused("$merge failed to update the matching document, did you attempt to modify the _id or the shard key?", err)
	}
	return res, err
}

// operation is the write that a document stands for.
func (s *mergeStage) operation(r *run, doc bson.Raw) (op store.WriteOp, let bson.Raw, err error) {
	filter, err := s.filter(doc)
	if err != nil {
		return op, nil, err
	}
	op = store.WriteOp{Kind: store.Update, Filter: filter, Upsert: s.notMatched == "insert"}
	switch s.matched {
	case "fail":
		return store.WriteOp{Kind: store.Insert, Document: doc}, nil, nil
	case "replace":
		op.Update = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	case "merge":
		op.Update = modifier("$set", doc)
	case "keepExisting":
		op.Update = modifier("$setOnInsert", doc)
	case "pipeline":
		// What does not match is inserted as it is, not made by the pipeline.
		op.Update, op.Upsert = s.pipeline, false
		let, err = s.letValues(r, doc)
	}
	return op, let, err
}

func modifier(name string, doc bson.Raw) bson.RawValue {
	var b value.Builder
	b.Add(name, value.Document(doc))
	return b.DocumentOf().RawValue()
}

func (s *mergeStage) filter(doc bson.Raw) (bson.Raw, error) {
	var b value.Builder
	for _, field := range s.on {
		v := getPlain(doc, strings.Split(field, "."))
		if v.IsNullish() || v.IsArray() {
			return nil, mongoerr.New(51132, "$merge write error: 'on' field '%s' cannot be missing, null, undefined or an array", field)
		}
		b.Open(bson.TypeEmbeddedDocument, field)
		b.Add("$eq", v)
		b.Close()
	}
	return b.Doc(), nil
}

func (s *mergeStage) letValues(r *run, doc bson.Raw) (bson.Raw, error) {
	r.x.Root = doc
	var b value.Builder
	for i, e := range s.lets.exprs {
		v, err := e.Eval(r.x)
		if err != nil {
			return nil, err
		}
		b.Add(s.lets.names[i], orNull(v))
	}
	return b.Doc(), nil
}
