package update

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// plain is an update that only sets fields of the document itself to values that
// are neither documents nor arrays. That is what queues and counters of states
// do all the time; it needs no tree of the document, only a walk over it.
type plain struct {
	fields  []plainField // in the order of their names, which is that of application
	lengths uint64       // bit n: a name has n bytes, of the last bit: so many or more
}

type plainField struct {
	name    string
	element []byte // as it stands in a document: type, name, value
}

// read reads an update of operators as a plain one.
func (p *plain) read(doc bson.Raw, m *Memory) bool {
	it := value.Walk(doc)
	if !it.Next() || it.Key() != "$set" || !it.Value().IsDocument() {
		return false
	}
	set := it.Value().Doc()
	if it.Next() {
		return false
	}
	var fields []plainField
	if m != nil {
		fields = m.fields[len(m.fields):]
	}
	var lengths uint64
	for f := value.Walk(set); f.Next(); {
		if !plainName(f.Key()) || !plainKind(f.Kind()) {
			return false
		}
		fields = append(fields, plainField{f.Key(), f.Element()})
		lengths |= 1 << min(len(f.Key()), 63)
	}
	slices.SortFunc(fields, func(a, b plainField) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(fields); i++ {
		if fields[i].name == fields[i-1].name {
			return false // a conflict
		}
	}
	if len(fields) == 0 || len(fields) > 64 {
		return false
	}
	if m != nil {
		m.keep(fields)
	}
	p.fields, p.lengths = slices.Clip(fields), lengths
	return true
}

// plainName leaves out what is no name of a field, and numbers, which have an
// order of their own.
func plainName(name string) bool {
	return name != "" && name != "_id" && name[0] != '$' && (name[0] < '0' || name[0] > '9') && strings.IndexByte(name, '.') < 0
}

func plainKind(t bson.Type) bool {
	switch t {
	case bson.TypeString, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDateTime, bson.TypeBoolean, bson.TypeNull, bson.TypeObjectID:
		return true
	}
	return false
}

func (p *plain) find(name string) int {
	if p.lengths>>min(len(name), 63)&1 == 0 {
		return -1
	}
	for i := range p.fields {
		if p.fields[i].name == name {
			return i
		}
	}
	return -1
}

// apply sets the fields that are there and appends the others. desc is nil when
// nothing changed.
func (p *plain) apply(doc bson.Raw, m *Memory) (out bson.Raw, desc *Description) {
	var there, changed uint64
	start, dst := value.BeginDocument(m.document(len(doc) + p.size()))
	for it := value.Walk(doc); it.Next(); {
		e := it.Element()
		if i := p.find(it.Key()); i >= 0 && there>>i&1 == 0 {
			there |= 1 << i
			if !bytes.Equal(e, p.fields[i].element) {
				changed |= 1 << i
				e = p.fields[i].element
			}
		}
		dst = append(dst, e...)
	}
	if changed == 0 && bits.OnesCount64(there) == len(p.fields) {
		return doc, nil
	}
	for i := range p.fields {
		if there>>i&1 == 0 {
			dst = append(dst, p.fields[i].element...)
		}
	}
	dst = value.EndDocument(dst, start)
	if m == nil {
		return dst, &Description{of: p, changed: changed, there: there}
	}
	m.doc, m.desc = dst, Description{of: p, changed: changed, there: there}
	return dst, &m.desc
}

func (p *plain) size() int {
	n := 0
	for i := range p.fields {
		n += len(p.fields[i].element)
	}
	return n
}

// describe gives updatedFields: those that changed, then those that are new.
func (p *plain) describe(changed, there uint64) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, p.size()+5))
	for _, which := range [...]uint64{changed, ^there} {
		for i := range p.fields {
			if which>>i&1 == 1 {
				dst = append(dst, p.fields[i].element...)
			}
		}
	}
	return value.EndDocument(dst, start)
}
