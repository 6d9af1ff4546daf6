package catalog

import (
	"context"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func sequenceColumns() []Column {
	return []Column{
		{Name: "last_value", Attr: 1, Path: []string{"sequence", "last"}, Type: sqltype.Of(sqltype.Int8), Kinds: KindInt64, NotNull: true},
		{Name: "log_cnt", Attr: 2, Path: []string{"sequence", "log"}, Type: sqltype.Of(sqltype.Int8), Kinds: KindInt64},
		{Name: "is_called", Attr: 3, Path: []string{"sequence", "called"}, Type: sqltype.Of(sqltype.Bool), Kinds: KindBool, NotNull: true},
	}
}

// sequence finds a sequence by a name such as "schema.name".
func (s *Scoped) sequence(ctx context.Context, schema, name string) (*object, error) {
	t, ok, err := s.Table(ctx, schema, name, true)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name)
	}
	if t.Kind != Sequence {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "%q is not a sequence", name)
	}
	db, stored, _ := s.nameOf(t.OID)
	d, err := s.database(ctx, db, listAge)
	if err != nil {
		return nil, err
	}
	if o := d.objects[stored]; o != nil {
		return o, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", name)
}

// NextVal is nextval: one atomic step in the sequence's document, which no
// rollback takes back.
func (s *Scoped) NextVal(ctx context.Context, schema, name string) (int64, error) {
	o, err := s.sequence(ctx, schema, name)
	if err != nil {
		return 0, err
	}
	// The first call answers the start value: it only marks the sequence called.
	first, err := s.step(ctx, o, called(false), func(b *value.Builder) {
		b.Open(bson.TypeEmbeddedDocument, "$set")
		b.Add("sequence.called", value.Bool(true))
		b.Close()
	})
	if err != nil {
		return 0, err
	}
	if first.IsNumber() {
		return asInt(first), nil
	}
	const attempts = 20
	for range attempts { // sessions may step, and start anew, between the two updates
		n, err := s.advance(ctx, o)
		if err != nil || n.IsNumber() {
			return asInt(n), err
		}
	}
	return 0, sqlerr.New(sqlerr.SerializationFailure, "sequence %q was changed by other sessions", o.Name)
}

func called(yes bool) func(*value.Builder) {
	return func(b *value.Builder) { b.Add("sequence.called", value.Bool(yes)) }
}

// advance is the step to the next value, or the start anew of a sequence that
// cycles; missing when another session came between.
func (s *Scoped) advance(ctx context.Context, o *object) (value.Value, error) {
	q := o.Sequence
	op, past, bound, other, word := "$lte", "$gt", q.Max, q.Min, "maximum"
	if q.Increment < 0 {
		op, past, bound, other, word = "$gte", "$lt", q.Min, q.Max, "minimum"
	}
	last := value.Int64(saturatingSub(bound, q.Increment))
	within := func(op string) func(*value.Builder) {
		return func(b *value.Builder) {
			called(true)(b)
			b.Open(bson.TypeEmbeddedDocument, "sequence.last")
			b.Add(op, last)
			b.Close()
		}
	}
	n, err := s.step(ctx, o, within(op), func(b *value.Builder) {
		b.Open(bson.TypeEmbeddedDocument, "$inc")
		b.Add("sequence.last", value.Int64(q.Increment))
		b.Close()
	})
	if err != nil || n.IsNumber() {
		return n, err
	}
	if !q.Cycle {
		return n, sqlerr.New("2200H", "nextval: reached %s value of sequence %q (%d)", word, o.Name, bound)
	}
	return s.step(ctx, o, within(past), func(b *value.Builder) {
		b.Open(bson.TypeEmbeddedDocument, "$set")
		b.Add("sequence.last", value.Int64(other))
		b.Close()
	})
}

func saturatingSub(a, b int64) int64 {
	switch d := a - b; {
	case b > 0 && d > a:
		return math.MinInt64
	case b < 0 && d < a:
		return math.MaxInt64
	default:
		return d
	}
}

// step runs an update on the sequence if it is in the given state, and gives
// its last value after it; missing when it was not in that state.
func (s *Scoped) step(ctx context.Context, o *object, state, update func(*value.Builder)) (value.Value, error) {
	var b value.Builder
	b.Add("findAndModify", value.String(objects.Coll))
	b.Open(bson.TypeEmbeddedDocument, "query")
	b.Add("_id", value.String(o.ID))
	state(&b)
	b.Close()
	b.Open(bson.TypeEmbeddedDocument, "update")
	update(&b)
	b.Close()
	b.Add("new", value.Bool(true))
	before := s.stamp()
	reply, err := s.store.Command(ctx, objects.DB, b.Doc())
	if err != nil {
		return value.Value{}, err
	}
	s.ownChange(before)
	doc := value.Lookup(reply, "value")
	if !doc.IsDocument() {
		return value.Value{}, nil
	}
	seq := value.Lookup(doc.Doc(), "sequence")
	if !seq.IsDocument() {
		return value.Value{}, nil
	}
	return value.Lookup(seq.Doc(), "last"), nil
}

// SetVal is setval.
func (s *Scoped) SetVal(ctx context.Context, schema, name string, n int64, called bool) error {
	o, err := s.sequence(ctx, schema, name)
	if err != nil {
		return err
	}
	if n < o.Sequence.Min || n > o.Sequence.Max {
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "setval: value %d is out of bounds for sequence %q (%d..%d)",
			n, o.Name, o.Sequence.Min, o.Sequence.Max)
	}
	var b value.Builder
	b.Add("findAndModify", value.String(objects.Coll))
	b.Add("query", value.Document(idFilter(o.ID)))
	b.Open(bson.TypeEmbeddedDocument, "update")
	b.Open(bson.TypeEmbeddedDocument, "$set")
	b.Add("sequence.last", value.Int64(n))
	b.Add("sequence.called", value.Bool(called))
	b.Close()
	b.Close()
	_, err = s.store.Command(ctx, objects.DB, b.Doc())
	return err
}
