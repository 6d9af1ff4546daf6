package catalog

import (
	"context"

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
	q := o.Sequence
	// The first call answers the start value: it only marks the sequence called.
	first, err := s.step(ctx, o, value.Bool(false), func(b *value.Builder) {
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
	last, err := s.step(ctx, o, value.Bool(true), func(b *value.Builder) {
		b.Open(bson.TypeEmbeddedDocument, "$inc")
		b.Add("sequence.last", value.Int64(q.Increment))
		b.Close()
	})
	if err != nil {
		return 0, err
	}
	n := asInt(last)
	if n > q.Max || n < q.Min {
		word, bound := "maximum", q.Max
		if q.Increment < 0 {
			word, bound = "minimum", q.Min
		}
		return 0, sqlerr.New("2200H", "nextval: reached %s value of sequence %q (%d)", word, o.Name, bound)
	}
	return n, nil
}

// step runs an update on the sequence if it is in the given state of called,
// and gives its last value after it; missing when it was not in that state.
func (s *Scoped) step(ctx context.Context, o *object, called value.Value, update func(*value.Builder)) (value.Value, error) {
	var b value.Builder
	b.Add("findAndModify", value.String(objects.Coll))
	b.Open(bson.TypeEmbeddedDocument, "query")
	b.Add("_id", value.String(o.ID))
	b.Add("sequence.called", called)
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
