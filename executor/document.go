package executor

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/translator"
)

// stored is a SQL value in the form that documents hold: numbers in the one
// BSON type of the column, text that names an ObjectId as one, null
// inside of jsonb as null.
func stored(v value.Value, t translator.WriteTarget) value.Value {
	switch t.Type.OID {
	case sqltype.Int8:
		if v.Kind() == bson.TypeInt32 {
			return value.Int64(v.AsInt64())
		}
	case sqltype.Float8, sqltype.Float4:
		if v.IsNumber() && v.Kind() != bson.TypeDouble {
			return value.Double(v.AsDouble())
		}
	case sqltype.Numeric:
		if v.IsNumber() && v.Kind() != bson.TypeDecimal128 {
			return v.AsDecimal()
		}
	case sqltype.JSONB:
		if v.Kind() == bson.TypeSymbol && len(t.Path) == 1 {
			return v // the JSON null is not SQL's
		}
		return plainJSON(v)
	}
	if t.OID && v.IsString() && len(v.Str()) == 24 {
		if o, err := bson.ObjectIDFromHex(v.Str()); err == nil {
			return value.ObjectID(o)
		}
	}
	return v
}

// plainJSON replaces the symbol that stands for JSON's null.
func plainJSON(v value.Value) value.Value {
	switch {
	case v.Kind() == bson.TypeSymbol:
		return value.Null()
	case v.IsDocument() && holdsSymbol(v):
		var b value.Builder
		for it := value.Walk(v.Doc()); it.Next(); {
			b.Add(it.Key(), plainJSON(it.Value()))
		}
		return b.DocumentOf()
	case v.IsArray() && holdsSymbol(v):
		var items []value.Value
		for it := value.Walk(v.Doc()); it.Next(); {
			items = append(items, plainJSON(it.Value()))
		}
		return value.ArrayFrom(items)
	}
	return v
}

func holdsSymbol(v value.Value) bool {
	for it := value.Walk(v.Doc()); it.Next(); {
		switch it.Kind() {
		case bson.TypeSymbol:
			return true
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			if holdsSymbol(it.Value()) {
				return true
			}
		}
	}
	return false
}

// tree is a document being put together from paths.
type tree struct {
	names []string
	kids  map[string]*tree
	value value.Value
}

func (t *tree) set(path []string, v value.Value) {
	for _, name := range path {
		kid := t.kids[name]
		if kid == nil {
			if t.kids == nil {
				t.kids = map[string]*tree{}
			}
			kid = &tree{}
			t.kids[name] = kid
			t.names = append(t.names, name)
		}
		t = kid
	}
	t.value = v
}

func (t *tree) append(dst []byte) []byte {
	start, dst := value.BeginDocument(dst)
	for _, name := range t.names {
		kid := t.kids[name]
		if kid.kids == nil {
			dst = value.AppendElement(dst, name, kid.value)
			continue
		}
		dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, name)
		dst = kid.append(dst)
	}
	return value.EndDocument(dst, start)
}

// newDocument makes the document of an inserted row. NULLs are left out; an
// _id is made where none is given.
func newDocument(w *translator.Write, row bson.Raw) (bson.Raw, error) {
	if w.Document {
		return wholeDocument(w, row)
	}
	if w.Flat {
		return flatDocument(w, row), nil
	}
	t := &tree{}
	id := value.Value{}
	i := 0
	for it := value.Walk(row); it.Next(); {
		for i < len(w.Targets) && slotName(i) != it.Key() {
			i++
		}
		if i == len(w.Targets) {
			break
		}
		target := w.Targets[i]
		v := it.Value()
		if v.IsNullish() {
			continue
		}
		v = stored(v, target)
		if len(target.Path) == 1 && target.Path[0] == "_id" {
			id = v
			continue
		}
		t.set(target.Path, v)
	}
	if id.IsMissing() {
		id = value.ObjectID(bson.NewObjectID())
	}
	body := t.append(nil)
	return withID(id, body), nil
}

// flatDocument is newDocument where every target is a field of the document itself.
func flatDocument(w *translator.Write, row bson.Raw) bson.Raw {
	start, out := value.BeginDocument(make([]byte, 0, len(row)+32+w.NameBytes))
	id := value.Value{}
	for i := range w.Targets {
		if w.Targets[i].Path[0] == "_id" {
			if v := value.Lookup(row, slotName(i)); !v.IsNullish() {
				id = stored(v, w.Targets[i])
			}
		}
	}
	if id.IsMissing() {
		id = value.ObjectID(bson.NewObjectID())
	}
	out = value.AppendElement(out, "_id", id)
	i := 0
	for it := value.Walk(row); it.Next() && i < len(w.Targets); i++ {
		for i < len(w.Targets) && slotName(i) != it.Key() {
			i++
		}
		if i == len(w.Targets) {
			break
		}
		if v := it.Value(); !v.IsNullish() && w.Targets[i].Path[0] != "_id" {
			out = value.AppendElement(out, w.Targets[i].Path[0], stored(v, w.Targets[i]))
		}
	}
	return value.EndDocument(out, start)
}

// withID puts the _id in front of a document that has none.
func withID(id value.Value, body bson.Raw) bson.Raw {
	start, out := value.BeginDocument(make([]byte, 0, len(body)+24))
	out = value.AppendElement(out, "_id", id)
	out = append(out, body[4:len(body)-1]...)
	return value.EndDocument(out, start)
}

// wholeDocument is the one jsonb value of INSERT of documents, with defaults
// for what it lacks.
func wholeDocument(w *translator.Write, row bson.Raw) (bson.Raw, error) {
	v := plainJSON(value.Lookup(row, "c0"))
	if !v.IsDocument() {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "only a JSON object can be inserted as a document")
	}
	doc := append(bson.Raw(nil), v.Doc()...)
	var extra value.Builder
	for i := 1; i < len(w.Targets); i++ {
		d := value.Lookup(row, slotName(i))
		if p := w.Targets[i].Path; len(p) == 1 && !d.IsNullish() && value.Lookup(doc, p[0]).IsMissing() {
			extra.Add(p[0], stored(d, w.Targets[i]))
		}
	}
	more := extra.Doc()
	start, out := value.BeginDocument(nil)
	out = append(out, doc[4:len(doc)-1]...)
	out = append(out, more[4:len(more)-1]...)
	doc = value.EndDocument(out, start)
	if value.Lookup(doc, "_id").IsMissing() {
		return withID(value.ObjectID(bson.NewObjectID()), doc), nil
	}
	return doc, nil
}

// setUpdate is the update that assigns values to paths: $set, or a pipeline
// where a path goes through documents that may be null or missing.
func (e *execution) setUpdate(targets []translator.WriteTarget, values []value.Value) (bson.RawValue, error) {
	deep := false
	for _, t := range targets {
		if err := assignable(t); err != nil {
			return bson.RawValue{}, err
		}
		deep = deep || len(t.Path) > 1
	}
	var b value.Builder
	var more []value.Value
	var gone []string
	set := func(path string, v value.Value) {
		if deep {
			var lit value.Builder
			lit.Add("$literal", v)
			v = lit.DocumentOf()
		}
		b.Add(path, v)
	}
	b.Open(bson.TypeEmbeddedDocument, "$set")
	for i, t := range targets {
		v := values[i]
		if v.IsMissing() {
			v = value.Null()
		}
		v, us, err := e.divide(t, stored(v, t))
		if err != nil {
			return bson.RawValue{}, err
		}
		if throughItems(t) {
			more = append(more, elementStage(t, v))
			continue
		}
		set(strings.Join(t.Path, "."), v)
		switch {
		case !us.IsMissing():
			set(hiddenPath(t), us)
		case t.Marked:
			gone = append(gone, hiddenPath(t))
		}
	}
	b.Close()
	if !deep {
		if len(gone) > 0 {
			b.Add("$unset", unset(gone))
		}
		return value.Document(b.Doc()).RawValue(), nil
	}
	if len(more) < len(targets) {
		more = append([]value.Value{value.Document(b.Doc())}, more...)
	}
	if len(gone) > 0 {
		more = append(more, call1("$unset", names(gone)))
	}
	return value.ArrayFrom(more).RawValue(), nil
}

// assignable refuses what cannot be assigned to.
func assignable(t translator.WriteTarget) error {
	if len(t.Path) == 0 {
		return sqlerr.New(sqlerr.FeatureNotSupported, "the whole document cannot be assigned")
	}
	if t.Path[0] == "_id" {
		return sqlerr.New(sqlerr.FeatureNotSupported, "the column _id cannot be changed").
			WithHint("Delete the row and insert it again.")
	}
	for _, name := range t.Path {
		if strings.HasPrefix(name, "$") || strings.Contains(name, ".") {
			return sqlerr.New(sqlerr.FeatureNotSupported, "the field %q cannot be changed", name)
		}
	}
	return nil
}
