package executor

import (
	"context"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/translator"
)

// Documents hold dates of milliseconds and decimals of 34 digits. Of the columns
// that keep more the whole value stands in catalog.FineField beside the field:
// rows are divided when they are written and joined when they are read here. What
// else has microseconds is rounded, numbers beyond decimal128 are refused.

// hold marks the columns of which fine values are about to be written.
func (e *execution) hold(ctx context.Context, w *translator.Write) error {
	if len(e.fine) == 0 {
		return nil
	}
	names := e.fine
	e.fine = nil
	if e.st.HoldFine == nil {
		return sqlerr.New(sqlerr.FeatureNotSupported, "microseconds cannot be stored here")
	}
	return e.st.HoldFine(ctx, w.Table.NS, names)
}

func (e *execution) holds(name string) {
	if !slices.Contains(e.fine, name) {
		e.fine = append(e.fine, name)
	}
}

// rounded is a value without what is fine; the client is told. Numbers that
// decimal128 cannot hold are an error.
func (e *execution) rounded(v value.Value) (value.Value, error) {
	var types *sqltype.Env
	if e.st.Session != nil {
		types = e.st.Session.Types()
	}
	return types.Stored(v)
}

// roundRow rounds what of a new row cannot be stored whole.
func (e *execution) roundRow(w *translator.Write, doc bson.Raw) (bson.Raw, error) {
	if !w.Moments || !value.Document(doc).HoldsFine() {
		return doc, nil
	}
	start, out := value.BeginDocument(make([]byte, 0, len(doc)))
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		if !fits(v) || !storesFine(w, it.Key()) {
			var err error
			if v, err = e.rounded(v); err != nil {
				return nil, err
			}
		}
		out = value.AppendElement(out, it.Key(), v)
	}
	return value.EndDocument(out, start), nil
}

// fits tells whether a value is one that is stored in two parts: a number that
// decimal128 cannot hold, or a date with microseconds that 64 bits hold in such.
func fits(v value.Value) bool {
	const most = math.MaxInt64/1000 - 1
	return v.IsWide() || v.IsMicros() && v.AsDate() < most && v.AsDate() > -most
}

func storesFine(w *translator.Write, field string) bool {
	return slices.Contains(w.Fine, field) && w.Table.StoresFine([]string{field})
}

// divided is the document to store of a row, and notes the columns to mark.
func (e *execution) divided(w *translator.Write, row bson.Raw) bson.Raw {
	if len(w.Fine) == 0 || !w.Moments {
		return row
	}
	found := false
	for it := value.Walk(row); it.Next() && !found; {
		found = it.Value().IsFine()
	}
	if !found {
		return row
	}
	start, out := value.BeginDocument(make([]byte, 0, len(row)+32))
	var us value.Builder
	for it := value.Walk(row); it.Next(); {
		v := it.Value()
		if it.Key() == catalog.FineField {
			continue
		}
		if v.IsFine() {
			field, beside := translator.Divided(v)
			us.Add(it.Key(), beside)
			v = field
			if !w.Table.IsMarked(it.Key()) {
				e.holds(string([]byte(it.Key())))
			}
		}
		out = value.AppendElement(out, it.Key(), v)
	}
	out = value.AppendElement(out, catalog.FineField, us.DocumentOf())
	return value.EndDocument(out, start)
}

// joined is the row that a stored document holds.
func joined(w *translator.Write, doc bson.Raw) bson.Raw {
	if doc == nil || len(w.Fine) == 0 {
		return doc
	}
	us := value.Lookup(doc, catalog.FineField)
	if !us.IsDocument() {
		return doc
	}
	start, out := value.BeginDocument(make([]byte, 0, len(doc)+32))
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		switch {
		case it.Key() == catalog.FineField:
			continue
		case (v.Kind() == bson.TypeDateTime || v.Kind() == bson.TypeDecimal128) && slices.Contains(w.Fine, it.Key()):
			v = translator.JoinFine(v, value.Lookup(us.Doc(), it.Key()))
		}
		out = value.AppendElement(out, it.Key(), v)
	}
	return value.EndDocument(out, start)
}

// divide gives the field of a target's new value and what is stored beside it,
// which is missing where there is nothing.
func (e *execution) divide(t translator.WriteTarget, v value.Value) (field, beside value.Value, err error) {
	if !fits(v) || !t.Fine {
		field, err = e.rounded(v)
		return field, value.Value{}, err
	}
	if !t.Marked {
		e.holds(t.Path[0])
	}
	field, beside = translator.Divided(v)
	return field, beside, nil
}

func hiddenPath(t translator.WriteTarget) string { return catalog.FineField + "." + t.Path[0] }

// unset is {$unset: …} of fields of the document.
func unset(paths []string) value.Value {
	var b value.Builder
	for _, p := range paths {
		b.Add(p, value.String(""))
	}
	return b.DocumentOf()
}

func names(list []string) value.Value {
	items := make([]value.Value, len(list))
	for i, s := range list {
		items[i] = value.String(s)
	}
	return value.ArrayFrom(items)
}
