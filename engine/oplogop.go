package engine

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/update"
	"weir/engine/value"
)

// operationOf is an entry in the form of the server's oplog: {op, ns, ui, o, o2}.
func operationOf(e *oplog.Entry) bson.Raw {
	var b value.Builder
	op := func(kind, ns string) {
		b.Add("op", value.String(kind))
		b.Add("ns", value.String(ns))
		if e.UUID != [16]byte{} {
			b.Add("ui", value.Binary(4, e.UUID[:]))
		}
	}
	switch e.Kind {
	case oplog.Noop:
		op("n", "")
		b.Add("o", value.Document(stageDoc("msg", value.String("noop"))))
	case oplog.Insert:
		op("i", e.DB+"."+e.Coll)
		b.Add("o", value.Document(e.Doc))
		b.Add("o2", value.Document(e.Key))
	case oplog.Delete:
		op("d", e.DB+"."+e.Coll)
		b.Add("o", value.Document(e.Key))
	case oplog.Replace:
		op("u", e.DB+"."+e.Coll)
		b.Add("o", value.Document(e.Doc))
		b.Add("o2", value.Document(e.Key))
	case oplog.Update:
		op("u", e.DB+"."+e.Coll)
		b.Add("o", value.Document(rawUpdate(e.Doc)))
		b.Add("o2", value.Document(e.Key))
	default:
		op("c", e.DB+".$cmd")
		b.Add("o", value.Document(commandOf(e)))
		if e.Kind == oplog.Modify && e.Extra != nil {
			b.Add("o2", value.Document(e.Extra))
		}
	}
	return b.Doc()
}

// rawUpdate is the description of an update in the oplog's form.
func rawUpdate(desc bson.Raw) bson.Raw {
	var o value.Builder
	o.Add("$v", value.Int32(2))
	o.Add("diff", value.Document(deltaOf(desc)))
	return o.Doc()
}

// commandOf is a change of the catalog as the command that makes it.
func commandOf(e *oplog.Entry) bson.Raw {
	var o value.Builder
	rest := func() {
		for it := value.Walk(e.Doc); it.Next(); {
			o.AddElement(it.Element())
		}
	}
	switch e.Kind {
	case oplog.Create:
		o.Add("create", value.String(e.Coll))
		rest()
	case oplog.Modify:
		o.Add("collMod", value.String(e.Coll))
		rest()
	case oplog.Drop:
		o.Add("drop", value.String(e.Coll))
	case oplog.DropDatabase:
		o.Add("dropDatabase", value.Int32(1))
	case oplog.Rename:
		to := value.Lookup(e.Doc, "to").Doc()
		o.Add("renameCollection", value.String(e.DB+"."+e.Coll))
		o.Add("to", value.String(value.Lookup(to, "db").Str()+"."+value.Lookup(to, "coll").Str()))
		o.Add("stayTemp", value.Bool(false))
		if v := value.Lookup(e.Doc, "dropTarget"); !v.IsMissing() {
			o.Add("dropTarget", v)
		}
	case oplog.CreateIndexes, oplog.DropIndexes:
		indexCommand(&o, e)
	default:
		o.Add(string(e.Kind), value.String(e.Coll))
		rest()
	}
	return o.Doc()
}

// indexCommand writes {createIndexes: coll, v, key, name, …} of one index, and
// {commitIndexBuild: coll, indexes: […]} of several; {dropIndexes: coll, index}.
func indexCommand(o *value.Builder, e *oplog.Entry) {
	list := value.Items(nil, value.Lookup(e.Doc, "indexes").Doc())
	switch {
	case e.Kind == oplog.DropIndexes && len(list) == 1:
		o.Add("dropIndexes", value.String(e.Coll))
		o.Add("index", value.Lookup(list[0].Doc(), "name"))
	case len(list) == 1:
		o.Add("createIndexes", value.String(e.Coll))
		for it := value.Walk(list[0].Doc()); it.Next(); {
			o.AddElement(it.Element())
		}
	default:
		o.Add("commitIndexBuild", value.String(e.Coll))
		o.Add("indexes", value.ArrayFrom(list))
	}
}

// diffLevel is one level of the description of an update in the oplog's second
// version: {d: removed fields, u: fields with new values, sNAME: what is below}.
// Of an array it is {a: true, l: new length, uPLACE, sPLACE}.
type diffLevel struct {
	array   bool
	length  int // negative: as it was
	removed []string
	set     []string
	values  []value.Value
	below   []string
	sub     map[string]*diffLevel
}

func newDiffLevel() *diffLevel { return &diffLevel{length: -1, sub: map[string]*diffLevel{}} }

// deltaOf turns {updatedFields, removedFields, truncatedArrays} into a delta.
func deltaOf(desc bson.Raw) bson.Raw {
	root := newDiffLevel()
	paths := value.Lookup(desc, update.DisambiguatedPaths)
	for it := value.Walk(value.Lookup(desc, "updatedFields").Doc()); it.Next(); {
		d, name := root.at(it.Key(), paths)
		d.set, d.values = append(d.set, name), append(d.values, it.Value())
	}
	for it := value.Walk(value.Lookup(desc, "removedFields").Doc()); it.Next(); {
		d, name := root.at(it.Value().Str(), paths)
		d.removed = append(d.removed, name)
	}
	for it := value.Walk(value.Lookup(desc, "truncatedArrays").Doc()); it.Next(); {
		t := it.Value().Doc()
		d, name := root.at(value.Lookup(t, "field").Str(), paths)
		sub := d.child(name)
		sub.array, sub.length = true, int(value.Lookup(t, "newSize").AsInt64())
	}
	return root.document()
}

// at finds the level of a path's last part. Numbers behind the first part are
// places in arrays, unless the description says otherwise.
func (d *diffLevel) at(path string, known value.Value) (*diffLevel, string) {
	var parts []string
	var places []bool
	if known.IsDocument() {
		if v := value.Lookup(known.Doc(), path); v.IsArray() {
			for it := value.Walk(v.Doc()); it.Next(); {
				if p := it.Value(); p.IsString() {
					parts, places = append(parts, p.Str()), append(places, false)
				} else {
					parts, places = append(parts, strconv.FormatInt(p.AsInt64(), 10)), append(places, true)
				}
			}
		}
	}
	if parts == nil {
		parts = strings.Split(path, ".")
		for i, p := range parts {
			places = append(places, i > 0 && p != "" && strings.Trim(p, "0123456789") == "")
		}
	}
	for i, p := range parts[:len(parts)-1] {
		d.array = d.array || places[i]
		d = d.child(p)
	}
	d.array = d.array || places[len(parts)-1]
	return d, parts[len(parts)-1]
}

func (d *diffLevel) child(name string) *diffLevel {
	s := d.sub[name]
	if s == nil {
		s = newDiffLevel()
		d.sub[name] = s
		d.below = append(d.below, name)
	}
	return s
}

func (d *diffLevel) document() bson.Raw {
	var b value.Builder
	if d.array {
		b.Add("a", value.Bool(true))
		if d.length >= 0 {
			b.Add("l", value.Int32(int32(d.length)))
		}
		for i, name := range d.set {
			b.Add("u"+name, d.values[i])
		}
	}
	if len(d.removed) > 0 {
		b.Open(bson.TypeEmbeddedDocument, "d")
		for _, name := range d.removed {
			b.Add(name, value.Bool(false))
		}
		b.Close()
	}
	if !d.array && len(d.set) > 0 {
		b.Open(bson.TypeEmbeddedDocument, "u")
		for i, name := range d.set {
			b.Add(name, d.values[i])
		}
		b.Close()
	}
	for _, name := range d.below {
		b.Add("s"+name, value.Document(d.sub[name].document()))
	}
	return b.Doc()
}
